//! Bodies on their way through the gateway: watched for progress, never buffered.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

/// Counts the frames of a request's body as the connection takes them.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<AtomicU64>);

/// A request's body that reports its progress.
pub(super) struct Watched {
    body: Body,
    progress: Progress,
}

/// A response's body that fails after a pause, and holds the instance's permit until it ends.
pub(super) struct Answer {
    body: Incoming,
    idle: Duration,
    deadline: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

/// Why a response's body ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("the plugin paused for too long")]
    Idle,
    #[error(transparent)]
    BrokenOff(#[from] hyper::Error),
}

// === impl Progress ===

impl Progress {
    /// The number of frames taken so far.
    pub(super) fn frames(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn watch(&self, body: Body) -> Watched {
        Watched { body, progress: self.clone() }
    }
}

// === impl Watched ===

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            self.progress.0.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl Answer ===

impl Answer {
    pub(super) fn new(body: Incoming, idle: Duration, permit: OwnedSemaphorePermit) -> Self {
        Self { body, idle, deadline: Box::pin(tokio::time::sleep(idle)), _permit: permit }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let deadline = Instant::now() + self.idle;
            self.deadline.as_mut().reset(deadline);
            return Poll::Ready(frame.map(|frame| frame.map_err(AnswerError::BrokenOff)));
        }
        self.deadline.as_mut().poll(context).map(|()| Some(Err(AnswerError::Idle)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
