//! Packets and letters to peers: over the connection there is, or over one that is dialled for them.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use gossamer_identity::{Identity, Peer};
use gossamer_wire::{NodeId, alpn};
use quinn::{Connection, Endpoint};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::{Event, quic};
use crate::{
    membership::{Destination, LETTER_BYTES_MAX, PACKET_BYTES_MAX},
    meter,
};

/// How much waits for one dial to end: what SWIM sends to one node in that time.
const WAITING_MAX: usize = 32;

/// How many dials there are at a time, those that wait for their turn included.
const DIALS_MAX: usize = 64;

/// How many of them are in their handshake at a time: when many join at once, some soon know everybody, instead of
/// all being late for everybody.
const HANDSHAKES_MAX: usize = 16;

/// How many letters are under way at a time.
const LETTERS_MAX: usize = 256;

/// How long one letter may take, in either direction.
const LETTER_MAX: Duration = Duration::from_secs(10);

/// The first byte of a stream says what it carries.
const KIND_PACKET: u8 = 0;
const KIND_LETTER: u8 = 1;

/// Something for one peer.
#[derive(Clone, Debug)]
pub(super) enum Parcel {
    Packet(Bytes),
    Letter(Bytes),
}

/// A connection under the GOSSIP protocol and who is at its other end.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) peer: Arc<Peer>,
    pub(super) connection: Connection,
}

/// The connections of a node, by who is at the other end. Belongs to the one task.
pub(super) struct Transport {
    endpoint: Endpoint,
    identity: Identity,
    links: HashMap<NodeId, Connection>,
    dials: HashMap<Destination, VecDeque<Parcel>>,
    handshakes: Arc<Semaphore>,
    letters: Arc<Semaphore>,
    tasks: TaskTracker,
    events: mpsc::Sender<Event>,
}

// === impl Transport ===

impl Transport {
    pub(super) fn new(
        endpoint: Endpoint,
        identity: Identity,
        tasks: TaskTracker,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self {
            endpoint,
            identity,
            tasks,
            events,
            links: HashMap::new(),
            dials: HashMap::new(),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
            letters: Arc::new(Semaphore::new(LETTERS_MAX)),
        }
    }

    /// Sends a parcel, or has it wait for a dial. Nothing is promised: what cannot be sent is counted and dropped.
    pub(super) fn send(&mut self, to: Destination, parcel: Parcel, keep_alive: bool) {
        let open =
            to.node.and_then(|node| self.links.get(&node)).filter(|link| link.close_reason().is_none());
        match open {
            Some(connection) => self.send_over(connection.clone(), parcel),
            None => self.send_by_dial(to, parcel, keep_alive),
        }
    }

    /// Takes a new connection into use. The newest is the one that the peer has not forgotten.
    pub(super) fn adopt(&mut self, link: &Link) {
        let node = link.peer.id.node;
        if let Some(older) = self.links.insert(node, link.connection.clone()) {
            debug!(peer = %node, older = older.stable_id(), "A newer connection replaces the one there was");
        }
        self.tasks.spawn(read(link.clone(), self.identity.clone(), self.events.clone()));
        meter::connections(self.links.len());
    }

    /// A dial has ended: what waited for it goes out, or is lost.
    pub(super) fn dialled(&mut self, to: Destination, connection: Option<&Connection>) {
        let waiting = self.dials.remove(&to).unwrap_or_default();
        match connection {
            Some(connection) => {
                for parcel in waiting {
                    self.send_over(connection.clone(), parcel);
                }
            }
            None => meter::dropped("unreachable", waiting.len()),
        }
    }

    /// A connection has ended. Says whether the peer has no newer one.
    pub(super) fn closed(&mut self, node: NodeId, connection: usize) -> bool {
        let newer = self.links.get(&node).is_some_and(|link| link.stable_id() != connection);
        if !newer {
            self.links.remove(&node);
            meter::connections(self.links.len());
        }
        !newer
    }

    /// Dials anew when there is something to send: the connection may be dead and not know it.
    pub(super) fn doubt(&mut self, node: NodeId) {
        self.links.remove(&node);
    }

