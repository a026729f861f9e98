//! Blobs, as one repository sees them.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use gossamer_oci::{Digest, Hasher, RepositoryName};
use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::catalog::Change;
use crate::index::{Found, Key, Value};
use crate::registry::{Inner, blocking};
use crate::uploads::UploadId;
use crate::{Cause, Error, Registry};

pub(crate) mod files;
pub(crate) mod sink;
mod stream;

use sink::{Progress, Refusal, Room, Sink};
pub use stream::BlobStream;

/// Repositories offered for a mount that names none. The caller checks each, so it is not many.
const CANDIDATES_MAX: usize = 32;

/// A blob that its repository has. Holding one keeps nothing open.
#[derive(Clone, Debug)]
pub struct Blob {
    digest: Digest,
    size: u64,
    path: PathBuf,
}

// === impl Blob ===

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
    pub async fn read(&self, range: Range<u64>) -> Result<BlobStream, Error> {
        let end = range.end.min(self.size);
        let part = range.start.min(end)..end;
        BlobStream::open(&self.path, self.digest, self.size, part).await
    }
}

// === impl Registry ===

impl Registry {
    /// Finds a blob that `repository` has. What other repositories have does not count.
    ///
    /// # Errors
    /// [`Error::BlobUnknown`].
    pub async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob, Error> {
        let key = Key::blob(repository, digest);
        let known = self.inner.index.get(&key);
        let size = match known.and_then(Value::into_size) {
            Some(size) => Some(size),
            None => {
                let (inner, repository, digest) = (self.inner.clone(), repository.clone(), *digest);
                blocking::run(move || inner.blob_size(&repository, &digest)).await?
            }
        };
        let size = size.ok_or(Error::BlobUnknown(*digest))?;
        Ok(Blob { digest: *digest, size, path: self.inner.files.blob(digest) })
    }

    /// Stores a whole blob in one call, as the single `POST` does. Answers its size.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`], [`Error::TooLarge`], [`Error::Body`]; nothing is stored then.
    pub async fn put_blob<S, E>(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        body: S,
    ) -> Result<u64, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Cause>,
    {
        let id = UploadId::random()?;
        let hasher = Some(Hasher::new(digest.algorithm()));
        let progress = Arc::new(Mutex::new(Progress { length: 0, hasher }));
        let sink = Sink::new(self.inner.files.upload(&id), progress.lock_owned().await);
        let limit = self.inner.limits.blob_bytes_max;
        let room = Room { bytes: limit, refusal: Refusal::TooLarge { limit } };
        let published = match sink.take(body, room).await {
            Ok((sink, tail)) => self.publish(sink, tail, *digest, None).await,
            Err(error) => Err(error),
        };
        match published {
            Ok(sink) => self.link(repository, digest, sink.length(), None).await,
            Err(error) => {
                self.discard(id).await;
                Err(error)
            }
        }
    }

    /// Takes the blob out of `repository`. Its bytes stay for others and for the collector.
    ///
    /// # Errors
    /// [`Error::BlobUnknown`].
    pub async fn delete_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), Error> {
        let change = Change::UnlinkBlob { repository: repository.clone(), digest: *digest };
        self.inner.catalog.apply(change).await.map(drop)
    }

    /// Gives `repository` the blob that `from` has. `false` if `from` does not have it: upload it then.
    /// The caller has checked that its principal may pull from `from`.
    pub async fn mount(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        from: &RepositoryName,
    ) -> Result<bool, Error> {
        let (repository, from, at) = (repository.clone(), from.clone(), OffsetDateTime::now_utc());
        let change = Change::MountBlob { repository, digest: *digest, from, at };
        match self.inner.catalog.apply(change).await {
            Ok(_) => Ok(true),
            Err(Error::BlobUnknown(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Some repositories that have the blob, for a mount that names none: the caller mounts from the
    /// first that its principal may pull from.
    pub async fn mount_candidates(&self, digest: &Digest) -> Result<Vec<RepositoryName>, Error> {
        let (inner, digest) = (self.inner.clone(), *digest);
        blocking::run(move || inner.catalog.holders(&digest, CANDIDATES_MAX)).await
    }

    /// Absorbs the last bytes, checks where they end and the digest, and puts the file where it belongs,
    /// durably. Nobody sees it yet. Answers the sink, which still holds the upload.
    pub(crate) async fn publish(
        &self,
        mut sink: Sink,
        tail: Vec<Bytes>,
        digest: Digest,
        span: Option<Range<u64>>,
    ) -> Result<Sink, Error> {
        let files = self.inner.files.clone();
        blocking::run(move || {
            sink.absorb(&tail)?;
            sink.check_end(span)?;
            sink.verify(&digest)?;
            sink.sync(false)?; // the folder that counts is the one it moves to
            files.publish(sink.path(), &digest)?;
            Ok(sink)
        })
        .await
    }

    /// Makes a published blob visible in `repository`, and ends the upload it came by.
    pub(crate) async fn link(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        size: u64,
        upload: Option<UploadId>,
    ) -> Result<u64, Error> {
        let (repository, at) = (repository.clone(), OffsetDateTime::now_utc());
        let change = Change::LinkBlob { repository, digest: *digest, size, upload, at };
        self.inner.catalog.apply(change).await?;
        metrics::counter!("gossamer_registry_blobs_pushed_bytes_total").increment(size);
        Ok(size)
    }
}

// === impl Inner ===

impl Inner {
    /// From the index, else from the catalog; blocks then.
    fn blob_size(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<u64>, Error> {
        match self.index.find(Key::blob(repository, digest)) {
            Found::Hit(value) => Ok(value.into_size()),
            Found::Miss(lease) => {
                let size = self.catalog.blob_size(repository, digest)?;
                if let Some(size) = size {
                    lease.fill(Value::Blob(size));
                }
                Ok(size)
            }
        }
    }
}

#[cfg(test)]
mod tests;
