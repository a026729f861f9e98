//! What SQLite says, in the registry's words.

use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::Error;

/// Why a statement or a change went wrong.
#[derive(Debug)]
pub(super) enum Fault {
    /// The change may not be made.
    Refused(Error),
    Database(rusqlite::Error),
}

/// A failure of the database that hit several changes at once.
pub(super) struct Shared(Arc<rusqlite::Error>);

// === impl Fault ===

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(error) => error,
            Fault::Database(error) => Shared::from(error).error(),
        }
    }
}

// === impl Shared ===

impl From<rusqlite::Error> for Shared {
    fn from(error: rusqlite::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl Shared {
    pub(super) fn error(&self) -> Error {
        match self.0.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Error::StorageFull,
            Some(ErrorCode::ReadOnly) => Error::ReadOnly,
            _ => Error::Catalog(Box::new(self.0.clone())),
        }
    }
}
