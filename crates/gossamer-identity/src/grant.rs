//! What a node may be and claim, and how its certificate carries that.

use std::fmt;
use std::str::FromStr;

use gossamer_oci::MediaType;
use gossamer_wire::Role;
use serde::{Deserialize, Serialize};
use x509_parser::asn1_rs::{FromDer, ToDer};

use crate::certificate::InvalidCertificate;
use crate::spiffe::parse_role;

/// The extension that carries the media types. Made from the UUID 3a0f7c1e-5d42-4b6e-9a87-2c61d0e4f935
/// in the arc that Microsoft keeps for OIDs derived from UUIDs, since `2.25.<uuid>` overflows most parsers.
pub(crate) const OID: &[u64] =
    &[1, 2, 840, 113_556, 1, 8000, 2554, 14863, 31774, 23874, 19310, 39559, 2_908_624, 15_006_005];

/// The role that a node may take, and the media types that it may claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "GrantText", into = "GrantText")]
pub struct Grant {
    pub role: Role,
    /// At most [`Grant::MEDIA_TYPES_MAX`], or no certificate is issued.
    pub media_types: Vec<GrantPattern>,
}

/// One media type, or all that start with a prefix: `application/vnd.example.rpm.*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GrantPattern {
    Exact(MediaType),
    /// Lower case, without the `*`. Empty for the pattern `*`, which allows every media type.
    Prefix(String),
}

/// The text is neither a media type nor the start of one with a `*` behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a granted media type is type/subtype, or the start of one followed by '*'")]
pub struct InvalidGrantPattern;

/// The text form of a grant, as tokens and the ledger keep it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantText {
    role: String,
    #[serde(default)]
    media_types: Vec<String>,
}

/// Why a stored text is not a grant.
#[derive(Debug, thiserror::Error)]
enum InvalidGrant {
    #[error("the role is none of core, plugin/<name>, agent")]
    Role,
    #[error(transparent)]
    Pattern(#[from] InvalidGrantPattern),
}

// === impl Grant ===

impl Grant {
    /// Keeps a certificate far below what a QUIC handshake carries at once.
    pub const MEDIA_TYPES_MAX: usize = 32;

    /// A grant of a role without any media type, as cores and agents have it.
    pub fn role(role: Role) -> Self {
        Self { role, media_types: Vec::new() }
    }

    pub fn allows(&self, media_type: &MediaType) -> bool {
        self.media_types.iter().any(|pattern| pattern.matches(media_type))
    }
}

impl TryFrom<GrantText> for Grant {
    type Error = InvalidGrant;

    fn try_from(text: GrantText) -> Result<Self, InvalidGrant> {
        let GrantText { role, media_types } = text;
        let role = parse_role(&role).ok_or(InvalidGrant::Role)?;
        Ok(Self { role, media_types: parse_patterns(&media_types)? })
    }
}

impl From<Grant> for GrantText {
    fn from(grant: Grant) -> Self {
        let Grant { role, media_types } = grant;
        Self {
            role: role.to_string(),
            media_types: media_types.iter().map(GrantPattern::to_string).collect(),
        }
    }
}

// === impl GrantPattern ===

impl GrantPattern {
    pub fn matches(&self, media_type: &MediaType) -> bool {
        match self {
            Self::Exact(exact) => exact == media_type,
            Self::Prefix(prefix) => media_type.as_str().starts_with(prefix.as_str()),
        }
    }
}

impl From<MediaType> for GrantPattern {
    fn from(media_type: MediaType) -> Self {
        Self::Exact(media_type)
    }
}

impl fmt::Display for GrantPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(media_type) => media_type.fmt(f),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl FromStr for GrantPattern {
    type Err = InvalidGrantPattern;

    fn from_str(text: &str) -> Result<Self, InvalidGrantPattern> {
        let Some(prefix) = text.strip_suffix('*') else {
            return text.parse().map(Self::Exact).map_err(|_| InvalidGrantPattern);
        };
        if prefix.is_empty() || begins_a_media_type(prefix) {
            Ok(Self::Prefix(prefix.to_ascii_lowercase()))
        } else {
            Err(InvalidGrantPattern)
        }
    }
}

/// A prefix is sound if some letters behind it, and a subtype if it has none yet, make a media type.
fn begins_a_media_type(prefix: &str) -> bool {
    let completed = if prefix.contains('/') { format!("{prefix}x") } else { format!("{prefix}x/x") };
    !prefix.contains([';', ' ', '\t']) && completed.parse::<MediaType>().is_ok()
}

fn parse_patterns(texts: &[String]) -> Result<Vec<GrantPattern>, InvalidGrantPattern> {
    texts.iter().map(|text| text.parse()).collect()
}

// === the certificate extension ===

/// `SEQUENCE OF UTF8String`, one for each pattern. `None` if DER cannot hold it.
pub(crate) fn encode(media_types: &[GrantPattern]) -> Option<Vec<u8>> {
    let texts: Vec<String> = media_types.iter().map(GrantPattern::to_string).collect();
    texts.to_der_vec().ok()
}

/// The inverse of [`encode`].
pub(crate) fn decode(der: &[u8]) -> Result<Vec<GrantPattern>, InvalidCertificate> {
    match Vec::<String>::from_der(der) {
        Ok(([], texts)) if texts.len() <= Grant::MEDIA_TYPES_MAX => Ok(parse_patterns(&texts)?),
        Ok(_) | Err(_) => Err(InvalidCertificate::GrantMalformed),
    }
}

#[cfg(test)]
mod tests;
