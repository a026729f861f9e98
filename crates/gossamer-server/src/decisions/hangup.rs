//! SIGHUP: the decision log goes on in a new file.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Decisions;

/// Opens the log again whenever the process is told to. Without a log the signal keeps its usual meaning.
pub(crate) async fn reopen_on_hangup(decisions: Arc<Decisions>, closing: CancellationToken) {
    if !decisions.has_log() {
        return;
    }
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            warn!(%error, "Cannot listen for SIGHUP; the decision log stays in its file");
            return;
        }
    };
    while let Some(Some(())) = closing.run_until_cancelled(hangups.recv()).await {
        info!("Opening the decision log again");
        decisions.reopen_log();
    }
}
