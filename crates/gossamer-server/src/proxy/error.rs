//! Why a request to a plugin instance had no answer.

use std::io;

use axum::body::Body;
use gossamer_wire::NodeId;
use http::Request;

/// Why an instance did not answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Nothing was sent: another instance may be asked.
    #[error("cannot connect to {node}")]
    Connect {
        node: NodeId,
        #[source]
        source: ConnectError,
    },
    /// Nothing was sent: the instance already holds as many requests as it may.
    #[error("{node} is answering as many requests as it may")]
    Busy { node: NodeId },
    /// The request may have had its effect.
    #[error("{node} did not answer in time")]
    TimedOut { node: NodeId },
    /// The request may have had its effect.
    #[error("{node} broke off")]
    BrokenOff {
        node: NodeId,
        #[source]
        source: hyper::Error,
    },
    /// The request has had its effect; the answer cannot be used.
    #[error("the answer of {node} cannot be read")]
    Answer {
        node: NodeId,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why there is no connection to an instance.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("no connection within the time allowed")]
    TimedOut,
    #[error("it could not be reached a moment ago")]
    UnreachableLately,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("its certificate is not that of the instance")]
    WrongPeer,
    #[error("the HTTP/2 handshake failed")]
    Http(#[source] hyper::Error),
}

/// A failure together with the request, if it can be sent to another instance.
#[derive(Debug)]
pub struct Failed {
    /// What went wrong.
    pub error: SendError,
    /// How far the request got.
    pub reached: Reached,
    /// Given back whole, unless more of its body was taken than is kept.
    pub request: Option<Box<Request<Body>>>,
}

/// How far a request got that has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// It was not sent, or the instance refused its stream without looking at it (RFC 9113 section 8.7).
    Nobody,
    /// It may have had its effect.
    Perhaps,
}

// === impl Failed ===

impl Failed {
    /// Before anything was sent.
    pub(super) fn unsent(error: SendError, request: Request<Body>) -> Self {
        Self { error, reached: Reached::Nobody, request: Some(Box::new(request)) }
    }
}

// === impl Reached ===

impl Reached {
    /// What the end of its stream says of a request. A GOAWAY alone proves nothing: once the connection is gone, it
    /// is reported for streams that were processed too.
    pub(super) fn of(error: &hyper::Error) -> Self {
        let h2 = std::error::Error::source(error).and_then(|source| source.downcast_ref::<h2::Error>());
        let is_refused =
            h2.is_some_and(|h2| h2.is_remote() && h2.reason() == Some(h2::Reason::REFUSED_STREAM));
        if is_refused { Self::Nobody } else { Self::Perhaps }
    }
}
