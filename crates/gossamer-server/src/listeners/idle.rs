//! A stream that fails when nothing moves for too long, in either direction, or when what is sent is not taken for so
//! long, whatever comes in meanwhile.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// The deadline is moved at most this often, so that progress costs no timer per packet.
const RESOLUTION: Duration = Duration::from_secs(1);

/// Wraps a stream. A client that says nothing, not even a first byte, is let go.
pub(super) struct Idle<S> {
    stream: S,
    idle: Duration,
    moved: Instant,
    deadline: Pin<Box<Sleep>>,
    /// Since when the other end takes nothing; a byte a second from it does not make up for that.
    blocked: Option<Pin<Box<Sleep>>>,
}

// === impl Idle ===

impl<S> Idle<S> {
    pub(super) fn new(stream: S, idle: Duration) -> Self {
        Self {
            stream,
            idle,
            moved: Instant::now(),
            deadline: Box::pin(tokio::time::sleep(idle)),
            blocked: None,
        }
    }

    fn progress(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.moved) >= RESOLUTION.min(self.idle / 2) {
            self.moved = now;
            self.deadline.as_mut().reset(now + self.idle);
        }
    }

    /// Passes on what moved; a stream that waits fails at the deadline.
    fn watch<T>(&mut self, polled: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        match polled {
            Poll::Ready(done) => {
                self.progress();
                Poll::Ready(done)
            }
            Poll::Pending => {
                self.deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn watch_write<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.blocked = None;
            return self.watch(polled, context);
        }
        let idle = self.idle;
        let blocked = self.blocked.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        match blocked.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => self.watch(polled, context),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Idle<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.watch(polled, context)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Idle<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch_write(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch_write(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(polled, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(polled, context)
    }
}
