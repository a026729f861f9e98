//! The anti-entropy exchange: a summary, what the other lacks, and what it asked for in return.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{presence::Presence, records::Edition};

/// The longest letter, in bytes: the list of ten thousand members with their records.
pub const LETTER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A message over a stream: reliable, of any length up to [`LETTER_BYTES_MAX`], sent without waiting for an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Letter {
    /// Who writes. Must be the peer that the connection proves.
    pub(super) sender: Presence,
    pub(super) body: Body,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Body {
    /// Opens an exchange. A joiner's is the same as that of any other second.
    Summary {
        /// Stands for the list of members.
        roll: u64,
        /// The sender's own record.
        record: Bytes,
        /// Which edition of which member's record the sender holds.
        editions: Vec<(Presence, Edition)>,
    },
    /// Answers a summary, and is answered once.
    Answer(Delta),
    /// Ends the exchange.
    Return(Delta),
}

/// What one side has and the other lacks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Delta {
    /// All live members, if the rolls differ, and those that the reader must hear to be given up.
    pub(super) members: Vec<foca::Member<Presence>>,
    pub(super) records: Vec<Bytes>,
    /// Members whose records the reader has in a newer edition.
    pub(super) wanted: Vec<Presence>,
}

// === impl Letter ===

impl Letter {
    pub(super) fn encode(&self) -> Result<Bytes, postcard::Error> {
        postcard::to_stdvec(self).map(Bytes::from)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(bytes)
    }
}

// === impl Delta ===

impl Delta {
    pub(super) fn is_empty(&self) -> bool {
        let Self { members, records, wanted } = self;
        members.is_empty() && records.is_empty() && wanted.is_empty()
    }
}

/// Stands for a set of live members: equal for equal sets, whatever their order.
pub(super) fn roll(members: impl Iterator<Item = Presence>) -> u64 {
    members.map(|presence| digest(&presence)).fold(0, u64::wrapping_add)
}

fn digest(presence: &Presence) -> u64 {
    // Both ends must compute the same: not std's hasher, which may change between versions of the compiler.
    let text = postcard::to_stdvec(presence).unwrap_or_default();
    crate::rendezvous::scramble(&text)
}
