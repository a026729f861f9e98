//! Answering the calls that come in: each on a stream of its own, bounded in size, time and number.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gossamer_identity::{Identity, Peer};
use quinn::{Connection, RecvStream, SendStream};
use tokio::{sync::Semaphore, time::timeout};
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::{
    frame,
    quic::{self, Close},
};
use crate::{
    calls::{CALL_BYTES_MAX, Calls, JOIN_BYTES_MAX},
    error::{Refusal, RefusalKind},
    meter,
};

/// How many calls of members are answered at a time; one more waits.
const CALLS_MAX: usize = 256;

/// How many strangers are heard at a time; one more is turned away.
const STRANGERS_MAX: usize = 32;

/// How long reading a request, answering it and writing the answer may each take.
const STEP_MAX: Duration = Duration::from_secs(10);

/// How long a stranger may stay: long enough to join and to confirm.
const STRANGER_MAX: Duration = Duration::from_secs(30);

/// Everything that it takes to answer.
pub(super) struct Answering<C> {
    calls: C,
    identity: Identity,
    members: Semaphore,
    strangers: Semaphore,
    tasks: TaskTracker,
}

// === impl Answering ===

impl<C: Calls> Answering<C> {
    pub(super) fn new(calls: C, identity: Identity, tasks: TaskTracker) -> Self {
        let (members, strangers) = (Semaphore::new(CALLS_MAX), Semaphore::new(STRANGERS_MAX));
        Self { calls, identity, members, strangers, tasks }
    }

    /// Answers a member's calls until the connection closes.
    pub(super) async fn member(self: Arc<Self>, connection: Connection, peer: Peer) {
        let answer_all = async {
            while let Ok((send, receive)) = connection.accept_bi().await {
                let (this, peer) = (Arc::clone(&self), peer.clone());
                self.tasks.spawn(async move {
                    let Ok(_permit) = this.members.acquire().await else { return };
                    let limit = CALL_BYTES_MAX + frame::OVERHEAD_BYTES_MAX;
                    let call = |method: String, request| {
                        let this = Arc::clone(&this);
                        async move { this.calls.call(peer, &method, request).await }
                    };
                    answer((send, receive), limit, call).await;
                });
            }
        };
        tokio::select! {
            () = answer_all => {}
            reason = quic::until_closed(&connection, &self.identity, &peer) => debug!(%reason, "A connection for calls ended"),
        }
    }

    /// Hears out somebody without a certificate: one call after the other, for a while.
    pub(super) async fn stranger(self: Arc<Self>, connection: Connection) {
        let Ok(_permit) = self.strangers.try_acquire() else {
            meter::refused("strangers");
            return quic::close(&connection, Close::Refused);
        };
        let answer_all = async {
            while let Ok(streams) = connection.accept_bi().await {
                let join = |method: String, request| {
                    let this = Arc::clone(&self);
                    async move { this.calls.join(&method, request).await }
                };
                answer(streams, JOIN_BYTES_MAX, join).await;
            }
        };
        drop(timeout(STRANGER_MAX, answer_all).await);
        quic::close(&connection, Close::Done);
    }
}

/// Reads one request, has it answered and writes the answer.
async fn answer<F, A>(streams: (SendStream, RecvStream), limit: usize, call: F)
where
    F: FnOnce(String, Bytes) -> A,
    A: Future<Output = Result<Bytes, Refusal>>,
{
    let (mut send, mut receive) = streams;
    let Ok(Ok(request)) = timeout(STEP_MAX, receive.read_to_end(limit)).await else {
        return meter::called("received", false);
    };
    let answer = match frame::decode_request(request.into()) {
        Some((method, request)) => timeout(STEP_MAX, call(method, request))
            .await
            .unwrap_or_else(|_| Err(Refusal::new(RefusalKind::Unavailable, "not answered in time"))),
        None => Err(Refusal::new(RefusalKind::Invalid, "not a request")),
    };
    let written = timeout(STEP_MAX, send.write_all(&frame::encode_answer(&answer))).await;
    meter::called("received", matches!(written, Ok(Ok(()))));
    drop(send.finish());
    // Closing a connection right behind the answer would lose it.
    drop(timeout(STEP_MAX, send.stopped()).await);
}
