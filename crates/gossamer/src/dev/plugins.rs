//! The plugin processes of `gossamer dev`: started, started again when they end, stopped together.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::command::FOLLOW;

/// A plugin that ends by itself is started again after this, so that a broken one cannot spin.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// A plugin drains for this long before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// One plugin process to keep running.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    /// Name of the bundled plugin.
    pub plugin: String,
    /// Directory of the node's key, certificate and state.
    pub data: PathBuf,
    /// Where its standard error goes.
    pub log: PathBuf,
    /// The one-time token for its first start; passed in the environment, never in argv.
    pub token: Option<String>,
}

/// The running plugin processes.
#[derive(Debug, Default)]
pub(super) struct Plugins {
    keepers: JoinSet<()>,
    stopping: CancellationToken,
}

impl Plugins {
    /// Starts `instance` and keeps it running until [`Plugins::stop`]. Says the process id.
    pub(super) fn start(&mut self, instance: Instance) -> anyhow::Result<u32> {
        let child = spawn(&instance)?;
        let id = child.id().context("the plugin ended before it began")?;
        self.keepers.spawn(keep(instance, child, self.stopping.clone()));
        Ok(id)
    }

    /// Asks every plugin to drain and stop, and waits until all have ended.
    pub(super) async fn stop(mut self) {
        self.stopping.cancel();
        while self.keepers.join_next().await.is_some() {}
    }
}

async fn keep(instance: Instance, mut child: Child, stopping: CancellationToken) {
    loop {
        let ended = tokio::select! {
            biased;
            () = stopping.cancelled() => return end(child).await,
            ended = child.wait() => ended,
        };
        warn!(plugin = instance.plugin, log = %instance.log.display(), status = describe(ended), "A plugin ended by itself; it will be started again");
        child = loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                () = sleep(RESTART_DELAY) => {}
            }
            match spawn(&instance) {
                Ok(child) => break child,
                Err(error) => warn!(plugin = instance.plugin, error = %error, "A plugin cannot be started"),
            }
        };
    }
}

async fn end(mut child: Child) {
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)) {
        // It may have ended in this moment.
        let _ended = kill_process(pid, Signal::TERM);
    }
    if timeout(STOP_PATIENCE, child.wait()).await.is_err() {
        warn!("A plugin did not drain in time and is killed");
        drop(child.kill().await);
    }
}

fn spawn(instance: &Instance) -> anyhow::Result<Child> {
    let Instance { plugin, data, log, token } = instance;
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command.args(["plugin", "run", plugin]).env(FOLLOW, std::process::id().to_string());
    command
        .env("GOSSAMER_DATA", data)
        .env("GOSSAMER_LISTEN", "127.0.0.1:0")
        .env("GOSSAMER_BIND", "127.0.0.1:0");
    match token {
        Some(token) => command.env("GOSSAMER_JOIN", token),
        None => command.env_remove("GOSSAMER_JOIN"),
    };
    // A group of its own: Ctrl-C reaches this process alone, which then stops the plugins in order.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(open_log(log)?);
    command.kill_on_drop(true).spawn().with_context(|| format!("cannot start the plugin {plugin}"))
}

fn open_log(path: &Path) -> anyhow::Result<File> {
    let log = File::options().create(true).append(true).open(path);
    log.with_context(|| format!("cannot open the log {}", path.display()))
}

fn describe(ended: std::io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}
