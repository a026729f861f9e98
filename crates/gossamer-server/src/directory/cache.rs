//! Verified announcements on disk, so that blobs are served while a plugin is away.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gossamer_oci::{Algorithm, Digest, Hasher};
use gossamer_wire::Announcement;
use tracing::warn;

use super::roster::{Kept, Since};

/// What comes before the announcement in a file: the seal, and since when the core routes by it.
const SEAL_BYTES: usize = 32;
const SINCE_BYTES: usize = 8;

/// One file per announcement, named by the hexadecimal digits of its digest and sealed with a secret of this node: an
/// announcement that this core has not itself checked is not taken from its disk either.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    directory: PathBuf,
    seal: Seal,
}

/// What this node proves to itself by.
#[derive(Clone)]
pub struct Seal([u8; 64]);

// === impl Cache ===

impl Cache {
    /// A cache in `directory`, which is made if it is missing.
    pub(super) fn open(directory: PathBuf, seal: Seal) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, seal })
    }

    /// Every announcement that is whole and was kept by this node. What is not is left out and logged: it is pulled
    /// again.
    pub(super) fn load(&self) -> io::Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            match self.read(&path) {
                Ok(announcement) => kept.push(announcement),
                Err(reason) => warn!(path = %path.display(), reason, "Cached announcement is not used"),
            }
        }
        Ok(kept)
    }

    /// Keeps exactly these. New ones are on disk when this returns.
    pub(super) fn keep(&self, announcements: &[Kept]) -> io::Result<()> {
        let mut wanted = BTreeSet::new();
        for kept in announcements {
            let content = kept.announcement.encode();
            let digest = Digest::sha256(&content);
            let path = self.directory.join(digest.hex());
            if self.read(&path).is_ok_and(|on_disk| on_disk.since == kept.since) {
                wanted.insert(path);
                continue;
            }
            let seal = self.seal.of(&digest, kept.since);
            let since = kept.since.as_millis().to_be_bytes();
            write(&path, &[seal.as_bytes(), &since, &content].concat())?;
            wanted.insert(path);
        }
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if !wanted.contains(&path) {
                fs::remove_file(&path)?;
            }
        }
        File::open(&self.directory)?.sync_all()
    }

    fn read(&self, path: &Path) -> Result<Kept, String> {
        let bytes = fs::read(path).map_err(|error| error.to_string())?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (seal, rest) = bytes.split_at_checked(SEAL_BYTES).ok_or("it is cut off")?;
        let (since, content) = rest.split_first_chunk::<SINCE_BYTES>().ok_or("it is cut off")?;
        let (digest, since) = (Digest::sha256(content), Since::from_millis(u64::from_be_bytes(*since)));
        if digest.hex() != name {
            return Err("its content does not hash to its name".to_owned());
        }
        if self.seal.of(&digest, since).as_bytes() != seal {
            return Err("it does not bear the seal of this node".to_owned());
        }
        let announcement = Announcement::decode(content).map_err(|error| error.to_string())?;
        Ok(Kept { since, announcement: Arc::new(announcement) })
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = File::create(&partial)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(partial, path)
}

// === impl Seal ===

impl Seal {
    /// `secret` is derived from the node's key.
    pub fn new(secret: [u8; 64]) -> Self {
        Self(secret)
    }

    /// All parts are of fixed lengths, so that nothing can be appended to what is hashed.
    fn of(&self, announcement: &Digest, since: Since) -> Digest {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(b"gossamer announcement cache 1");
        hasher.update(&self.0);
        hasher.update(announcement.as_bytes());
        hasher.update(&since.as_millis().to_be_bytes());
        hasher.finish()
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}
