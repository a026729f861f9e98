//! Why the issuer does not open, makes no token, or issues no certificate; and what the asker hears of it.

use gossamer_cluster::{Refusal, RefusalKind};
use gossamer_identity::{
    AuthorityError, EvictionsFileError, Grant, InvalidJoinToken, InvalidSigningRequest, IssueError,
    LedgerFileError, LedgerFull, ReattestRefused, TokenRefused,
};
use gossamer_wire::{InvalidMessage, NodeId};
use tracing::{error, warn};

use super::TOKEN_LIFETIME_MAX;
use crate::chain::Chain;

/// Why a core cannot issue.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Ledger(#[from] LedgerFileError),
    #[error(transparent)]
    Evictions(#[from] EvictionsFileError),
}

/// Why there is no new token. The ledger is as it was.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("a token lives for at most {} days", TOKEN_LIFETIME_MAX.as_secs() / 86_400)]
    TooLong,
    #[error("a token grants at most {} media types", Grant::MEDIA_TYPES_MAX)]
    TooBroad,
    /// An intermediate certifies nodes, and nothing below itself.
    #[error("only the core that holds the root makes tokens for further cores")]
    NotTheRoot,
    #[error("this core does not know yet where it can be reached")]
    NoAddress,
    #[error(transparent)]
    Full(#[from] LedgerFull),
    #[error(transparent)]
    Ledger(#[from] LedgerFileError),
    #[error("the system has no randomness")]
    Random(#[from] getrandom::Error),
    #[error("the core is stopping")]
    Stopped,
}

/// Why no certificate was issued, or none confirmed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unissued {
    #[error("the request is malformed")]
    Message(#[from] InvalidMessage),
    #[error(transparent)]
    Token(#[from] InvalidJoinToken),
    #[error(transparent)]
    Request(#[from] InvalidSigningRequest),
    #[error("a core joins with a second signing request, for the key by which it will issue")]
    NoAuthorityKey,
    #[error(transparent)]
    Refused(#[from] TokenRefused),
    #[error(transparent)]
    Reattest(#[from] ReattestRefused),
    #[error("the node {0} was evicted")]
    Evicted(NodeId),
    #[error("only cores may ask this")]
    NotACore,
    #[error("the caller's certificate ended too long ago; the node needs a new token")]
    Ended,
    #[error(transparent)]
    Ledger(#[from] LedgerFileError),
    #[error(transparent)]
    Evictions(#[from] EvictionsFileError),
    #[error(transparent)]
    Issue(#[from] IssueError),
}

// === impl Unissued ===

impl Unissued {
    /// Logs the whole of it, and says to the asker what it can do about it.
    pub(super) fn refuse(self) -> Refusal {
        let kind = match &self {
            Self::Message(_) | Self::Token(_) | Self::Request(_) | Self::NoAuthorityKey => {
                RefusalKind::Invalid
            }
            Self::Refused(_) | Self::Reattest(_) | Self::Ended => RefusalKind::Forbidden,
            Self::Evicted(_) | Self::NotACore => RefusalKind::Forbidden,
            Self::Ledger(_) | Self::Evictions(_) | Self::Issue(_) => RefusalKind::Unavailable,
        };
        metrics::counter!("gossamer_identity_refused_total").increment(1);
        if kind == RefusalKind::Unavailable {
            error!(error = %Chain(&self), "Cannot issue");
            return Refusal::new(kind, "the issuer cannot issue at present");
        }
        warn!(error = %Chain(&self), "Issued nothing");
        Refusal::new(kind, self.to_string())
    }
}

/// The answer of a core that is stopping.
pub(super) fn stopped() -> Refusal {
    Refusal::new(RefusalKind::Unavailable, "the core is stopping")
}
