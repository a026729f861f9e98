//! Media types, without their parameters, and the ones that the registry knows by name.

use std::str::FromStr;

use crate::text::checked_text;

/// OCI image manifest (image-spec, `manifest.md`).
pub const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index (image-spec, `image-index.md`).
pub const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker image manifest, version 2 schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list, version 2 schema 2.
pub const DOCKER_MANIFEST_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The `{}` blob of artifacts that need no config (image-spec, "Guidance for an empty descriptor").
pub const EMPTY_JSON: &str = "application/vnd.oci.empty.v1+json";
/// Bytes of which nothing more is known.
pub const OCTET_STREAM: &str = "application/octet-stream";

/// Layers that clients fetch from elsewhere and never push, by the start of their media type.
const NON_DISTRIBUTABLE: [&str; 2] =
    ["application/vnd.oci.image.layer.nondistributable.", "application/vnd.docker.image.rootfs.foreign."];

/// Longest type or subtype, in bytes (RFC 6838, section 4.2).
const PART_BYTES_MAX: usize = 127;

checked_text! {
    /// A media type such as `application/vnd.oci.image.manifest.v1+json`, in lower case and without parameters.
    MediaType
}

/// The text is not a media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a media type is type/subtype, each 1 to {PART_BYTES_MAX} of the characters of RFC 6838")]
pub struct InvalidMediaType;

// === impl MediaType ===

impl MediaType {
    /// Whether clients push the content. Foreign layers are only described.
    pub fn is_distributable(&self) -> bool {
        !NON_DISTRIBUTABLE.iter().any(|prefix| self.as_str().starts_with(prefix))
    }
}

impl FromStr for MediaType {
    type Err = InvalidMediaType;

    /// Drops everything from the first `;` on and turns the rest to lower case.
    fn from_str(text: &str) -> Result<Self, InvalidMediaType> {
        let (essence, _) = text.split_once(';').unwrap_or((text, ""));
        let essence = essence.trim_matches([' ', '\t']);
        let (kind, subtype) = essence.split_once('/').ok_or(InvalidMediaType)?;
        if is_part(kind) && is_part(subtype) {
            Ok(Self(essence.to_ascii_lowercase().into()))
        } else {
            Err(InvalidMediaType)
        }
    }
}

/// `restricted-name` of RFC 6838, section 4.2.
fn is_part(part: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
    (1..=PART_BYTES_MAX).contains(&part.len())
        && part.bytes().all(allowed)
        && part.starts_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests;
