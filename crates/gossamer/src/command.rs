//! What each command does.

mod ca;
mod core;
mod doctor;
mod explain;
mod mesh;
mod plugin;
mod policy;
mod push;
mod token;

pub(crate) use self::core::stop_signal;
pub(crate) use self::plugin::{BUNDLED, FOLLOW, unknown};
pub(crate) use self::token::create as create_token;

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use crate::api::Api;
use crate::cli::{Cli, Command, Output, Policy};
use crate::{dev, print};

/// Runs one command. Processes that bring their own runtime (plugins, evaluators) start it themselves.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { address, output, command } = cli;
    match command {
        Command::Evaluator => Ok(gossamer_server::evaluator()),
        Command::Plugin(command) => plugin::run(command),
        Command::Version => version(output),
        Command::Dev(options) => block_on(dev::run(options, output)),
        Command::Core(options) => block_on(core::run(options, output)),
        Command::Token(command) => block_on(token::run(command, &Api::new(&address)?, output)),
        Command::Ca(command) => block_on(ca::run(command, &Api::new(&address)?, output)),
        Command::Mesh(command) => block_on(mesh::run(command, &Api::new(&address)?, output)),
        Command::Doctor => block_on(doctor::run(&Api::new(&address)?, output)),
        Command::Policy(Policy::Test(options)) => policy::test(options, output),
        Command::Policy(command) => block_on(policy::run(command, &Api::new(&address)?, output)),
        Command::Explain(options) => block_on(explain::run(options, &Api::new(&address)?, output)),
        Command::Push(command) => block_on(push::run(command, &Api::new(&address)?, output)),
    }
}

fn block_on(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    runtime.block_on(command).map(|()| ExitCode::SUCCESS)
}

fn version(output: Output) -> anyhow::Result<ExitCode> {
    let version = env!("CARGO_PKG_VERSION");
    match output {
        Output::Text => println!("gossamer {version}"),
        Output::Json => print::json(&json!({ "version": version }))?,
    }
    Ok(ExitCode::SUCCESS)
}
