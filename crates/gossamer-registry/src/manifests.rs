//! Manifests and tags: stored byte for byte, found by tag or digest, deleted at once.

use std::sync::Arc;

use bytes::Bytes;
use gossamer_events::{Origin, Sequence};
use gossamer_oci::{Algorithm, Descriptor, Digest, Manifest, MediaType, Reference, RepositoryName, Tag};
use time::OffsetDateTime;

use crate::catalog::{Change, ManifestRow, NewManifest, Stamp};
use crate::index::{Found, Key, Value};
use crate::registry::{Inner, blocking};
use crate::{Error, Registry};

/// A manifest to store.
#[derive(Clone, Debug)]
pub struct PutManifest {
    pub repository: RepositoryName,
    /// The tag it gets, or the digest it must have.
    pub reference: Reference,
    /// Further tags (`?tag=` on a push by digest).
    pub tags: Vec<Tag>,
    pub content_type: Option<MediaType>,
    /// Kept byte for byte.
    pub content: Bytes,
    pub origin: Origin,
    pub traceparent: Option<String>,
}

/// What became of a [`PutManifest`]: durable, visible, and in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// In the algorithm of the reference; sha256 for a tag.
    pub digest: Digest,
    /// What the manifest is about, for `OCI-Subject`.
    pub subject: Option<Digest>,
    /// The last event that the push appended; none if it changed nothing.
    pub sequence: Option<Sequence>,
}

/// A manifest as it was pushed, and as it was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    pub digest: Digest,
    pub content: Bytes,
    pub manifest: Manifest,
}

/// Who made a change, and in which trace, for the event that tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    pub origin: Origin,
    pub traceparent: Option<String>,
}

// === impl StoredManifest ===

impl StoredManifest {
    /// How a list of referrers describes it.
    pub fn descriptor(&self) -> Descriptor {
        self.manifest.descriptor(self.digest, self.content.len() as u64)
    }

    /// # Errors
    /// [`Error::Catalog`]: what was stored was valid once.
    pub(crate) fn from_row(row: ManifestRow) -> Result<Self, Error> {
        let ManifestRow { digest, media_type, content } = row;
        let manifest = Manifest::parse(&content, Some(&media_type));
        let manifest = manifest.map_err(|error| Error::Catalog(Box::new(error)))?;
        Ok(Self { digest, content, manifest })
    }
}

// === impl Registry ===

impl Registry {
    /// Stores a manifest, moves its tags, and appends the events, in one transaction.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::ManifestInvalid`], [`Error::DigestMismatch`],
    /// [`Error::ManifestBlobUnknown`], [`Error::ManifestBlobSize`].
    pub async fn put_manifest(&self, put: PutManifest) -> Result<Stored, Error> {
        let PutManifest { repository, reference, mut tags, content_type, content, origin, traceparent } = put;
        let expected = reference.digest().copied();
        let manifest = blocking::run(move || check(content, content_type.as_ref(), expected)).await?;
        if let Reference::Tag(tag) = reference {
            tags.insert(0, tag);
        }
        let digest = manifest.digest;
        let subject = manifest.manifest.subject().map(|subject| subject.digest);
        let (sparse, stamp) = (self.inner.sparse, Stamp::now(Author { origin, traceparent }));
        let new = NewManifest { repository, manifest: Arc::new(manifest), tags, sparse, stamp };
        let applied = self.inner.catalog.apply(Change::PutManifest(Box::new(new))).await?;
        Ok(Stored { digest, subject, sequence: applied.sequence })
    }

    /// # Errors
    /// [`Error::ManifestUnknown`], also when the repository is unknown.
    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Arc<StoredManifest>, Error> {
        let known = self.inner.index.get(&Key::reference(repository, reference));
        let found = match known.and_then(Value::into_manifest) {
            Some(manifest) => Some(manifest),
            None => {
                let (inner, repository, reference) =
                    (self.inner.clone(), repository.clone(), reference.clone());
                blocking::run(move || inner.manifest(&repository, &reference)).await?
            }
        };
        found.ok_or_else(|| Error::ManifestUnknown(reference.clone()))
    }

    /// As [`Registry::manifest`], for callers that cannot wait: from memory, else by one indexed read
    /// that blocks the thread.
    pub fn resolve(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<Arc<StoredManifest>>, Error> {
        self.inner.manifest(repository, reference)
    }

    /// Removes a manifest and every tag that points at it; one event, whose sequence is returned, tells of all.
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`].
    pub async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        author: Author,
    ) -> Result<Option<Sequence>, Error> {
        let (repository, digest, stamp) = (repository.clone(), *digest, Stamp::now(author));
        let applied = self.inner.catalog.apply(Change::DeleteManifest { repository, digest, stamp }).await?;
        Ok(applied.sequence)
    }

    /// Removes a tag and leaves its manifest.
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`].
    pub async fn delete_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        author: Author,
    ) -> Result<(), Error> {
        let (repository, tag, stamp) = (repository.clone(), tag.clone(), Stamp::now(author));
        self.inner.catalog.apply(Change::DeleteTag { repository, tag, stamp }).await.map(drop)
    }

    /// Removes a repository with all that it has; one event tells of all. Blobs stay for others.
    ///
    /// # Errors
    /// [`Error::NameUnknown`].
    pub async fn delete_repository(&self, repository: &RepositoryName, author: Author) -> Result<(), Error> {
        let (repository, stamp) = (repository.clone(), Stamp::now(author));
        self.inner.catalog.apply(Change::DeleteRepository { repository, stamp }).await.map(drop)
    }
}

/// Reads the manifest and checks what it hashes to. Takes milliseconds for the largest.
fn check(
    content: Bytes,
    content_type: Option<&MediaType>,
    expected: Option<Digest>,
) -> Result<StoredManifest, Error> {
    if content.len() > Manifest::SIZE_MAX {
        return Err(Error::TooLarge { what: "a manifest", limit: Manifest::SIZE_MAX as u64 });
    }
    let algorithm = expected.map_or(Algorithm::Sha256, |digest| digest.algorithm());
    let digest = Digest::of(algorithm, &content);
    match expected {
        Some(expected) if expected != digest => {
            Err(Error::DigestMismatch { expected: Box::new(expected), actual: Box::new(digest) })
        }
        Some(_) | None => {
            let manifest = Manifest::parse(&content, content_type)?;
            Ok(StoredManifest { digest, content, manifest })
        }
    }
}

// === impl Inner ===

impl Inner {
    /// From the index, else from the catalog; blocks then.
    fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<Arc<StoredManifest>>, Error> {
        match self.index.find(Key::reference(repository, reference)) {
            Found::Hit(value) => Ok(value.into_manifest()),
            Found::Miss(lease) => {
                let Some(row) = self.catalog.manifest(repository, reference)? else { return Ok(None) };
                let manifest = Arc::new(StoredManifest::from_row(row)?);
                lease.fill(Value::Manifest(manifest.clone()));
                Ok(Some(manifest))
            }
        }
    }
}

// === impl Stamp ===

impl Stamp {
    fn now(author: Author) -> Self {
        Self { author, at: OffsetDateTime::now_utc() }
    }
}

#[cfg(test)]
mod tests;
