//! Whether this core is alive, and whether it should be sent requests.

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gossamer_identity::Identity;
use gossamer_registry::{Page, Registry};
use serde::Serialize;
use time::OffsetDateTime;

use crate::chain::Chain;

/// Written and removed to see whether the disk takes anything.
const PROBE_FILE: &str = "ready.probe";

/// What readiness is judged by. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    pub identity: Identity,
    pub registry: Registry,
    /// The core's data directory.
    pub data: PathBuf,
    /// Set while the core is stopping.
    pub leaving: Arc<AtomicBool>,
}

/// One thing that must be well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub ok: bool,
    /// What was found, for a person.
    pub detail: String,
}

// === impl Health ===

impl Health {
    /// Every check, in the order in which a person would look. Ready means that all are ok.
    pub async fn checks(&self) -> Vec<Check> {
        let certificate = certificate(self.identity.validity().not_after, OffsetDateTime::now_utc());
        let data = self.data.clone();
        let written = tokio::task::spawn_blocking(move || probe(&data)).await;
        let disk = match written {
            Ok(Ok(())) => Check::ok("disk", "takes writes"),
            Ok(Err(error)) => Check::failed("disk", error.to_string()),
            Err(error) => Check::failed("disk", error.to_string()),
        };
        let catalog = match self.registry.repositories(&Page { after: None, limit: Some(1) }).await {
            Ok(_) => Check::ok("catalog", "answers"),
            Err(error) => Check::failed("catalog", Chain(&error).to_string()),
        };
        let serving = if self.leaving.load(Ordering::Relaxed) {
            Check::failed("serving", "this core is stopping")
        } else {
            Check::ok("serving", "listeners are open")
        };
        vec![serving, certificate, catalog, disk]
    }
}

/// Whether the node certificate still holds.
fn certificate(not_after: OffsetDateTime, now: OffsetDateTime) -> Check {
    let left = (not_after - now).whole_seconds();
    if left > 0 {
        Check::ok("certificate", format!("ends in {left} s"))
    } else {
        Check::failed("certificate", format!("ended {} s ago", -left))
    }
}

fn probe(data: &Path) -> io::Result<()> {
    let path = data.join(PROBE_FILE);
    fs::write(&path, b"?")?;
    fs::remove_file(path)
}

// === impl Check ===

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, ok: true, detail: detail.into() }
    }

    fn failed(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, ok: false, detail: detail.into() }
    }
}
