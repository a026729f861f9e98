//! `gossamer core`: one core node as this process.

use anyhow::Context;
use gossamer_server::Config;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Core, Output};
use crate::{logging, print};

pub(super) async fn run(options: Core, output: Output) -> anyhow::Result<()> {
    logging::start("info");
    let server = Config::read(&options.config)?.start().await.context("the core cannot start")?;
    let addresses = server.addresses();
    match output {
        Output::Text => println!("core ready on http://{}", addresses.http),
        Output::Json => print::json_line(&json!({
            "http": addresses.http, "mesh": addresses.mesh, "cluster": addresses.cluster,
        }))?,
    }
    stop_signal().await?;
    server.stop().await;
    Ok(())
}

/// Waits for SIGINT or SIGTERM.
pub(crate) async fn stop_signal() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