    fn send_over(&self, connection: Connection, parcel: Parcel) {
        meter::sent(parcel.len());
        let (kind, bytes) = match parcel {
            Parcel::Packet(bytes) if connection.max_datagram_size().is_some_and(|max| bytes.len() <= max) => {
                if connection.send_datagram(bytes).is_err() {
                    meter::dropped("unsendable", 1);
                }
                return;
            }
            Parcel::Packet(bytes) => (KIND_PACKET, bytes),
            Parcel::Letter(bytes) => (KIND_LETTER, bytes),
        };
        let Ok(permit) = Arc::clone(&self.letters).try_acquire_owned() else {
            return meter::dropped("letters", 1);
        };
        self.tasks.spawn(async move {
            let written = tokio::time::timeout(LETTER_MAX, write(&connection, kind, &bytes)).await;
            if !matches!(written, Ok(Ok(()))) {
                meter::dropped("unsendable", 1);
            }
            drop(permit);
        });
    }

    fn send_by_dial(&mut self, to: Destination, parcel: Parcel, keep_alive: bool) {
        if let Some(waiting) = self.dials.get_mut(&to) {
            if waiting.len() >= WAITING_MAX {
                waiting.pop_front();
                meter::dropped("waiting", 1);
            }
            return waiting.push_back(parcel);
        }
        if self.dials.len() >= DIALS_MAX {
            return meter::dropped("dials", 1);
        }
        if quic::is_crowded(&self.endpoint) {
            return meter::dropped("connections", 1);
        }
        self.dials.insert(to, VecDeque::from([parcel]));
        let (endpoint, identity, events) =
            (self.endpoint.clone(), self.identity.clone(), self.events.clone());
        let handshakes = Arc::clone(&self.handshakes);
        self.tasks.spawn(async move {
            let _turn = handshakes.acquire().await;
            let tls = identity.client_config(&[alpn::GOSSIP]);
            let dialled = quic::dial(&endpoint, to.address, to.node, tls, keep_alive).await;
            meter::dialled(dialled.is_ok());
            let result = dialled.map(|(connection, peer)| Link { peer: Arc::new(peer), connection });
            drop(events.send(Event::Dialled { to, result }).await);
        });
    }
}

// === impl Parcel ===

impl Parcel {
    fn len(&self) -> usize {
        match self {
            Self::Packet(bytes) | Self::Letter(bytes) => bytes.len(),
        }
    }
}

async fn write(connection: &Connection, kind: u8, bytes: &[u8]) -> Result<(), quinn::WriteError> {
    let mut stream = connection.open_uni().await?;
    stream.write_all(&[kind]).await?;
    stream.write_all(bytes).await?;
    drop(stream.finish());
    Ok(())
}

/// Reads everything that comes over a link until it closes, and tells of its end.
async fn read(link: Link, identity: Identity, events: mpsc::Sender<Event>) {
    let Link { peer, connection } = link;
    let node = peer.id.node;
    let reason = tokio::select! {
        reason = quic::until_closed(&connection, &identity, &peer) => reason,
        reason = read_datagrams(&connection, node, &events) => reason,
        reason = read_streams(&connection, node, &events) => reason,
    };
    let farewell = quic::is_farewell(&reason);
    debug!(peer = %node, %reason, "A connection ended");
    drop(events.send(Event::Closed { node, connection: connection.stable_id(), farewell }).await);
}

async fn read_datagrams(
    connection: &Connection,
    from: NodeId,
    events: &mpsc::Sender<Event>,
) -> quinn::ConnectionError {
    loop {
        let bytes = match connection.read_datagram().await {
            Ok(bytes) => bytes,
            Err(reason) => return reason,
        };
        meter::received(bytes.len());
        if events.try_send(Event::Packet { from, bytes }).is_err() {
            meter::dropped("busy", 1); // a datagram may be lost; who reads it must not fall behind
        }
    }
}

/// One stream after the other: a peer that sends its letters slowly delays only its own.
async fn read_streams(
    connection: &Connection,
    from: NodeId,
    events: &mpsc::Sender<Event>,
) -> quinn::ConnectionError {
    loop {
        let mut stream = match connection.accept_uni().await {
            Ok(stream) => stream,
            Err(reason) => return reason,
        };
        let read = tokio::time::timeout(LETTER_MAX, stream.read_to_end(LETTER_BYTES_MAX + 1)).await;
        let Ok(Ok(content)) = read else {
            meter::dropped("unreadable", 1);
            continue;
        };
        meter::received(content.len());
        let mut bytes = Bytes::from(content);
        let kind = bytes.split_to(bytes.len().min(1));
        let event = match kind.first() {
            Some(&KIND_PACKET) if bytes.len() <= PACKET_BYTES_MAX => Event::Packet { from, bytes },
            Some(&KIND_LETTER) => Event::Letter { from, bytes },
            Some(_) | None => {
                meter::dropped("unreadable", 1);
                continue;
            }
        };
        drop(events.send(event).await);
    }
}
