//! An answer's body on its way through the gateway: watched for pauses, never buffered.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use super::limits::Pass;

/// A response's body that fails after a pause, and holds its place at the instance and the plugin until it ends.
pub(super) struct Answer {
    body: Incoming,
    idle: Duration,
    deadline: Pin<Box<Sleep>>,
    _place: Place,
}

/// The room that a request takes up.
pub(super) type Place = (OwnedSemaphorePermit, Option<Pass>);

/// Why a response's body ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("the plugin paused for too long")]
    Idle,
    #[error(transparent)]
    BrokenOff(#[from] hyper::Error),
}

// === impl Answer ===

impl Answer {
    pub(super) fn new(body: Incoming, idle: Duration, place: Place) -> Self {
        Self { body, idle, deadline: Box::pin(tokio::time::sleep(idle)), _place: place }
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
