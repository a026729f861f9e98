//! The open uploads of this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gossamer_oci::Hasher;
use time::OffsetDateTime;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::{Upload, UploadId};
use crate::Error;
use crate::blobs::sink::Progress;
use crate::catalog::UploadRow;

/// How long a request waits for another that is at the upload: long enough for the last write of one
/// whose client has gone, and came back on another connection.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// The open uploads by name.
#[derive(Default)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<UploadId, Arc<Session>>>,
}

/// One open upload.
pub(crate) struct Session {
    upload: Upload,
    /// Bytes acknowledged, for those who only ask.
    length: AtomicU64,
    /// When a request last got on with it, in seconds since 1970.
    touched: AtomicI64,
    /// Locked by the one request that writes.
    progress: Arc<tokio::sync::Mutex<Progress>>,
}

// === impl Sessions ===

impl Sessions {
    /// The sessions that were open when the process before this one ended. What they hash to so far is
    /// not known: that takes a second reading at their end.
    pub(crate) fn resume(rows: &[UploadRow]) -> Self {
        let open = rows
            .iter()
            .map(|row| {
                let hasher = (row.size == 0).then(|| Hasher::new(row.algorithm));
                (row.upload.id, Arc::new(Session::new(row, hasher)))
            })
            .collect();
        Self { open: Mutex::new(open) }
    }

    pub(crate) fn begin(&self, row: &UploadRow, limit: usize) -> Result<(), Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= limit {
            return Err(Error::TooManyUploads { limit });
        }
        let session = Session::new(row, Some(Hasher::new(row.algorithm)));
        open.insert(row.upload.id, Arc::new(session));
        Ok(())
    }

    /// The session, if it is this repository's and principal's.
    pub(crate) fn find(&self, upload: &Upload) -> Result<Arc<Session>, Error> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let session = open.get(&upload.id).filter(|session| session.upload == *upload);
        session.cloned().ok_or(Error::UploadUnknown)
    }

    pub(crate) fn remove(&self, id: &UploadId) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    pub(crate) fn len(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Those that nobody touched since `oldest` and nobody is at.
    pub(crate) fn idle_since(&self, oldest: OffsetDateTime) -> Vec<UploadId> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = open.values().filter(|session| session.is_idle_since(oldest));
        idle.map(|session| session.upload.id).collect()
    }
}

// === impl Session ===

impl Session {
    fn new(row: &UploadRow, hasher: Option<Hasher>) -> Self {
        Self {
            upload: row.upload.clone(),
            length: AtomicU64::new(row.size),
            touched: AtomicI64::new(row.touched.unix_timestamp()),
            progress: Arc::new(tokio::sync::Mutex::new(Progress { length: row.size, hasher })),
        }
    }

    pub(crate) fn upload(&self) -> &Upload {
        &self.upload
    }

    pub(crate) fn length(&self) -> u64 {
        self.length.load(Ordering::Acquire)
    }

    /// Waits a little for whoever is at it.
    pub(crate) async fn hold(&self) -> Result<OwnedMutexGuard<Progress>, Error> {
        timeout(BUSY_WAIT, self.progress.clone().lock_owned()).await.map_err(|_| Error::UploadBusy)
    }

    /// Says that it has come so far.
    pub(crate) fn advance(&self, length: u64, at: OffsetDateTime) {
        self.length.store(length, Ordering::Release);
        self.touched.store(at.unix_timestamp(), Ordering::Relaxed);
    }

    fn is_idle_since(&self, oldest: OffsetDateTime) -> bool {
        self.touched.load(Ordering::Relaxed) < oldest.unix_timestamp() && self.progress.try_lock().is_ok()
    }
}
