//! Which join tokens are good: a pure two-phase ledger, attest and then confirm.

mod file;

use std::collections::BTreeMap;

use gossamer_oci::Digest;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::join_token::SecretHash;
use crate::{Grant, JoinToken, Secret, TokenId};

pub use file::{LedgerFile, LedgerFileError};

/// Tokens that may be open at once. Each is some 300 bytes in a file that is rewritten at every change.
const TOKENS_MAX: usize = 1024;

/// The tokens of a mesh until they expire. Knows no secret, only hashes; owns no clock and no disk.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    tokens: BTreeMap<TokenId, Entry>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    secret: SecretHash,
    grant: Grant,
    #[serde(with = "time::serde::timestamp")]
    expires: OffsetDateTime,
    state: State,
}

/// How far a token has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Open,
    /// Tied to one key, whose requests may come again until the node has confirmed.
    Attested {
        key: Digest,
        certificate: Option<Digest>,
    },
    /// Used up. Remembers for what, so that a confirmation may be repeated.
    Burnt {
        certificate: Digest,
    },
}

/// Too many tokens are open. Nothing was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{TOKENS_MAX} tokens are open; wait until some are used or expire")]
pub struct LedgerFull;

/// Why a token is refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// Also for a wrong secret, so that a stranger learns nothing about ids.
    #[error("the token is unknown, or its secret is wrong")]
    Unknown,
    #[error("the token has expired")]
    Expired,
    #[error("the token has been used")]
    Used,
    #[error("the token is in use by another key")]
    OtherKey,
    #[error("the token did not lead to this certificate")]
    OtherCertificate,
}

// === impl Ledger ===

impl Ledger {
    /// Opens a token until `expires`. Tokens that have expired are forgotten on the way.
    pub fn create(
        &mut self,
        token: &JoinToken,
        expires: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), LedgerFull> {
        self.tokens.retain(|_, entry| now < entry.expires);
        if self.tokens.len() >= TOKENS_MAX {
            return Err(LedgerFull);
        }
        let secret = token.secret().hash();
        let entry = Entry { secret, grant: token.grant().clone(), expires, state: State::Open };
        self.tokens.insert(token.id(), entry);
        Ok(())
    }

    /// Ties the token to the key with this digest and says what it grants. The same key may come again, as
    /// after a lost answer or a crash; another one may not.
    pub fn attest(
        &mut self,
        id: TokenId,
        secret: &Secret,
        key: Digest,
        now: OffsetDateTime,
    ) -> Result<Grant, TokenRefused> {
        let entry = self.entry(id, secret)?;
        if now >= entry.expires {
            return Err(TokenRefused::Expired);
        }
        match &entry.state {
            State::Open => entry.state = State::Attested { key, certificate: None },
            State::Attested { key: first, certificate: _ } if *first == key => {}
            State::Attested { .. } => return Err(TokenRefused::OtherKey),
            State::Burnt { .. } => return Err(TokenRefused::Used),
        }
        Ok(entry.grant.clone())
    }

    /// Remembers the certificate that an attested token led to. The latest one counts.
    pub fn issued(&mut self, id: TokenId, issued: Digest) {
        if let Some(Entry { state: State::Attested { certificate, .. }, .. }) = self.tokens.get_mut(&id) {
            *certificate = Some(issued);
        }
    }

    /// Burns the token: its node has stored the certificate. May be repeated, and may come after expiry
    /// as long as the ledger remembers the token.
    pub fn confirm(&mut self, id: TokenId, secret: &Secret, certificate: Digest) -> Result<(), TokenRefused> {
        let entry = self.entry(id, secret)?;
        let led_to = match &entry.state {
            State::Open => None,
            State::Attested { certificate, .. } => *certificate,
            State::Burnt { certificate } => Some(*certificate),
        };
        if led_to != Some(certificate) {
            return Err(TokenRefused::OtherCertificate);
        }
        entry.state = State::Burnt { certificate };
        Ok(())
    }

    /// Tokens that still let a node in.
    pub fn open(&self, now: OffsetDateTime) -> usize {
        let burnt = |entry: &Entry| matches!(entry.state, State::Burnt { .. });
        self.tokens.values().filter(|entry| now < entry.expires && !burnt(entry)).count()
    }

    fn entry(&mut self, id: TokenId, secret: &Secret) -> Result<&mut Entry, TokenRefused> {
        let entry = self.tokens.get_mut(&id).ok_or(TokenRefused::Unknown)?;
        if entry.secret.matches(secret) { Ok(entry) } else { Err(TokenRefused::Unknown) }
    }
}

#[cfg(test)]
mod tests;
