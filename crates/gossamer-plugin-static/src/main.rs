//! The static plugin as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    gossamer_sdk::main::<gossamer_plugin_static::Static>()
}
