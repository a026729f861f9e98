//! Verified announcements on disk, so that blobs are served while a plugin is away.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gossamer_oci::Digest;
use gossamer_wire::Announcement;
use tracing::warn;

/// One file per announcement, named by the hexadecimal digits of its digest.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    directory: PathBuf,
}

// === impl Cache ===

impl Cache {
    /// A cache in `directory`, which is made if it is missing.
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    /// Every announcement that is whole. What is not is left out and logged: it is pulled again.
    pub(super) fn load(&self) -> io::Result<Vec<Announcement>> {
        let mut announcements = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            match read(&path) {
                Ok(announcement) => announcements.push(announcement),
                Err(reason) => warn!(path = %path.display(), reason, "Cached announcement is not used"),
            }
        }
        Ok(announcements)
    }

    /// Keeps exactly these. New ones are on disk when this returns.
    pub(super) fn keep(&self, announcements: &[Arc<Announcement>]) -> io::Result<()> {
        let mut wanted = BTreeSet::new();
        for announcement in announcements {
            let content = announcement.encode();
            let path = self.directory.join(Digest::sha256(&content).hex());
            if !path.exists() {
                self.write(&path, &content)?;
            }
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

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let partial = path.with_extension("partial");
        let mut file = File::create(&partial)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(partial, path)
    }
}

fn read(path: &Path) -> Result<Announcement, String> {
    let content = fs::read(path).map_err(|error| error.to_string())?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if Digest::sha256(&content).hex() != name {
        return Err("its content does not hash to its name".to_owned());
    }
    Announcement::decode(&content).map_err(|error| error.to_string())
}
