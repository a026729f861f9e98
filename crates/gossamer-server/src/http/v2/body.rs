//! The body of a request: lent to the operation that reads it, and settled if that leaves some of it unread.
//!
//! A connection or HTTP/2 stream that is closed while the client still sends is reset, and many a client
//! then never sees the answer. So what a refused request still sends is read and dropped, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use gossamer_registry::{Cause, Error};
use http::HeaderMap;
use http::header::EXPECT;
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep, timeout};

use super::error::Failure;

/// Longest silence in the middle of a body: beyond it the sender is taken for dead.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Most bytes of a refused request that are read for the sake of the answer.
const DRAIN_BYTES_MAX: usize = 128 << 20;

/// Longest that a refused request may take to send them.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(15);

/// A body on loan. As a stream it yields data in the pieces in which it arrives, at the reader's pace.
pub(super) struct Lent {
    body: Body,
    idle: Option<Pin<Box<Sleep>>>,
    owner: Option<oneshot::Sender<Body>>,
}

/// The lender's side.
pub(super) struct Loan(Option<oneshot::Receiver<Body>>);

/// Nothing came for [`IDLE_MAX`].
#[derive(Debug, thiserror::Error)]
#[error("nothing came for {} s", IDLE_MAX.as_secs())]
struct Idle;

/// Lends `body`. Reading it would ask a client that waits for `100 Continue` to send it: such a body is
/// never drained.
pub(super) fn lend(body: Body, headers: &HeaderMap) -> (Lent, Loan) {
    let drained = !body.is_end_stream() && !waits(headers);
    let (owner, loan) = drained.then(oneshot::channel).unzip();
    (Lent { body, idle: None, owner }, Loan(loan))
}

fn waits(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

// === impl Lent ===

impl Lent {
    /// All of it, if that is at most `max` bytes.
    pub(super) async fn collect(mut self, max: usize) -> Result<Bytes, Failure> {
        let mut content = BytesMut::new();
        while let Some(piece) = self.next().await {
            let piece = piece.map_err(Error::Body)?;
            if content.len() + piece.len() > max {
                return Err(Failure::ManifestTooLarge);
            }
            content.extend_from_slice(&piece);
        }
        Ok(content.freeze())
    }

    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.idle.get_or_insert_with(|| Box::pin(sleep(IDLE_MAX))).as_mut().poll(context)
    }
}

impl Stream for Lent {
    type Item = Result<Bytes, Cause>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
                ready!(self.poll_idle(context));
                return Poll::Ready(Some(Err(Idle.into())));
            };
            self.idle = None;
            match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
                Some(Ok(Ok(data))) => return Poll::Ready(Some(Ok(data))),
                Some(Ok(Err(_trailers))) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take().filter(|_| !self.body.is_end_stream()) {
            let _gone = owner.send(std::mem::take(&mut self.body));
        }
    }
}

// === impl Loan ===

impl Loan {
    /// Reads and drops what is left of the body, once its reader is done.
    pub(super) async fn settle(self) {
        let Some(mut body) = self.0.and_then(|mut loan| loan.try_recv().ok()) else { return };
        let drained = async {
            let mut bytes = 0;
            while let Some(Ok(frame)) = body.frame().await {
                bytes += frame.data_ref().map_or(0, Bytes::len);
                if bytes > DRAIN_BYTES_MAX {
                    break;
                }
            }
        };
        let _late = timeout(DRAIN_TIME_MAX, drained).await;
    }
}

#[cfg(test)]
mod tests;
