//! The next root: made beside the old one, which certifies it, so that whoever trusts either trusts both.

use std::path::Path;
use std::time::Duration;

use time::OffsetDateTime;

use super::{Authority, AuthorityError, IssueError, certificates, store};
use crate::key::{self, KeyError};

/// The old root and the new one. A third would need chains longer than a root allows.
const ROOTS_MAX: usize = 2;

/// Why there is no new root. Nothing was changed, unless it is said otherwise.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    #[error("the root is held by another core")]
    NotTheRoot,
    #[error("the last rotation has not ended: the mesh still trusts the root before this one")]
    Overlapping,
    #[error("cannot make a key")]
    Key(#[from] KeyError),
    #[error("cannot make the new root")]
    Issue(#[from] IssueError),
    #[error("cannot make the new root")]
    Sign(#[from] rcgen::Error),
    /// The next start goes on with whichever root was written whole.
    #[error("cannot store the new root")]
    Store(#[from] AuthorityError),
}

// === impl Authority ===

impl Authority {
    /// The authority with a new root, stored in `directory`; the old root's key is gone. What it issues leads to both
    /// roots, by way of a certificate of the new root that the old one signed.
    pub fn rotate(&self, directory: &Path, now: OffsetDateTime) -> Result<Self, RotateError> {
        if !self.is_root() {
            return Err(RotateError::NotTheRoot);
        }
        if self.roots.len() >= ROOTS_MAX {
            return Err(RotateError::Overlapping);
        }
        let pair = key::generate_pair()?;
        let root = certificates::root(&self.mesh, &pair, now)?;
        let crossed = certificates::crossed(&self.mesh, &pair, now)?.signed_by(&pair, &self.issuer)?;
        let roots = std::iter::once(root.clone()).chain(self.roots.iter().cloned()).collect();
        let next = Self::new(&self.mesh, pair, vec![root, crossed.into()], roots)?;
        store::replace_root(directory, &next)?;
        Ok(next)
    }

    /// The authority without the roots that came before its own, once `overlap` has passed since the rotation;
    /// `None` if there is nothing to retire yet.
    pub fn retire(
        &self,
        directory: &Path,
        overlap: Duration,
        now: OffsetDateTime,
    ) -> Result<Option<Self>, AuthorityError> {
        let Some(own) = self.certificates.first().filter(|_| self.is_root() && self.roots.len() > 1) else {
            return Ok(None);
        };
        if now < self.validity()?.not_before.saturating_add(overlap.try_into().unwrap_or(time::Duration::MAX))
        {
            return Ok(None);
        }
        let own = vec![own.clone()];
        Self::install(directory, &self.mesh, own.clone(), own).map(Some)
    }
}
