//! One committed change of a repository.

use std::fmt;

use bytes::Bytes;
use gossamer_oci::{Digest, MediaType, PluginName, RepositoryName, Tag};
use time::OffsetDateTime;

use crate::Sequence;

/// One committed change of a repository. A change that alters nothing is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub sequence: Sequence,
    pub repository: RepositoryName,
    /// Of `payload`. For [`Action::RepositoryDelete`], which has none, the digest of nothing.
    pub digest: Digest,
    /// The tag that moved, or that came with the manifest in the same push.
    pub tag: Option<Tag>,
    /// The manifest's `artifactType`, else the media type of its config: what plugins claim.
    pub media_type: Option<MediaType>,
    /// The bytes of the manifest, on delete too. At most 4 MiB, the registry's limit of a manifest.
    pub payload: Bytes,
    pub action: Action,
    pub origin: Origin,
    pub time: OffsetDateTime,
    /// The W3C trace context of the request that made the change.
    pub traceparent: Option<String>,
}

/// What it takes to route an event: all of [`Event`] that is small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub sequence: Sequence,
    pub repository: RepositoryName,
    pub media_type: Option<MediaType>,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A manifest that was not there is there. With a tag, the tag points at it.
    ManifestPut,
    ManifestDelete,
    /// A tag was made for, or moved to, a manifest that was there already.
    TagPut,
    TagDelete,
    RepositoryDelete,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A client of the mesh, under the name by which it was let in.
    External { principal: String },
    /// A plugin, as its certificate says. A plugin sees its own changes too and must not loop.
    Plugin { name: PluginName },
}

// === impl Event ===

impl Event {
    pub fn head(&self) -> Head {
        Head {
            sequence: self.sequence,
            repository: self.repository.clone(),
            media_type: self.media_type.clone(),
        }
    }
}

// === impl Action ===

impl Action {
    /// Every action, for tables and tests.
    pub const ALL: [Self; 5] =
        [Self::ManifestPut, Self::ManifestDelete, Self::TagPut, Self::TagDelete, Self::RepositoryDelete];

    /// The name in logs, metrics and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ManifestPut => "manifest-put",
            Self::ManifestDelete => "manifest-delete",
            Self::TagPut => "tag-put",
            Self::TagDelete => "tag-delete",
            Self::RepositoryDelete => "repository-delete",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
