//! Small files that must be whole or absent: written beside their name, synced, then renamed.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;

/// Only the node's user may list, read or write.
const DIRECTORY_MODE: u32 = 0o700;

/// Bits that let anybody but the owner at a file.
const OTHERS: u32 = 0o077;

/// Who may read a file. Only its owner may write it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Readers {
    Owner,
    Everybody,
}

/// Creates `directory` and its parents, closed to other users.
pub(crate) fn create_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)
}

/// Replaces the file at `path`. After a crash it holds all of the old content or all of the new.
pub(crate) fn replace(path: &Path, content: &[u8], readers: Readers) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = NamedTempFile::new_in(directory)?;
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::Everybody => 0o644,
    };
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|refused| refused.error)?;
    File::open(directory)?.sync_all()
}

/// The content of the file, `None` if there is no such file.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Like [`read`], but refuses a file that other users may read or write.
pub(crate) fn read_private(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let content = read(path)?;
    if content.is_some() && fs::metadata(path)?.permissions().mode() & OTHERS != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "other users may read this private file; its mode must be 0600",
        ));
    }
    Ok(content)
}

#[cfg(test)]
mod tests;
