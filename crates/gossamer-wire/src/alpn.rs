//! The protocols of the QUIC endpoint, by the name under which TLS agrees on them.
//!
//! The number is the version of the whole protocol: what cannot talk to it gets the next one.

/// Membership: SWIM's packets as datagrams, and letters, by which members compare notes, as streams.
pub const GOSSIP: &[u8] = b"gossamer-gossip/1";

/// One request and one response per stream between members; see [`crate::method`].
pub const CALL: &[u8] = b"gossamer-call/1";

/// The same framing for a node that has no certificate yet. Only cores answer.
pub const JOIN: &[u8] = b"gossamer-join/1";
