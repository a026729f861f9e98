//! Manifests and indexes: what they refer to, and which documents are refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::descriptor::null_as_empty;
use crate::media_type::{DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, IMAGE_INDEX, IMAGE_MANIFEST};
use crate::{Descriptor, Digest, MediaType};

mod strict;

/// The only `schemaVersion` that is not a relic.
const SCHEMA_VERSION: u64 = 2;

/// A manifest that obeys the hard rules. The bytes it came from stay with the caller: they are what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    media_type: MediaType,
    kind: ManifestKind,
    artifact_type: Option<MediaType>,
    subject: Option<Descriptor>,
    annotations: BTreeMap<String, String>,
}

/// What a manifest refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestKind {
    Image { config: Box<Descriptor>, layers: Vec<Descriptor> },
    Index { manifests: Vec<Descriptor> },
}

/// Why a document is not a manifest.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InvalidManifest {
    #[error("a manifest has at most {} bytes, not {size}", Manifest::SIZE_MAX)]
    TooLarge { size: usize },
    #[error("a manifest needs a Content-Type")]
    NoContentType,
    #[error("{0} is not the media type of a manifest")]
    UnknownMediaType(MediaType),
    #[error("the Content-Type is {content_type}, but the mediaType is {media_type}")]
    ContradictingMediaType { content_type: MediaType, media_type: MediaType },
    #[error("a manifest is valid UTF-8")]
    NotUtf8,
    /// Not JSON, too deep, trailing bytes, a duplicate key, or a field of the wrong form.
    #[error("{0}")]
    Malformed(Arc<serde_json::Error>),
    #[error("schemaVersion is {SCHEMA_VERSION}, not {0}")]
    SchemaVersion(u64),
    #[error("a manifest has either config and layers or manifests, never both")]
    Ambiguous,
    #[error("an image manifest has a config")]
    NoConfig,
}

/// The union of both documents; which fields may be there depends on the media type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u64,
    media_type: Option<MediaType>,
    artifact_type: Option<MediaType>,
    config: Option<Box<Descriptor>>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    #[serde(default, deserialize_with = "null_as_empty")]
    annotations: BTreeMap<String, String>,
}

// === impl Manifest ===

impl Manifest {
    /// Longest manifest, in bytes: the 4 MiB that the specification asks registries to accept at least.
    pub const SIZE_MAX: usize = 4 * 1024 * 1024;

    /// Reads `content` as what `content_type` says it is.
    ///
    /// Unknown fields are passed over. `null` and a missing list mean an empty list, as Go's encoder writes them.
    pub fn parse(content: &[u8], content_type: Option<&MediaType>) -> Result<Self, InvalidManifest> {
        if content.len() > Self::SIZE_MAX {
            return Err(InvalidManifest::TooLarge { size: content.len() });
        }
        let content_type = content_type.ok_or(InvalidManifest::NoContentType)?;
        let form = Form::of(content_type)?;
        let text = std::str::from_utf8(content).map_err(|_| InvalidManifest::NotUtf8)?;
        strict::check(text)?;
        let document = serde_json::from_str(text)?;
        Self::from_document(document, content_type, form)
    }

    fn from_document(
        document: Document,
        content_type: &MediaType,
        form: Form,
    ) -> Result<Self, InvalidManifest> {
        let Document {
            schema_version,
            media_type,
            artifact_type,
            config,
            layers,
            manifests,
            subject,
            annotations,
        } = document;
        if schema_version != SCHEMA_VERSION {
            return Err(InvalidManifest::SchemaVersion(schema_version));
        }
        if let Some(media_type) = media_type.filter(|media_type| media_type != content_type) {
            return Err(InvalidManifest::ContradictingMediaType {
                content_type: content_type.clone(),
                media_type,
            });
        }
        let kind = match (form, config, layers, manifests) {
            (Form::Image, Some(config), layers, None) => {
                ManifestKind::Image { config, layers: layers.unwrap_or_default() }
            }
            (Form::Index, None, None, manifests) => {
                ManifestKind::Index { manifests: manifests.unwrap_or_default() }
            }
            (Form::Image, None, _, None) => return Err(InvalidManifest::NoConfig),
            (Form::Image, _, _, Some(_)) | (Form::Index, _, _, _) => return Err(InvalidManifest::Ambiguous),
        };
        Ok(Self { media_type: content_type.clone(), kind, artifact_type, subject, annotations })
    }

    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    pub fn kind(&self) -> &ManifestKind {
        &self.kind
    }

    pub fn artifact_type(&self) -> Option<&MediaType> {
        self.artifact_type.as_ref()
    }

    /// The manifest that this one is about. It need not exist.
    pub fn subject(&self) -> Option<&Descriptor> {
        self.subject.as_ref()
    }

    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    pub fn config(&self) -> Option<&Descriptor> {
        match &self.kind {
            ManifestKind::Image { config, .. } => Some(config),
            ManifestKind::Index { .. } => None,
        }
    }

    /// The layers of an image, in order; none for an index.
    pub fn layers(&self) -> &[Descriptor] {
        match &self.kind {
            ManifestKind::Image { layers, .. } => layers,
            ManifestKind::Index { .. } => &[],
        }
    }

    /// The manifests of an index, in order; none for an image.
    pub fn children(&self) -> &[Descriptor] {
        match &self.kind {
            ManifestKind::Image { .. } => &[],
            ManifestKind::Index { manifests } => manifests,
        }
    }

    /// The config and the layers that clients push, in order: the blobs that must exist before the manifest does.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config().into_iter().chain(self.layers()).filter(|blob| blob.media_type.is_distributable())
    }

    /// What the artifact is, for routing and events: `artifactType`, else the media type of the config.
    pub fn event_media_type(&self) -> Option<&MediaType> {
        self.artifact_type().or_else(|| self.config().map(|config| &config.media_type))
    }

    /// How a list of referrers describes this manifest (distribution-spec, "Listing Referrers").
    pub fn descriptor(&self, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            digest,
            size,
            artifact_type: self.event_media_type().cloned(),
            annotations: self.annotations.clone(),
        }
    }
}

// === impl InvalidManifest ===

impl From<serde_json::Error> for InvalidManifest {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(Arc::new(error))
    }
}

// === impl Form ===

/// Which fields a media type calls for.
#[derive(Clone, Copy)]
enum Form {
    Image,
    Index,
}

impl Form {
    fn of(media_type: &MediaType) -> Result<Self, InvalidManifest> {
        match media_type.as_str() {
            IMAGE_MANIFEST | DOCKER_MANIFEST => Ok(Self::Image),
            IMAGE_INDEX | DOCKER_MANIFEST_LIST => Ok(Self::Index),
            _ => Err(InvalidManifest::UnknownMediaType(media_type.clone())),
        }
    }
}

#[cfg(test)]
mod tests;
