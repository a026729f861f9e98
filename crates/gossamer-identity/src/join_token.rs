//! Join tokens: the one string that lets a node into a mesh, once.

use std::fmt;
use std::hint::black_box;
use std::net::SocketAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gossamer_wire::MeshName;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Grant, Pin};

/// Tells what the string is, to people and to programs, and which version of it.
const PREFIX: &str = "gossamer1.";

/// A token with as many cores and patterns as one can have is well below.
const TEXT_BYTES_MAX: usize = 16 * 1024;

const ID_BYTES: usize = 8;

/// 256 bits: nobody guesses it, so nobody needs to count attempts.
const SECRET_BYTES: usize = 32;

/// Everything that a node needs for joining. As text, one string: the only place where the secret is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinToken {
    cores: Vec<SocketAddr>,
    mesh: MeshName,
    pin: Pin,
    id: TokenId,
    secret: Secret,
    grant: Grant,
}

/// Names a token in the ledger and in logs. Not secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId([u8; ID_BYTES]);

/// The one-time secret of a token. Prints nothing of itself; serialised only inside a token.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Secret([u8; SECRET_BYTES]);

/// SHA-256 of a secret. Without a salt, as the secret is random itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct SecretHash([u8; 32]);

/// Why a text is not a token, or not a part of one. Never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJoinToken {
    #[error("a join token starts with {PREFIX}")]
    Prefix,
    #[error("the join token is damaged; copy the whole string")]
    Damaged,
    #[error("a token id has {} hexadecimal digits", ID_BYTES * 2)]
    Id,
    #[error("a token secret has {} hexadecimal digits", SECRET_BYTES * 2)]
    Secret,
}

// === impl JoinToken ===

impl JoinToken {
    /// A new token with an id and a secret of its own. It lets nobody in before a ledger knows it.
    pub fn new(
        cores: Vec<SocketAddr>,
        mesh: MeshName,
        pin: Pin,
        grant: Grant,
    ) -> Result<Self, getrandom::Error> {
        Ok(Self { cores, mesh, pin, id: TokenId::random()?, secret: Secret::random()?, grant })
    }

    /// QUIC addresses of cores, to be tried in this order.
    pub fn cores(&self) -> &[SocketAddr] {
        &self.cores
    }

    pub fn mesh(&self) -> &MeshName {
        &self.mesh
    }

    /// Of the CA that the chains of the cores end in.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    pub fn id(&self) -> TokenId {
        self.id
    }

    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// For display: what counts is what the core's ledger says.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// The string that a person hands to the new node. Contains the secret.
    pub fn reveal(&self) -> String {
        // A struct of texts and addresses has a JSON form; there is nothing here that can fail.
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json))
    }
}

impl FromStr for JoinToken {
    type Err = InvalidJoinToken;

    /// White space around the string is dropped, as files end with a line break.
    fn from_str(text: &str) -> Result<Self, InvalidJoinToken> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(InvalidJoinToken::Prefix)?;
        if encoded.len() > TEXT_BYTES_MAX {
            return Err(InvalidJoinToken::Damaged);
        }
        let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| InvalidJoinToken::Damaged)?;
        serde_json::from_slice(&json).map_err(|_| InvalidJoinToken::Damaged)
    }
}

// === impl TokenId ===

impl TokenId {
    pub fn random() -> Result<Self, getrandom::Error> {
        random().map(Self)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

impl FromStr for TokenId {
    type Err = InvalidJoinToken;

    fn from_str(text: &str) -> Result<Self, InvalidJoinToken> {
        from_hex(text).map(Self).ok_or(InvalidJoinToken::Id)
    }
}

impl TryFrom<String> for TokenId {
    type Error = InvalidJoinToken;

    fn try_from(text: String) -> Result<Self, InvalidJoinToken> {
        text.parse()
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.to_string()
    }
}

// === impl Secret ===

impl Secret {
    pub fn random() -> Result<Self, getrandom::Error> {
        random().map(Self)
    }

    /// The text that a joining message carries.
    pub fn reveal(&self) -> String {
        hex::encode(self.0)
    }

    pub(crate) fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0).into())
    }
}

/// In constant time.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.hash().matches(other)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl FromStr for Secret {
    type Err = InvalidJoinToken;

    fn from_str(text: &str) -> Result<Self, InvalidJoinToken> {
        from_hex(text).map(Self).ok_or(InvalidJoinToken::Secret)
    }
}

impl TryFrom<String> for Secret {
    type Error = InvalidJoinToken;

    fn try_from(text: String) -> Result<Self, InvalidJoinToken> {
        text.parse()
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.reveal()
    }
}

// === impl SecretHash ===

impl SecretHash {
    /// Takes as long whichever bytes differ.
    pub(crate) fn matches(&self, secret: &Secret) -> bool {
        let SecretHash(presented) = secret.hash();
        let difference = self.0.iter().zip(presented).fold(0, |sum, (own, other)| sum | (own ^ other));
        black_box(difference) == 0
    }
}

impl TryFrom<String> for SecretHash {
    type Error = InvalidJoinToken;

    fn try_from(text: String) -> Result<Self, InvalidJoinToken> {
        from_hex(&text).map(Self).ok_or(InvalidJoinToken::Secret)
    }
}

impl From<SecretHash> for String {
    fn from(hash: SecretHash) -> Self {
        hex::encode(hash.0)
    }
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

fn from_hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests;
