//! How a manifest is named inside its repository: by tag or by digest.

use std::fmt;
use std::str::FromStr;

use crate::text::checked_text;
use crate::{Digest, InvalidDigest};

/// Longest tag, in bytes (distribution-spec, "Pulling manifests").
const TAG_BYTES_MAX: usize = 128;

checked_text! {
    /// A tag: a letter, digit or underscore, then up to 127 of those, dots and hyphens.
    Tag
}

/// A tag or a digest. A tag has no colon and a digest has one, so that a text is never both.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    Tag(Tag),
    Digest(Digest),
}

/// The text is not a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a tag has 1 to {TAG_BYTES_MAX} letters, digits, '_', '.' and '-', and does not start with '.' or '-'"
)]
pub struct InvalidTag;

/// Why a text is not a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    #[error(transparent)]
    Tag(#[from] InvalidTag),
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
}

// === impl Tag ===

impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let valid = (1..=TAG_BYTES_MAX).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with(['.', '-']);
        if valid { Ok(Self(text.into())) } else { Err(InvalidTag) }
    }
}

// === impl Reference ===

impl Reference {
    pub fn tag(&self) -> Option<&Tag> {
        match self {
            Self::Tag(tag) => Some(tag),
            Self::Digest(_) => None,
        }
    }

    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Tag(_) => None,
            Self::Digest(digest) => Some(digest),
        }
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        if text.contains(':') { Ok(Self::Digest(text.parse()?)) } else { Ok(Self::Tag(text.parse()?)) }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => fmt::Display::fmt(tag, f),
            Self::Digest(digest) => fmt::Display::fmt(digest, f),
        }
    }
}

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Digest> for Reference {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

#[cfg(test)]
mod tests;
