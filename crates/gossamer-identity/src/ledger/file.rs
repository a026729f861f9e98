//! The ledger on disk: one small file, replaced whole and synced before a change is believed.

use std::io;
use std::path::{Path, PathBuf};

use super::Ledger;
use crate::files::{self, Readers};

/// A ledger and its file. What is in memory has always been written.
#[derive(Debug)]
pub struct LedgerFile {
    ledger: Ledger,
    path: PathBuf,
}

/// Why the ledger could not be read or written. Memory and disk are as before.
#[derive(Debug, thiserror::Error)]
pub enum LedgerFileError {
    #[error("cannot read or write the token ledger {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("the token ledger {path} is damaged; remove it to void all open tokens")]
    Damaged { path: PathBuf, source: serde_json::Error },
}

// === impl LedgerFile ===

impl LedgerFile {
    /// An absent file is an empty ledger.
    pub fn open(path: &Path) -> Result<Self, LedgerFileError> {
        let content = files::read_private(path)
            .map_err(|source| LedgerFileError::File { path: path.into(), source })?;
        let ledger = match content {
            Some(content) => serde_json::from_slice(&content)
                .map_err(|source| LedgerFileError::Damaged { path: path.into(), source })?,
            None => Ledger::default(),
        };
        Ok(Self { ledger, path: path.into() })
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Applies `change` and makes it durable, or leaves everything as it was. Blocks on the disk.
    pub fn update<T, E: From<LedgerFileError>>(
        &mut self,
        change: impl FnOnce(&mut Ledger) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut next = self.ledger.clone();
        let outcome = change(&mut next)?;
        self.write(&next)?;
        self.ledger = next;
        Ok(outcome)
    }

    fn write(&self, ledger: &Ledger) -> Result<(), LedgerFileError> {
        let json = serde_json::to_vec_pretty(ledger).map_err(io::Error::from);
        let directory = self.path.parent().unwrap_or(Path::new("."));
        json.and_then(|json| {
            files::create_directory(directory)?;
            files::replace(&self.path, &json, Readers::Owner)
        })
        .map_err(|source| LedgerFileError::File { path: self.path.clone(), source })
    }
}
