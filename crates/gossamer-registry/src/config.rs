//! Where the registry keeps its things and how much it takes.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::{Error, Registry};

/// Everything a registry needs to open.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Holds `blobs/`, `uploads/`, `catalog.db` and `lock`; made if it is not there. One filesystem.
    pub directory: PathBuf,
    #[serde(default)]
    pub limits: Limits,
    /// Accept manifests that name blobs or manifests which the repository does not have.
    #[serde(default)]
    pub sparse: bool,
}

/// What the registry takes at most. Beyond it a request fails; nothing grows without end.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one blob.
    pub blob_bytes_max: u64,
    /// Open upload sessions of all principals together; each costs some 300 bytes of memory.
    pub uploads_max: usize,
    /// An upload that nobody touched for so long is removed.
    pub upload_idle_seconds: u64,
    /// Entries of one page of any listing.
    pub page_max: usize,
    /// Bytes of parsed manifests and blob sizes kept in memory.
    pub index_bytes_max: usize,
}

// === impl Config ===

impl Config {
    /// A registry in `directory` with the default limits.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), limits: Limits::default(), sparse: false }
    }

    /// Opens the registry, making it if there is none: takes the lock, migrates the catalog,
    /// and sweeps expired uploads and orphaned files.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has it, [`Error::CatalogVersion`] if a newer program
    /// wrote it, and whatever the storage says.
    pub async fn open(self) -> Result<Registry, Error> {
        Registry::open(self).await
    }
}

// === impl Limits ===

impl Limits {
    pub(crate) fn upload_idle(&self) -> Duration {
        Duration::from_secs(self.upload_idle_seconds)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            blob_bytes_max: 128 << 30, // four times the largest model layers seen in the wild
            uploads_max: 10_000,
            upload_idle_seconds: 24 * 60 * 60,
            page_max: 1_000, // what clients ask for at most without reading `Link`
            index_bytes_max: 32 << 20,
        }
    }
}
