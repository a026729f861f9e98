//! `gossamer core`: one core node as this process.

use anyhow::Context;
use gossamer_server::Config;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Core, Output};
use crate::{logging, print};

pub(super) async fn run(options: Core, output: Output) -> anyhow::Result<()> {
    logging::start("info");
    let mut config = Config::read(&options.config)?;
    config.join_file = options.join_file.or(config.join_file);
    let token = std::env::var("GOSSAMER_JOIN").ok().filter(|token| !token.is_empty());
    let server = config.start_with(token.as_deref()).await.context("the core cannot start")?;
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
