//! What a policy may ask the registry, and who answers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use gossamer_oci::{Digest, Manifest, MediaType, Reference, RepositoryName};
use serde::{Deserialize, Serialize};

/// Answers the registry builtins. Synchronous: from memory or by a local read.
///
/// Equal answers must mean equal content: remembered decisions are kept exactly as long as their answers stay equal.
pub trait Lookups: Send + Sync {
    fn answer(&self, lookup: &Lookup) -> Result<Answer, LookupError>;
}

/// One question to the registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Lookup {
    /// `oci.blob_digest`: the first layer of a tagged manifest that the selector matches.
    BlobDigest { reference: ArtifactReference, selector: Selector },
    /// `oci.manifest`: a manifest by tag or digest.
    Manifest { reference: ArtifactReference },
    /// `oci.tags`: the tags of a repository.
    Tags { repository: RepositoryName },
}

/// Which layer of a manifest is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Selector {
    /// The media type of the layer, compared as text.
    MediaType(String),
    /// An annotation of the layer with this value.
    Annotation { key: String, value: String },
}

/// What the registry said. Absence is an answer, not an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    BlobDigest(Option<FoundBlob>),
    Manifest(Option<Arc<FoundManifest>>),
    /// In lexical order; empty for an unknown repository.
    Tags(Arc<[String]>),
}

/// A layer that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundBlob {
    pub digest: Digest,
    pub media_type: MediaType,
}

/// A manifest that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundManifest {
    pub digest: Digest,
    pub media_type: MediaType,
    /// The manifest's JSON.
    pub content: serde_json::Value,
}

/// A manifest by repository and tag or digest: `name:tag` or `name@algorithm:hex`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArtifactReference {
    pub repository: RepositoryName,
    pub reference: Reference,
}

/// The text does not name a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not name:tag or name@digest")]
pub struct InvalidArtifactReference(String);

/// Why the registry did not answer. No decision can rest on this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// Storage failed; the text is for the log.
    #[error("{0}")]
    Unavailable(String),
    /// A replay met a question that its record does not answer.
    #[error("the record has no answer to this lookup")]
    NotRecorded,
}

// === impl Selector ===

impl Selector {
    /// The first layer that matches (`oci.blob_digest` of Beskar's contract). Indexes have no layers.
    pub fn pick(&self, manifest: &Manifest) -> Option<FoundBlob> {
        let matches = |layer: &&gossamer_oci::Descriptor| match self {
            Self::MediaType(media_type) => layer.media_type.as_str() == media_type,
            Self::Annotation { key, value } => layer.annotations.get(key) == Some(value),
        };
        let layer = manifest.layers().iter().find(matches)?;
        Some(FoundBlob { digest: layer.digest, media_type: layer.media_type.clone() })
    }
}

// === impl ArtifactReference ===

impl FromStr for ArtifactReference {
    type Err = InvalidArtifactReference;

    fn from_str(text: &str) -> Result<Self, InvalidArtifactReference> {
        let invalid = || InvalidArtifactReference(text.chars().take(300).collect());
        let (repository, reference) = match text.split_once('@') {
            Some((repository, digest)) => {
                (repository, Reference::Digest(digest.parse().map_err(|_| invalid())?))
            }
            None => {
                let (repository, tag) = text.rsplit_once(':').ok_or_else(invalid)?;
                (repository, Reference::Tag(tag.parse().map_err(|_| invalid())?))
            }
        };
        Ok(Self { repository: repository.parse().map_err(|_| invalid())?, reference })
    }
}

impl fmt::Display for ArtifactReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reference {
            Reference::Tag(tag) => write!(f, "{}:{tag}", self.repository),
            Reference::Digest(digest) => write!(f, "{}@{digest}", self.repository),
        }
    }
}

impl TryFrom<String> for ArtifactReference {
    type Error = InvalidArtifactReference;

    fn try_from(text: String) -> Result<Self, InvalidArtifactReference> {
        text.parse()
    }
}

impl From<ArtifactReference> for String {
    fn from(reference: ArtifactReference) -> Self {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests;
