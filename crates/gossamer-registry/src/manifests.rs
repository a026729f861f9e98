//! Manifests, tags and referrers.

use std::sync::Arc;

use bytes::Bytes;
use gossamer_events::{Origin, Sequence};
use gossamer_oci::{Descriptor, Digest, Manifest, MediaType, Reference, RepositoryName, Tag};

use crate::{Error, Listing, Page, Registry};

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

impl Registry {
    /// Stores a manifest, moves its tags, and appends the events, in one transaction.
    pub async fn put_manifest(&self, _put: PutManifest) -> Result<Stored, Error> {
        Err(Error::Closed)
    }

    /// # Errors
    /// [`Error::ManifestUnknown`], also when the repository is unknown.
    pub async fn manifest(
        &self,
        _repository: &RepositoryName,
        _reference: &Reference,
    ) -> Result<Arc<StoredManifest>, Error> {
        Err(Error::Closed)
    }

    /// As [`Registry::manifest`], for callers that cannot wait: from memory, else by one indexed read
    /// that blocks the thread.
    pub fn resolve(
        &self,
        _repository: &RepositoryName,
        _reference: &Reference,
    ) -> Result<Option<Arc<StoredManifest>>, Error> {
        Err(Error::Closed)
    }

    /// As [`Registry::tags`], for callers that cannot wait: one indexed read that blocks the thread.
    pub fn tag_names(&self, _repository: &RepositoryName, _page: &Page) -> Result<Listing<Tag>, Error> {
        Err(Error::Closed)
    }

    /// Removes a manifest and every tag that points at it.
    pub async fn delete_manifest(
        &self,
        _repository: &RepositoryName,
        _digest: &Digest,
        _author: Author,
    ) -> Result<(), Error> {
        Err(Error::Closed)
    }

    /// Removes a tag and leaves its manifest.
    pub async fn delete_tag(
        &self,
        _repository: &RepositoryName,
        _tag: &Tag,
        _author: Author,
    ) -> Result<(), Error> {
        Err(Error::Closed)
    }

    /// Removes a repository with all that it has.
    ///
    /// # Errors
    /// [`Error::NameUnknown`] if there is none.
    pub async fn delete_repository(
        &self,
        _repository: &RepositoryName,
        _author: Author,
    ) -> Result<(), Error> {
        Err(Error::Closed)
    }

    /// # Errors
    /// [`Error::NameUnknown`] if nothing was ever pushed to `repository`.
    pub async fn tags(&self, _repository: &RepositoryName, _page: &Page) -> Result<Listing<Tag>, Error> {
        Err(Error::Closed)
    }

    pub async fn repositories(&self, _page: &Page) -> Result<Listing<RepositoryName>, Error> {
        Err(Error::Closed)
    }

    /// The manifests of `repository` that are about `subject`, by digest; none for what is unknown.
    /// `page.after` is the text of a digest.
    pub async fn referrers(
        &self,
        _repository: &RepositoryName,
        _subject: &Digest,
        _artifact_type: Option<&MediaType>,
        _page: &Page,
    ) -> Result<Listing<Descriptor>, Error> {
        Err(Error::Closed)
    }
}
