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

/// A failure together with the request, if not a byte of it was sent.
#[derive(Debug)]
pub struct Unsent {
    /// What went wrong.
    pub error: SendError,
    /// Given back when the request never left this process.
    pub request: Option<Box<Request<Body>>>,
}
