//! What can go wrong, one enum per boundary.

use std::{io, net::SocketAddr};

use gossamer_wire::NodeId;

/// Why a node cannot take part in a cluster. Nothing runs.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot bind {address}")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("{bound} is every interface and there is no seed to tell which one others see: set `advertise`")]
    NoAddress { bound: SocketAddr },
    #[error("the record is not that of this node")]
    ForeignRecord,
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("the tuning cannot work")]
    Tuning(#[from] InvalidTuning),
    #[error("cannot use the directory of the cluster")]
    Directory(#[source] io::Error),
    #[error("the credentials do not make a QUIC endpoint")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a tuning cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTuning {
    #[error("no duration or count may be zero")]
    Zero,
    #[error("a probe every {probe_ms} ms leaves no time for an indirect one after {round_trip_ms} ms")]
    RoundTrip { probe_ms: u64, round_trip_ms: u64 },
}

/// Why a record was not published. The old one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    #[error("a record of {bytes} bytes is too long to gossip")]
    TooLong { bytes: usize },
    #[error("the record is not that of this node")]
    Foreign,
    #[error("the node has left the cluster")]
    Left,
}

/// Why a call brought no answer. The peer may have acted on it unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing was sent.
    #[error("{0} is not a member")]
    Unknown(NodeId),
    /// Nothing was sent.
    #[error("cannot reach {address}")]
    Unreachable { address: SocketAddr, source: Box<dyn std::error::Error + Send + Sync> },
    /// Nothing was sent.
    #[error("somebody else answers at {address}")]
    WrongPeer { address: SocketAddr },
    /// Nothing was sent.
    #[error("a request of {bytes} bytes is too long")]
    TooLong { bytes: usize },
    #[error("no answer in time")]
    TimedOut,
    #[error("the connection broke")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the answer is not one")]
    Malformed,
    #[error("the peer refused")]
    Refused(#[source] Refusal),
}

/// Why a peer did not do what a call asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {reason}")]
pub struct Refusal {
    pub kind: RefusalKind,
    /// For whoever reads the log at the other end.
    pub reason: String,
}

/// What the caller can do about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Nothing: the peer does not know such a method.
    UnknownMethod,
    /// Nothing, with this certificate or token.
    Forbidden,
    /// Correct the request.
    Invalid,
    /// Ask again later.
    Unavailable,
}

// === impl Refusal ===

impl Refusal {
    pub fn new(kind: RefusalKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }
}

// === impl RefusalKind ===

impl std::fmt::Display for RefusalKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::UnknownMethod => "unknown method",
            Self::Forbidden => "forbidden",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
        })
    }
}
