//! Content digests, `algorithm:hex`, in the two algorithms that the registry allows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Sha256, Sha512};

/// A hash algorithm that content may be addressed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    Sha256,
    Sha512,
}

/// The hash of some content. To hold one is to know that it is well formed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(Bytes);

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Bytes {
    Sha256([u8; 32]),
    Sha512([u8; 64]),
}

/// Computes a digest over content that arrives in pieces.
#[derive(Clone, Debug)]
pub struct Hasher(State);

#[derive(Clone, Debug)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

/// Why a text is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigest {
    #[error("a digest is algorithm:hex")]
    NoAlgorithm,
    #[error(transparent)]
    Algorithm(#[from] InvalidAlgorithm),
    #[error("a {algorithm} digest has {} lower-case hexadecimal digits", algorithm.length() * 2)]
    Hex { algorithm: Algorithm },
}

/// The algorithm is neither `sha256` nor `sha512`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the digest algorithm is neither sha256 nor sha512")]
pub struct InvalidAlgorithm;

// === impl Algorithm ===

impl Algorithm {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Bytes in a digest of this algorithm.
    pub fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = InvalidAlgorithm;

    fn from_str(text: &str) -> Result<Self, InvalidAlgorithm> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            _ => Err(InvalidAlgorithm),
        }
    }
}

// === impl Digest ===

impl Digest {
    pub fn sha256(content: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, content)
    }

    pub fn of(algorithm: Algorithm, content: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(content);
        hasher.finish()
    }

    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            Bytes::Sha256(_) => Algorithm::Sha256,
            Bytes::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// The hash itself: 32 bytes for SHA-256, 64 for SHA-512.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Sha256(bytes) => bytes,
            Bytes::Sha512(bytes) => bytes,
        }
    }

    /// The part after the colon, in lower case.
    pub fn hex(&self) -> String {
        hex::encode(self.as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let (algorithm, encoded) = text.split_once(':').ok_or(InvalidDigest::NoAlgorithm)?;
        let algorithm = algorithm.parse()?;
        if encoded.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidDigest::Hex { algorithm });
        }
        let decoded = match algorithm {
            Algorithm::Sha256 => decode(encoded).map(Bytes::Sha256),
            Algorithm::Sha512 => decode(encoded).map(Bytes::Sha512),
        };
        decoded.map(Self).ok_or(InvalidDigest::Hex { algorithm })
    }
}

fn decode<const LENGTH: usize>(encoded: &str) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    hex::decode_to_slice(encoded, &mut bytes).ok()?;
    Some(bytes)
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

// === impl Hasher ===

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::default()),
            Algorithm::Sha512 => State::Sha512(Sha512::default()),
        })
    }

    pub fn update(&mut self, content: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => sha2::Digest::update(state, content),
            State::Sha512(state) => sha2::Digest::update(state, content),
        }
    }

    pub fn finish(self) -> Digest {
        Digest(match self.0 {
            State::Sha256(state) => Bytes::Sha256(sha2::Digest::finalize(state).into()),
            State::Sha512(state) => Bytes::Sha512(sha2::Digest::finalize(state).into()),
        })
    }
}

#[cfg(test)]
mod tests;
