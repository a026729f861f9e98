//! Looking for damage: content that no longer hashes to its name.

use std::io::{self, Read};

use gossamer_oci::{Digest, Hasher};
use tracing::error;

use crate::blobs::files::{Files, open_read};
use crate::registry::blocking;
use crate::{Error, Registry};

/// Bytes read at once.
const READ_BYTES: usize = 256 << 10;

// === impl Registry ===

impl Registry {
    /// Reads a blob and hashes it again. One that is damaged is moved to `quarantine/`, so that nobody is
    /// served from it and a push of the same content repairs it.
    ///
    /// # Errors
    /// [`Error::Damaged`], after it was moved or if it is not there.
    pub async fn scrub_blob(&self, digest: &Digest) -> Result<(), Error> {
        let (files, digest) = (self.inner.files.clone(), *digest);
        blocking::run(move || scrub(&files, &digest)).await
    }
}

fn scrub(files: &Files, digest: &Digest) -> Result<(), Error> {
    let actual = match hash(files, digest) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::Damaged(*digest)),
        hashed => hashed?,
    };
    if actual == *digest {
        return Ok(());
    }
    files.quarantine(digest)?;
    metrics::counter!("gossamer_registry_blobs_quarantined_total").increment(1);
    error!(%digest, %actual, "A blob is damaged and was moved to quarantine");
    Err(Error::Damaged(*digest))
}

fn hash(files: &Files, digest: &Digest) -> io::Result<Digest> {
    let mut file = open_read(&files.blob(digest))?;
    let mut hasher = Hasher::new(digest.algorithm());
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(content) = buffer.get(..read).filter(|content| !content.is_empty()) else { break };
        hasher.update(content);
    }
    Ok(hasher.finish())
}
