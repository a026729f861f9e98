//! The handle: what it is made of, how it opens and how it closes.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use gossamer_events::{LogId, Sequence};
use time::OffsetDateTime;
use tokio::sync::watch;
use tracing::info;

use crate::blobs::files::{Files, sync_folder};
use crate::catalog::sqlite::Sqlite;
use crate::catalog::{Catalog, Change, UploadRow};
use crate::config::Limits;
use crate::index::Index;
use crate::uploads::is_intact;
use crate::uploads::sessions::Sessions;
use crate::{Config, Error};

pub(crate) mod blocking;

/// The artifacts of one directory. Cheap to clone; all clones are the same registry.
#[derive(Clone)]
pub struct Registry {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) limits: Limits,
    pub(crate) sparse: bool,
    pub(crate) files: Files,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) index: Arc<Index>,
    pub(crate) sessions: Sessions,
    /// Keeps other processes out for as long as it is open.
    _lock: File,
}

// === impl Registry ===

impl Registry {
    pub(crate) async fn open(config: Config) -> Result<Self, Error> {
        let (inner, orphans) = blocking::run(move || Inner::open(config)).await?;
        for row in orphans {
            inner.catalog.apply(Change::EndUpload { id: row.upload.id }).await?;
        }
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The log in which the sequences of all events of this registry count.
    pub fn log(&self) -> LogId {
        self.inner.catalog.log()
    }

    /// The sequence of the newest event. Changes once the event is durable.
    pub fn events_head(&self) -> watch::Receiver<Sequence> {
        self.inner.catalog.head()
    }

    /// Answers the changes that were taken, takes no more ([`Error::Closed`]), and closes the catalog.
    /// Call it when no request is left.
    pub async fn close(&self) {
        self.inner.catalog.close().await;
    }
}

// === impl Inner ===

impl Inner {
    /// Opens everything and sweeps what no upload needs. Answers the rows of uploads that are over.
    fn open(config: Config) -> Result<(Self, Vec<UploadRow>), Error> {
        let Config { directory, limits, sparse } = config;
        let files = Files::open(&directory)?;
        let lock = lock(&directory.join("lock"))?;
        let index = Arc::new(Index::new(limits.index_bytes_max));
        let catalog = Sqlite::open(&directory.join("catalog.db"), index.clone())?;
        sync_folder(&directory)?;
        let oldest = OffsetDateTime::now_utc() - limits.upload_idle();
        let (open, over): (Vec<_>, Vec<_>) = catalog.uploads()?.into_iter().partition(|row| {
            let file = fs::symlink_metadata(files.upload(&row.upload.id)).ok();
            row.touched >= oldest && is_intact(row, file.map(|file| file.len()))
        });
        let keep: HashSet<_> = open.iter().map(|row| row.upload.id).collect();
        let swept = files.sweep(&keep)?;
        info!(
            directory = %directory.display(),
            uploads = open.len(),
            uploads_over = over.len(),
            files_swept = swept,
            "The registry is open"
        );
        let sessions = Sessions::resume(&open);
        let catalog = Arc::new(catalog);
        Ok((Self { limits, sparse, files, catalog, index, sessions, _lock: lock }, over))
    }
}

fn lock(path: &Path) -> Result<File, Error> {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
