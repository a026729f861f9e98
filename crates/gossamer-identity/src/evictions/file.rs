//! The list on disk: one small file, replaced whole and synced before a change is believed.

use std::io;
use std::path::{Path, PathBuf};

use super::Evictions;
use crate::files::{self, Readers};

/// A list and its file. What is in memory has always been written.
#[derive(Debug)]
pub struct EvictionsFile {
    evictions: Evictions,
    path: PathBuf,
}

/// Why the list could not be read or written. Memory and disk are as before.
#[derive(Debug, thiserror::Error)]
pub enum EvictionsFileError {
    #[error("cannot read or write the list of evicted nodes {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("the list of evicted nodes {path} is damaged; who removes it lets them in again")]
    Damaged { path: PathBuf, source: serde_json::Error },
}

// === impl EvictionsFile ===

impl EvictionsFile {
    /// An absent file is an empty list.
    pub fn open(path: &Path) -> Result<Self, EvictionsFileError> {
        let content =
            files::read(path).map_err(|source| EvictionsFileError::File { path: path.into(), source })?;
        let evictions = match content {
            Some(content) => serde_json::from_slice(&content)
                .map_err(|source| EvictionsFileError::Damaged { path: path.into(), source })?,
            None => Evictions::default(),
        };
        Ok(Self { evictions, path: path.into() })
    }

    pub fn evictions(&self) -> &Evictions {
        &self.evictions
    }

    /// Applies `change`, which says whether it changed anything, and makes it durable. Blocks on the disk.
    pub fn update<E: From<EvictionsFileError>>(
        &mut self,
        change: impl FnOnce(&mut Evictions) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let mut next = self.evictions.clone();
        let changed = change(&mut next)?;
        if changed {
            self.write(&next)?;
            self.evictions = next;
        }
        Ok(changed)
    }

    fn write(&self, evictions: &Evictions) -> Result<(), EvictionsFileError> {
        let json = serde_json::to_vec_pretty(evictions).map_err(io::Error::from);
        json.and_then(|json| files::replace(&self.path, &json, Readers::Everybody))
            .map_err(|source| EvictionsFileError::File { path: self.path.clone(), source })
    }
}
