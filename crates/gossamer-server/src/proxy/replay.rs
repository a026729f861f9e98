//! A request's body on its way to an instance, watched for progress, that another instance can be sent instead.
//!
//! What was taken of it is kept until an answer has begun, as far as that is little: chunks are shared, not copied.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

/// What one request may hold for the sake of a second attempt: the body of most requests that are not uploads.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// The lender's side of a body: takes it back, or says how far it got.
#[derive(Clone, Debug, Default)]
pub(super) struct Replay(Option<Arc<Mutex<Source>>>);

/// The body as the connection takes it.
#[derive(Debug)]
pub(super) struct Watched(Replay);

#[derive(Debug)]
struct Source {
    body: Body,
    /// Frames taken so far.
    frames: u64,
    taken: Taken,
}

/// What is known of the frames that were taken.
#[derive(Debug)]
enum Taken {
    Kept {
        chunks: VecDeque<Bytes>,
        bytes: usize,
    },
    /// More than is kept, or trailers, or an answer has begun.
    Lost,
    /// The body went to another instance; nothing more of it is for this one.
    Withdrawn,
}

/// What was kept, then what comes.
struct Again {
    chunks: VecDeque<Bytes>,
    rest: Body,
}

/// Resets the stream: an end would make half a body look whole.
#[derive(Debug, thiserror::Error)]
#[error("the request was sent to another instance")]
struct Withdrawn;

// === impl Replay ===

impl Replay {
    /// An empty body costs nothing.
    pub(super) fn new(body: Body) -> Self {
        if body.is_end_stream() {
            return Self(None);
        }
        let taken = Taken::Kept { chunks: VecDeque::new(), bytes: 0 };
        Self(Some(Arc::new(Mutex::new(Source { body, frames: 0, taken }))))
    }

    /// As it is to be sent.
    pub(super) fn body(&self) -> Body {
        if self.0.is_some() { Body::new(Watched(self.clone())) } else { Body::empty() }
    }

    /// The number of frames taken so far.
    pub(super) fn frames(&self) -> u64 {
        self.source().map_or(0, |source| source.frames)
    }

    /// An answer has begun: nothing is kept any longer.
    pub(super) fn settle(&self) {
        if let Some(mut source) = self.source() {
            source.taken = Taken::Lost;
        }
    }

    /// The whole body once more, if all of it is still here. Whoever holds the other one can take no more of it.
    pub(super) fn take_back(&self) -> Option<Body> {
        let Some(mut source) = self.source() else { return Some(Body::empty()) };
        if !matches!(source.taken, Taken::Kept { .. }) {
            return None;
        }
        let taken = std::mem::replace(&mut source.taken, Taken::Withdrawn);
        let rest = std::mem::take(&mut source.body);
        match taken {
            Taken::Kept { chunks, .. } if chunks.is_empty() => Some(rest),
            Taken::Kept { chunks, .. } => Some(Body::new(Again { chunks, rest })),
            Taken::Lost | Taken::Withdrawn => None,
        }
    }

    fn source(&self) -> Option<MutexGuard<'_, Source>> {
        self.0.as_ref().map(|source| source.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Source ===

impl Source {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        self.frames += 1;
        let Taken::Kept { chunks, bytes } = &mut self.taken else { return };
        match frame.data_ref() {
            Some(chunk) if *bytes + chunk.len() <= KEPT_BYTES_MAX => {
                *bytes += chunk.len();
                chunks.push_back(chunk.clone());
            }
            Some(_) | None => self.taken = Taken::Lost,
        }
    }
}

// === impl Watched ===

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(mut source) = self.0.source() else { return Poll::Ready(None) };
        if matches!(source.taken, Taken::Withdrawn) {
            return Poll::Ready(Some(Err(axum::Error::new(Withdrawn))));
        }
        let polled = Pin::new(&mut source.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => source.keep(frame),
            Poll::Ready(Some(Err(_))) => source.taken = Taken::Lost,
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let ended = |source: MutexGuard<'_, Source>| {
            !matches!(source.taken, Taken::Withdrawn) && source.body.is_end_stream()
        };
        self.0.source().is_none_or(ended)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.source().map_or_else(|| SizeHint::with_exact(0), |source| source.body.size_hint())
    }
}

// === impl Again ===

impl HttpBody for Again {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.chunks.pop_front() {
            Some(chunk) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let kept = self.chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(kept));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(kept));
        }
        hint
    }
}
