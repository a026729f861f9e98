//! A request's body: streamed to the plugin, unless the policy asks to read it first.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use gossamer_policy::BODY_BYTES_MAX;
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::timeout;

/// Enough for a body of the largest size that is read, on the slowest line worth serving.
const READ_TIMEOUT: Duration = Duration::from_secs(15);

/// A body, as far as it has been read.
pub(super) enum RequestBody {
    Streaming(Body),
    Whole(Bytes),
}

/// Why a body could not be read for the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadError {
    TooLarge,
    TooSlow,
    BrokenOff,
}

// === impl RequestBody ===

impl RequestBody {
    pub(super) fn new(body: Body) -> Self {
        Self::Streaming(body)
    }

    /// As the policy may see it now.
    pub(super) fn as_input(&self) -> gossamer_policy::Body {
        match self {
            Self::Streaming(body) if body.is_end_stream() => gossamer_policy::Body::Absent,
            Self::Streaming(_) => gossamer_policy::Body::Unread,
            Self::Whole(bytes) => gossamer_policy::Body::Whole(bytes.clone()),
        }
    }

    /// Reads all of it, at most [`BODY_BYTES_MAX`]. The same bytes go to the plugin later.
    pub(super) async fn read(&mut self) -> Result<(), ReadError> {
        let Self::Streaming(body) = self else { return Ok(()) };
        if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
            return Err(ReadError::TooLarge);
        }
        let reading = Limited::new(std::mem::take(body), BODY_BYTES_MAX).collect();
        match timeout(READ_TIMEOUT, reading).await {
            Ok(Ok(read)) => {
                *self = Self::Whole(read.to_bytes());
                Ok(())
            }
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ReadError::TooLarge),
            Ok(Err(_)) => Err(ReadError::BrokenOff),
            Err(_) => Err(ReadError::TooSlow),
        }
    }

    pub(super) fn into_inner(self) -> Body {
        match self {
            Self::Streaming(body) => body,
            Self::Whole(bytes) => Body::from(bytes),
        }
    }
}

#[cfg(test)]
mod tests;
