//! A request's body that must come at a pace worth waiting for.

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

/// What a body may be waited for, before its size earns it more time.
const GRACE: Duration = Duration::from_secs(20);

/// A body that comes more slowly than this holds a connection, a place at the plugin and an upload for nothing.
/// The slowest modem was six times as fast.
const BYTES_PER_SECOND_MIN: u64 = 500;

/// How long a sender has kept us waiting, and what it sent for that. Pure: time is what it is told.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    waited: Duration,
    bytes: u64,
}

/// A body whose sender is cut off when it is too slow. Time in which nobody wanted more of it does not count.
pub(super) struct Paced {
    body: Incoming,
    pace: Pace,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum PacedError {
    #[error("the body comes more slowly than {BYTES_PER_SECOND_MIN} bytes a second")]
    TooSlow,
    #[error(transparent)]
    BrokenOff(#[from] hyper::Error),
}

// === impl Pace ===

impl Pace {
    /// How much longer may be waited.
    fn left(&self) -> Duration {
        let earned = Duration::from_millis(self.bytes.saturating_mul(1_000) / BYTES_PER_SECOND_MIN);
        GRACE.saturating_add(earned).saturating_sub(self.waited)
    }
}

// === impl Paced ===

impl Paced {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, pace: Pace::default(), waiting: None }
    }

    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let left = self.pace.left();
        let begin = || (Instant::now(), Box::pin(tokio::time::sleep(left)));
        self.waiting.get_or_insert_with(begin).1.as_mut().poll(context)
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = PacedError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PacedError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            return self.poll_patience(context).map(|()| Some(Err(PacedError::TooSlow)));
        };
        if let Some((since, _)) = self.waiting.take() {
            self.pace.waited = self.pace.waited.saturating_add(since.elapsed());
        }
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            self.pace.bytes = self.pace.bytes.saturating_add(bytes);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(PacedError::BrokenOff)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
