//! `gossamer plugin`: the bundled plugins, each run as this process.

use std::process::ExitCode;

use gossamer_plugin_static::Static;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::cli::{Plugin, PluginRun};
use crate::exit::{Class, Failure};

/// Names of the plugins that ship in this binary.
pub(crate) const BUNDLED: [&str; 1] = ["static"];

/// Set by `gossamer dev` to its process id: the plugin ends when that process does, however it ends.
pub(crate) const FOLLOW: &str = "GOSSAMER_FOLLOW_PARENT";

pub(super) fn run(command: Plugin) -> anyhow::Result<ExitCode> {
    let Plugin::Run(PluginRun { name, join_file, data }) = command;
    follow_parent()?;
    let options = gossamer_sdk::Options::from_environment()?.with(join_file, data);
    match name.as_str() {
        "static" => Ok(gossamer_sdk::main_with::<Static>(options)),
        _ => Err(unknown(&name).into()),
    }
}

/// There is no bundled plugin called `name`.
pub(crate) fn unknown(name: &str) -> Failure {
    Failure::new(Class::NotFound, format!("there is no bundled plugin called {name:?}"))
        .advise(format!("Bundled plugins: {}.", BUNDLED.join(", ")))
}

fn follow_parent() -> anyhow::Result<()> {
    let Some(parent) = std::env::var(FOLLOW).ok().and_then(|text| text.parse().ok()).and_then(Pid::from_raw)
    else {
        return Ok(());
    };
    set_parent_process_death_signal(Some(Signal::TERM))?;
    // The parent may have ended before the signal was asked for.
    if getppid() != Some(parent) {
        return Err(Failure::new(Class::Failed, "the process that this plugin follows has ended").into());
    }
    Ok(())
}
