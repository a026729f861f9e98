//! What the registry asks of the database that knows what there is.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use gossamer_events::{Cursors, DeadLetter, Event, Head, Lane, LogId, Sequence};
use gossamer_oci::{Algorithm, Descriptor, Digest, MediaType, PluginName, Reference, RepositoryName, Tag};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::manifests::{Author, StoredManifest};
use crate::uploads::{Upload, UploadId};
use crate::{Error, Page};

pub(crate) mod sqlite;

/// The database that knows what there is. SQLite for one core; the trait is what another must do.
///
/// All writing is [`Change`]s: each is atomic, and durable once it is answered. Reads see only what
/// is committed, and block the thread for as long as the database takes.
pub(crate) trait Catalog: Send + Sync + 'static {
    /// Makes the change. Dropping the future does not take it back.
    fn apply(&self, change: Change) -> BoxFuture<'static, Result<Applied, Error>>;

    fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<ManifestRow>, Error>;

    /// Bytes of a blob that `repository` has.
    fn blob_size(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<u64>, Error>;

    /// At most `limit` repositories that have the blob.
    fn holders(&self, digest: &Digest, limit: usize) -> Result<Vec<RepositoryName>, Error>;

    /// At most `limit` tags after `after`; nothing if the repository is unknown.
    fn tags(&self, repository: &RepositoryName, after: &str, limit: usize)
    -> Result<Option<Vec<Tag>>, Error>;

    fn repositories(&self, after: &str, limit: usize) -> Result<Vec<RepositoryName>, Error>;

    fn referrers(&self, query: &ReferrersQuery<'_>) -> Result<Vec<Descriptor>, Error>;

    /// Every upload session, for the registry that opens.
    fn uploads(&self) -> Result<Vec<UploadRow>, Error>;

    fn heads(&self, query: &EventsQuery) -> Result<Vec<Head>, Error>;

    /// As `heads`, with everything; may answer less than there is, but at least one, to bound the bytes.
    fn events(&self, query: &EventsQuery) -> Result<Vec<Event>, Error>;

    fn cursors(&self, plugin: &PluginName) -> Result<Cursors, Error>;

    /// At most `limit` events that the plugin would not take, after `after`.
    fn dead_letters(
        &self,
        plugin: &PluginName,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error>;

    /// The log that its events are in.
    fn log(&self) -> LogId;

    /// The sequence of the newest event.
    fn head(&self) -> watch::Receiver<Sequence>;

    /// Answers the changes that were taken and takes no more.
    fn close(&self) -> BoxFuture<'static, ()>;
}

/// One atomic change.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    StartUpload(UploadRow),
    AdvanceUpload {
        id: UploadId,
        size: u64,
        at: OffsetDateTime,
    },
    EndUpload {
        id: UploadId,
    },
    /// The disk has the blob, and the repository shall. Ends the upload it came by.
    LinkBlob {
        repository: RepositoryName,
        digest: Digest,
        size: u64,
        upload: Option<UploadId>,
        at: OffsetDateTime,
    },
    /// Refused with `BlobUnknown` if neither `from` nor `repository` has it.
    MountBlob {
        repository: RepositoryName,
        digest: Digest,
        from: RepositoryName,
        at: OffsetDateTime,
    },
    UnlinkBlob {
        repository: RepositoryName,
        digest: Digest,
    },
    PutManifest(Box<NewManifest>),
    DeleteManifest {
        repository: RepositoryName,
        digest: Digest,
        stamp: Stamp,
    },
    DeleteTag {
        repository: RepositoryName,
        tag: Tag,
        stamp: Stamp,
    },
    DeleteRepository {
        repository: RepositoryName,
        stamp: Stamp,
    },
    CommitCursor {
        lane: Lane,
        cursor: Sequence,
    },
    CommitLow {
        plugin: PluginName,
        low: Sequence,
    },
    Park(DeadLetter),
}

/// A manifest to put, parsed, with the tags it gets.
#[derive(Clone, Debug)]
pub(crate) struct NewManifest {
    pub(crate) repository: RepositoryName,
    pub(crate) manifest: Arc<StoredManifest>,
    pub(crate) tags: Vec<Tag>,
    /// Whether what it names may be missing.
    pub(crate) sparse: bool,
    pub(crate) stamp: Stamp,
}

/// Who made a change and when.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    pub(crate) author: Author,
    pub(crate) at: OffsetDateTime,
}

/// What became of a change that was not refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The last event it appended.
    pub(crate) sequence: Option<Sequence>,
}

/// An upload session as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UploadRow {
    pub(crate) upload: Upload,
    pub(crate) algorithm: Algorithm,
    /// Bytes acknowledged.
    pub(crate) size: u64,
    pub(crate) touched: OffsetDateTime,
}

/// A manifest as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManifestRow {
    pub(crate) digest: Digest,
    pub(crate) media_type: MediaType,
    pub(crate) content: Bytes,
}

/// Which referrers, by digest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReferrersQuery<'a> {
    pub(crate) repository: &'a RepositoryName,
    pub(crate) subject: &'a Digest,
    pub(crate) artifact_type: Option<&'a MediaType>,
    pub(crate) page: &'a Page,
    pub(crate) limit: usize,
}

/// Which events, in order of their sequence.
#[derive(Clone, Debug)]
pub(crate) struct EventsQuery {
    /// Of this repository only.
    pub(crate) repository: Option<RepositoryName>,
    pub(crate) after: Sequence,
    pub(crate) limit: usize,
}

// === impl Change ===

impl Change {
    /// Whether its answer promises that it survives a power cut, not only the end of the process.
    /// An upload without a byte is not worth a sync: its client starts another.
    pub(crate) fn survives_power_cut(&self) -> bool {
        !matches!(self, Self::StartUpload(_) | Self::EndUpload { .. })
    }
}
