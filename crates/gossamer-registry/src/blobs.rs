//! Blobs, as one repository sees them.

use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use gossamer_oci::{Digest, RepositoryName};

use crate::{Cause, Error, Registry};

/// A blob that its repository has. Holding one keeps nothing open.
#[derive(Clone, Debug)]
pub struct Blob {
    digest: Digest,
    size: u64,
}

/// Part of a blob, in order, in pieces that grow with it.
pub struct BlobStream {
    remaining: u64,
}

impl Blob {
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Opens the content and starts reading `range` of it, which is cut to the size. `0..blob.size()` is all.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the disk has not what the catalog says.
    pub async fn read(&self, _range: Range<u64>) -> Result<BlobStream, Error> {
        Err(Error::Closed)
    }
}

impl BlobStream {
    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// All that is to come, if it was small enough to be read in one go; the stream is then at its end.
    pub fn take_whole(&mut self) -> Option<Bytes> {
        None
    }
}

impl Stream for BlobStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}

impl Registry {
    /// Finds a blob that `repository` has. What other repositories have does not count.
    pub async fn blob(&self, _repository: &RepositoryName, _digest: &Digest) -> Result<Blob, Error> {
        Err(Error::Closed)
    }

    /// Stores a whole blob in one call, as the single `POST` does. Answers its size.
    pub async fn put_blob<S, E>(
        &self,
        _repository: &RepositoryName,
        _digest: &Digest,
        _body: S,
    ) -> Result<u64, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Cause>,
    {
        Err(Error::Closed)
    }

    /// Takes the blob out of `repository`. Its bytes stay for others and for the collector.
    pub async fn delete_blob(&self, _repository: &RepositoryName, _digest: &Digest) -> Result<(), Error> {
        Err(Error::Closed)
    }

    /// Gives `repository` the blob that `from` has. `false` if `from` does not have it: upload it then.
    /// The caller has checked that its principal may pull from `from`.
    pub async fn mount(
        &self,
        _repository: &RepositoryName,
        _digest: &Digest,
        _from: &RepositoryName,
    ) -> Result<bool, Error> {
        Err(Error::Closed)
    }

    /// Some repositories that have the blob, for a mount that names none: the caller mounts from the
    /// first that its principal may pull from.
    pub async fn mount_candidates(&self, _digest: &Digest) -> Result<Vec<RepositoryName>, Error> {
        Err(Error::Closed)
    }
}
