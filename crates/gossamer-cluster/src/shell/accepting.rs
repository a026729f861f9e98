//! Connections that come in: who may speak which protocol.

use std::{sync::Arc, time::Duration};

use gossamer_identity::Peer;
use gossamer_wire::alpn;
use quinn::{Connection, Endpoint, Incoming};
use tokio::{
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::debug;

use super::{
    Event,
    answering::Answering,
    calling::Pool,
    quic::{self, Close},
    transport::Link,
};
use crate::{calls::Calls, meter};

/// How many handshakes run at a time; more are refused. Each costs about a millisecond of one processor.
const HANDSHAKES_MAX: usize = 256;

/// From how many handshakes on an address must first prove that it can be reached.
const HANDSHAKES_CALM: usize = HANDSHAKES_MAX / 4;

/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// The door of the endpoint.
pub(super) struct Accepting<C> {
    pub(super) endpoint: Endpoint,
    pub(super) answering: Arc<Answering<C>>,
    pub(super) pool: Pool,
    pub(super) events: mpsc::Sender<Event>,
    /// Connections for calls that we have made; the other end may call over them too.
    pub(super) made: mpsc::Receiver<(Connection, Peer)>,
    pub(super) tasks: TaskTracker,
}

/// What a handshake needs of the door.
struct Hall<C> {
    answering: Arc<Answering<C>>,
    pool: Pool,
    events: mpsc::Sender<Event>,
}

// === impl Accepting ===

impl<C: Calls> Accepting<C> {
    pub(super) async fn run(self, stop: CancellationToken) {
        let Self { endpoint, answering, pool, events, mut made, tasks } = self;
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        let hall = Arc::new(Hall { answering, pool, events });
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some((connection, peer)) = made.recv() => {
                    tasks.spawn(Arc::clone(&hall.answering).member(connection, peer));
                }
                incoming = endpoint.accept() => match incoming {
                    Some(incoming) if quic::is_crowded(&endpoint) => {
                        meter::refused("connections");
                        incoming.refuse();
                    }
                    Some(incoming) => greet(incoming, &handshakes, &hall, &tasks),
                    None => return,
                },
            }
        }
    }
}

/// Begins a handshake, unless there are too many.
fn greet<C: Calls>(
    incoming: Incoming,
    handshakes: &Arc<Semaphore>,
    hall: &Arc<Hall<C>>,
    tasks: &TaskTracker,
) {
    let Ok(permit) = Arc::clone(handshakes).try_acquire_owned() else {
        meter::refused("handshakes");
        return incoming.refuse();
    };
    let busy = HANDSHAKES_MAX - handshakes.available_permits() > HANDSHAKES_CALM;
    if busy && incoming.may_retry() && !incoming.remote_address_validated() {
        return drop(incoming.retry());
    }
    let hall = Arc::clone(hall);
    tasks.spawn(async move {
        let Ok(connecting) = incoming.accept() else { return };
        let connection = timeout(HANDSHAKE_MAX, connecting).await;
        drop(permit);
        match connection {
            Ok(Ok(connection)) => hall.admit(connection).await,
            Ok(Err(error)) => debug!(%error, "A handshake failed"),
            Err(_) => debug!("A handshake took too long"),
        }
    });
}

// === impl Hall ===

impl<C: Calls> Hall<C> {
    /// Only those who join need no certificate.
    async fn admit(&self, connection: Connection) {
        let protocol = quic::protocol_of(&connection);
        let answering = || Arc::clone(&self.answering);
        match (protocol.as_deref(), quic::peer_of(&connection)) {
            (Some(alpn::JOIN), _) => answering().stranger(connection).await,
            (Some(alpn::GOSSIP), Some(peer)) => {
                drop(self.events.send(Event::Linked(Link { peer: Arc::new(peer), connection })).await);
            }
            (Some(alpn::CALL), Some(peer)) => {
                self.pool.keep(&peer, connection.clone());
                answering().member(connection, peer).await;
            }
            (Some(_) | None, _) => {
                meter::refused("stranger");
                debug!(address = %connection.remote_address(), "Refused a connection without a certificate");
                quic::close(&connection, Close::Refused);
            }
        }
    }
}
