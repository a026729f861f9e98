//! Takes the observations of one node: keeps a chronicle of its views and, when asked, tries to reach the others.

use std::{
    collections::BTreeMap,
    net::{Ipv6Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use gossamer_identity::{Identity, Peer};
use gossamer_wire::{NodeId, Role, alpn};
use quinn::{ConnectionError, Endpoint, EndpointConfig};
use serde::{Deserialize, Serialize};
use tokio::{
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    diagnosis::{Accusation, Chronicle, Contact, Handshake, Port, Report},
    error::{Refusal, RefusalKind},
    shell::{
        now,
        quic::{self, Close, DialError},
    },
    view::View,
};

/// How often the node looks whether it is late. Four wake-ups a second cost nothing, and no pause that matters to a
/// probe slips through.
const TICK: Duration = Duration::from_millis(250);

/// How long a late tick is remembered.
const LATE_REMEMBERED: Duration = Duration::from_secs(60);

/// How many nodes one node tries to reach: with those in trouble first, enough to tell a link from a node.
const CONTACTS_MAX: usize = 32;

/// How long one handshake, and one question, may take.
const CONTACT_MAX: Duration = Duration::from_millis(2_500);

/// How long a TCP connection may take to open.
const PORT_MAX: Duration = Duration::from_secs(1);

/// How many suspicions, the newest, go into a report.
const SUSPICIONS_MAX: usize = 128;

/// QUIC's errors from here to 0x1ff are alerts of TLS (RFC 9001, section 4.8).
const TLS_ALERTS: std::ops::Range<u64> = 0x100..0x200;

/// What one node sees. Cheap to clone; holds no place in the cluster.
#[derive(Clone, Debug)]
pub struct Examiner {
    identity: Identity,
    views: watch::Receiver<Arc<View>>,
    chronicle: Arc<Mutex<Chronicle>>,
    lateness: Arc<Lateness>,
    /// Addresses that the operator gave, whoever may be there.
    seeds: Arc<[SocketAddr]>,
}

/// An examiner that will be there once the node has a place in its cluster. All clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Witness(Arc<OnceLock<Examiner>>);

/// A report, with the times at which it was asked for and given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Testimony {
    /// By the clock of the node, in milliseconds since 1970.
    asked_ms: i64,
    answered_ms: i64,
    report: Report,
}

/// The latest timer of this and of the last spell.
#[derive(Debug, Default)]
struct Lateness {
    current_ms: AtomicU64,
    last_ms: AtomicU64,
}

// === impl Examiner ===

impl Examiner {
    pub fn new(identity: Identity, views: watch::Receiver<Arc<View>>, seeds: Vec<SocketAddr>) -> Self {
        let (chronicle, lateness) = (Arc::default(), Arc::default());
        Self { identity, views, chronicle, lateness, seeds: seeds.into() }
    }

    /// Watches the views and its own lateness, until the cluster ends.
    pub async fn keep(self) {
        let mut views = self.views.clone();
        let mut spell = now();
        loop {
            let before = now();
            tokio::select! {
                changed = views.changed() => match changed {
                    Ok(()) => {
                        let view = Arc::clone(&views.borrow_and_update());
                        self.chronicle().observe(&view, now());
                    }
                    Err(_) => return, // nobody holds a place in the cluster
                },
                () = sleep(TICK) => {}
            }
            self.lateness.note(now() - before);
            if now() - spell >= LATE_REMEMBERED / 2 {
                spell = now();
                self.lateness.turn();
            }
        }
    }

    /// What this node sees, as it is told to others.
    pub async fn testify(&self) -> Testimony {
        let asked_ms = unix_ms();
        let report = self.report().await;
        Testimony { asked_ms, answered_ms: unix_ms(), report }
    }

    /// What this node sees. Takes as long as the slowest dial.
    pub async fn report(&self) -> Report {
        let contacts = self.contacts().await;
        let (view, at) = (Arc::clone(&self.views.borrow()), now());
        let suspicions = view.suspicions().iter().rev().take(SUSPICIONS_MAX);
        let suspicions = suspicions.map(|suspicion| Accusation::new(suspicion, at)).collect();
        let lives = self.chronicle().lives(at);
        let node = self.identity.node();
        Report { node, clock_ahead_ms: 0, late_ms: self.lateness.worst(), suspicions, contacts, lives }
    }

    async fn contacts(&self) -> Vec<Contact> {
        let mut dials = JoinSet::new();
        for whom in self.whom() {
            dials.spawn(contact(self.identity.clone(), whom));
        }
        let mut contacts = dials.join_all().await;
        contacts.sort_by_key(|contact| (contact.node, contact.address));
        contacts
    }

    /// Whom to dial: the dead first, then seeds that nobody has come from, then members from our own id onwards, so
    /// that in a large cluster every member is dialled by somebody.
    fn whom(&self) -> Vec<Whom> {
        let view = Arc::clone(&self.views.borrow());
        let me = self.identity.node();
        let lives = self.chronicle().lives(now());
        let dead =
            lives.into_iter().filter(|life| life.dead_seconds.is_some() && view.get(life.node).is_none());
        let dead =
            dead.map(|life| Whom { node: Some(life.node), address: life.address, service: life.service });
        let known: BTreeMap<SocketAddr, NodeId> =
            view.members().map(|member| (member.address, member.node)).collect();
        let seeds = self.seeds.iter().filter(|seed| !known.contains_key(seed));
        let seeds = seeds.map(|seed| Whom { node: None, address: *seed, service: None });
        let (after, before): (Vec<_>, Vec<_>) = view.others().partition(|member| member.node > me);
        let members = after.into_iter().chain(before).map(|member| Whom {
            node: Some(member.node),
            address: member.address,
            service: member.record.as_ref().and_then(|record| record.service),
        });
        dead.chain(seeds).chain(members).take(CONTACTS_MAX).collect()
    }

    fn chronicle(&self) -> std::sync::MutexGuard<'_, Chronicle> {
        self.chronicle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Witness ===

impl Witness {
    /// Begins to see with these eyes; only the first counts. Returns what has to run meanwhile.
    pub fn begin(&self, examiner: Examiner) -> impl Future<Output = ()> + Send + use<> {
        self.0.get_or_init(|| examiner).clone().keep()
    }

    pub fn examiner(&self) -> Option<&Examiner> {
        self.0.get()
    }

    /// Answers the call [`gossamer_wire::method::DIAGNOSE`] of a core; nobody else may have the whole mesh dial.
    pub async fn answer(&self, peer: &Peer) -> Result<Bytes, Refusal> {
        if peer.id.role != Role::Core {
            return Err(Refusal::new(RefusalKind::Forbidden, "only cores ask for a diagnosis"));
        }
        match self.examiner() {
            Some(examiner) => Ok(examiner.testify().await.encode()),
            None => Err(Refusal::new(RefusalKind::Unavailable, "not a member yet")),
        }
    }
}

// === impl Testimony ===

impl Testimony {
    /// As an answer to [`gossamer_wire::method::DIAGNOSE`].
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// The report in an answer, with the clock compared to that of the asker, who asked and heard the answer at these
    /// times of its own. `None` if it is not a report.
    pub fn decode(answer: &[u8], asked: SystemTime, heard: SystemTime) -> Option<Report> {
        let Self { asked_ms, answered_ms, mut report } = serde_json::from_slice(answer).ok()?;
        let there = asked_ms.saturating_add(answered_ms);
        let here = ms_since_1970(asked).saturating_add(ms_since_1970(heard));
        report.clock_ahead_ms = there.saturating_sub(here) / 2;
        Some(report)
    }
}

// === impl Lateness ===

impl Lateness {
    fn note(&self, took: Duration) {
        let late = took.saturating_sub(TICK).as_millis();
        self.current_ms.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn turn(&self) {
        self.last_ms.store(self.current_ms.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }

    fn worst(&self) -> u64 {
        self.current_ms.load(Ordering::Relaxed).max(self.last_ms.load(Ordering::Relaxed))
    }
}

// === dialling ===

/// Somebody to dial.
struct Whom {
    node: Option<NodeId>,
    address: SocketAddr,
    service: Option<SocketAddr>,
}

async fn contact(identity: Identity, whom: Whom) -> Contact {
    let Whom { node, address, service } = whom;
    let begin = now();
    let (handshake, port) = tokio::join!(handshake(&identity, node, address), async {
        match service {
            Some(service) => Some((service, port(service).await)),
            None => None,
        }
    });
    let took = elapsed_ms(begin);
    let round_trip_ms = (handshake == Handshake::Answered).then_some(took);
    Contact { node, address, handshake, round_trip_ms, path_bytes: path_bytes(address), service: port }
}

/// Dials from a socket of its own, so that no connection that is there already can hide what is wrong.
async fn handshake(identity: &Identity, node: Option<NodeId>, address: SocketAddr) -> Handshake {
    let endpoint = match endpoint(address) {
        Ok(endpoint) => endpoint,
        Err(error) => return Handshake::Failed(error.to_string()),
    };
    let tls = identity.client_config(&[alpn::JOIN]);
    let dialled = timeout(CONTACT_MAX, async {
        let connection = quic::connect(&endpoint, address, tls, false).await?;
        // TLS 1.3 has one side ready before the other has believed it: only an answer shows that it has.
        let (mut send, mut receive) = connection.open_bi().await?;
        drop(send.finish());
        let answer = receive.read_to_end(crate::calls::JOIN_BYTES_MAX).await;
        let peer = quic::peer_of(&connection).map(|peer| peer.id.node);
        let reason = connection.close_reason();
        quic::close(&connection, Close::Done);
        match (answer, reason) {
            (Err(_), Some(reason)) => Err(DialError::Connection(reason)),
            (Ok(_) | Err(_), _) => Ok(peer),
        }
    });
    let outcome = match dialled.await {
        Err(_) => Handshake::Silent,
        Ok(Ok(Some(peer))) if node.is_some_and(|node| node != peer) => Handshake::Somebody(peer),
        Ok(Ok(_)) => Handshake::Answered,
        Ok(Err(error)) => ending(&error),
    };
    drop(timeout(CONTACT_MAX, endpoint.wait_idle()).await);
    outcome
}

/// Any port of the family of the address that is to be dialled.
fn endpoint(address: SocketAddr) -> std::io::Result<Endpoint> {
    let socket = any_port(address)?;
    Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(quinn::TokioRuntime))
}

fn any_port(address: SocketAddr) -> std::io::Result<UdpSocket> {
    match address {
        SocketAddr::V4(_) => UdpSocket::bind(("0.0.0.0", 0)),
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)),
    }
}

fn ending(error: &DialError) -> Handshake {
    match error {
        DialError::TimedOut | DialError::Connection(ConnectionError::TimedOut) => Handshake::Silent,
        DialError::Connection(ConnectionError::TransportError(error))
            if TLS_ALERTS.contains(&u64::from(error.code)) =>
        {
            Handshake::Untrusted(error.to_string())
        }
        DialError::Connection(ConnectionError::ConnectionClosed(close))
            if TLS_ALERTS.contains(&u64::from(close.error_code)) =>
        {
            Handshake::Untrusted(close.to_string())
        }
        // Whoever turns us away for being busy, or for what we asked, is there.
        DialError::Connection(ConnectionError::ApplicationClosed(_)) => Handshake::Answered,
        DialError::Connection(error) => Handshake::Failed(error.to_string()),
        DialError::Connect(error) => Handshake::Failed(error.to_string()),
        DialError::Tls(_) | DialError::WrongPeer => Handshake::Failed(error.to_string()),
    }
}

/// What the kernel knows of the way. Connecting a UDP socket sends nothing.
fn path_bytes(address: SocketAddr) -> Option<u32> {
    let socket = any_port(address).ok()?;
    socket.connect(address).ok()?;
    match address {
        SocketAddr::V4(_) => rustix::net::sockopt::ip_mtu(&socket).ok(),
        SocketAddr::V6(_) => rustix::net::sockopt::ipv6_mtu(&socket).ok(),
    }
}

async fn port(address: SocketAddr) -> Port {
    match timeout(PORT_MAX, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Port::Open,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Port::Refused,
        Ok(Err(_)) | Err(_) => Port::Silent,
    }
}

fn elapsed_ms(begin: Instant) -> u64 {
    u64::try_from((now() - begin).as_millis()).unwrap_or(u64::MAX)
}

fn unix_ms() -> i64 {
    ms_since_1970(SystemTime::now())
}

fn ms_since_1970(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
