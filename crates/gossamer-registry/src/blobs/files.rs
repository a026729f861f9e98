//! The files: finished blobs under their digest, unfinished ones under the name of their upload.
//!
//! A file under a digest means nothing by itself: the catalog says what there is. So publishing may
//! replace one that a crash left behind, and what nobody linked is only garbage.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use gossamer_oci::Digest;
use rustix::fs::{Mode, OFlags};
use tracing::warn;

use crate::uploads::UploadId;

/// Digits of the folder that a blob is in: 256 folders keep each small up to millions of blobs.
const FOLDER_DIGITS: usize = 2;

/// The folders `blobs`, `uploads` and `quarantine` of the registry. One filesystem.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    root: PathBuf,
}

// === impl Files ===

impl Files {
    /// Makes the folders that are missing, durably.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let files = Self { root: root.to_owned() };
        for folder in ["blobs", "uploads", "quarantine"] {
            make_folder(&root.join(folder))?;
        }
        Ok(files)
    }

    /// Where a blob is: `blobs/<algorithm>/<2 hex>/<hex>`.
    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let folder = hex.get(..FOLDER_DIGITS).unwrap_or_default();
        self.root.join("blobs").join(digest.algorithm().as_str()).join(folder).join(&hex)
    }

    pub(crate) fn upload(&self, id: &UploadId) -> PathBuf {
        self.uploads().join(id.to_string())
    }

    pub(crate) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// Moves a synced file to where its digest says, and syncs the folder: durable when it returns.
    pub(crate) fn publish(&self, upload: &Path, digest: &Digest) -> io::Result<()> {
        let target = self.blob(digest);
        let folder = parent(&target)?;
        match fs::rename(upload, &target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && upload.exists() => {
                make_folder(folder)?;
                fs::rename(upload, &target)?;
            }
            renamed => renamed?,
        }
        sync_folder(folder)
    }

    /// Takes a damaged blob out of the way and keeps it for whoever wants to look.
    pub(crate) fn quarantine(&self, digest: &Digest) -> io::Result<()> {
        let name = format!("{}-{}", digest.algorithm(), digest.hex());
        let blob = self.blob(digest);
        fs::rename(&blob, self.root.join("quarantine").join(name))?;
        sync_folder(parent(&blob)?)
    }

    /// Removes the file of an upload, if there is one.
    pub(crate) fn discard(&self, id: &UploadId) -> io::Result<()> {
        match fs::remove_file(self.upload(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Removes what is in `uploads` and no upload's: a crash left it. Answers how many files.
    pub(crate) fn sweep(&self, keep: &HashSet<UploadId>) -> io::Result<usize> {
        let mut swept = 0;
        for entry in fs::read_dir(self.uploads())? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.parse().is_ok_and(|id| keep.contains(&id)) {
                continue;
            }
            match fs::remove_file(&path) {
                Ok(()) => swept += 1,
                Err(error) => warn!(path = %path.display(), %error, "Cannot remove an orphaned file"),
            }
        }
        Ok(swept)
    }
}

/// Opens for reading; never follows a link that somebody planted.
pub(crate) fn open_read(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// Opens for reading and writing; makes the file if `new`.
pub(crate) fn open_write(path: &Path, new: bool) -> io::Result<File> {
    let mut flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if new {
        flags |= OFlags::CREATE;
    }
    Ok(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder and those above it, each durable.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = parent(folder)?;
    make_folder(above)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| sync_folder(above)),
    }
}

fn parent(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => Ok(above),
        Some(_) => Ok(Path::new(".")),
        None => Err(io::Error::from(io::ErrorKind::InvalidInput)),
    }
}

#[cfg(test)]
mod tests;
