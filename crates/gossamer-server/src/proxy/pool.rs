//! The pool: a few connections per instance, opened when first needed and again when they break.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use gossamer_cluster::until_unwelcome;
use gossamer_identity::{Identity, Peer as CertifiedPeer};
use gossamer_wire::NodeId;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::Config;
use super::body::{Answer, Progress};
use super::connect::connect;
use super::error::{ConnectError, SendError, Unsent};
use crate::directory::Instance;

/// One connection is bound by one TLS stream on one core; two were measured to be enough for
/// large bodies side by side.
const CONNECTIONS_PER_INSTANCE: usize = 2;

/// How long an instance that could not be reached is not tried again, so that a dead one costs a
/// connect timeout once and not per request.
const UNREACHABLE_FOR: Duration = Duration::from_millis(500);

/// Answers to [`Pool::send`] are small by contract: event acknowledgements and health checks.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Connections to plugin instances. Cheap to clone; all clones share them.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    identity: Identity,
    config: Config,
    peers: Mutex<HashMap<NodeId, Arc<Peer>>>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

/// What is known of one instance's node.
struct Peer {
    slots: [AsyncMutex<Slot>; CONNECTIONS_PER_INSTANCE],
    turn: AtomicUsize,
    permits: Arc<Semaphore>,
}

/// An open connection and who is at its other end.
type Connected = (SendRequest<Body>, Arc<CertifiedPeer>);

#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Open {
        address: SocketAddr,
        sender: SendRequest<Body>,
        peer: Arc<CertifiedPeer>,
    },
    Unreachable {
        address: SocketAddr,
        until: Instant,
    },
}

// === impl Pool ===

impl Pool {
    /// A pool without connections. Its tasks run on `tasks` and end when `closing` is cancelled.
    pub fn new(identity: Identity, config: Config, tasks: TaskTracker, closing: CancellationToken) -> Self {
        let peers = Mutex::default();
        Self { shared: Arc::new(Shared { identity, config, peers, tasks, closing }) }
    }

    /// Sends a small request and reads the whole answer, of at most 1 MiB.
    pub async fn send(
        &self,
        instance: &Instance,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, SendError> {
        let node = instance.node;
        let response = self.stream(instance, request.map(Body::from)).await.map_err(|unsent| unsent.error)?;
        let (head, body) = response.into_parts();
        match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
            Err(source) => Err(SendError::Answer { node, source }),
        }
    }

    /// Sends a request whose body, like the answer's, streams with back-pressure. A failure gives
    /// the request back if nothing of it was sent.
    pub async fn stream(
        &self,
        instance: &Instance,
        request: Request<Body>,
    ) -> Result<Response<Body>, Unsent> {
        let peer = self.peer_of(instance.node);
        let mut first = self.attempt(&peer, instance, request).await;
        // The instance may have closed a pooled connection just now: once more, on a fresh one.
        if let Err(Unsent { error: SendError::BrokenOff { .. }, request }) = &mut first
            && let Some(request) = request.take()
        {
            return self.attempt(&peer, instance, *request).await;
        }
        first
    }

    /// Who answers at the instance's address, by its certificate: that node, as that plugin.
    pub async fn peer(&self, instance: &Instance) -> Result<Arc<CertifiedPeer>, SendError> {
        let node = instance.node;
        let peer = self.peer_of(node);
        let connected = self.connected(&peer, instance).await;
        connected.map(|(_, peer)| peer).map_err(|source| SendError::Connect { node, source })
    }

    /// Forgets every node that is not in `live`; their connections close when idle.
    pub fn retain(&self, live: &BTreeSet<NodeId>) {
        self.peers().retain(|node, _| live.contains(node));
    }

    async fn attempt(
        &self,
        peer: &Peer,
        instance: &Instance,
        request: Request<Body>,
    ) -> Result<Response<Body>, Unsent> {
        let node = instance.node;
        let Ok(permit) = Arc::clone(&peer.permits).try_acquire_owned() else {
            return Err(Unsent { error: SendError::Busy { node }, request: Some(Box::new(request)) });
        };
        match self.connected(peer, instance).await {
            Ok((sender, _)) => self.exchange(node, sender, request, permit).await,
            Err(source) => {
                let error = SendError::Connect { node, source };
                Err(Unsent { error, request: Some(Box::new(request)) })
            }
        }
    }

    async fn exchange(
        &self,
        node: NodeId,
        mut sender: SendRequest<Body>,
        request: Request<Body>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Response<Body>, Unsent> {
        let progress = Progress::default();
        let mut request = request.map(|body| Body::new(progress.watch(body)));
        name_authority(request.uri_mut());
        let answer = sender.try_send_request(request);
        tokio::pin!(answer);
        loop {
            let frames = progress.frames();
            tokio::select! {
                answer = &mut answer => return match answer {
                    Ok(response) => Ok(self.answer(response, permit)),
                    Err(mut failure) => {
                        let request = failure.take_message().map(Box::new);
                        let source = failure.into_error();
                        Err(Unsent { error: SendError::BrokenOff { node, source }, request })
                    }
                },
                () = sleep(self.shared.config.response_timeout()) => {
                    if progress.frames() == frames {
                        return Err(Unsent { error: SendError::TimedOut { node }, request: None });
                    }
                }
            }
        }
    }

    fn answer(&self, response: Response<Incoming>, permit: OwnedSemaphorePermit) -> Response<Body> {
        let idle = self.shared.config.idle_timeout();
        response.map(|body| Body::new(Answer::new(body, idle, permit)))
    }

    /// A sender on an open connection; opens one if there is none. Requests that need the same
    /// connection wait for one handshake together.
    async fn connected(&self, peer: &Peer, instance: &Instance) -> Result<Connected, ConnectError> {
        let mut slot = peer.slot().lock().await;
        match &*slot {
            Slot::Open { address, sender, peer } if *address == instance.service && !sender.is_closed() => {
                return Ok((sender.clone(), Arc::clone(peer)));
            }
            Slot::Unreachable { address, until }
                if *address == instance.service && *until > Instant::now() =>
            {
                return Err(ConnectError::UnreachableLately);
            }
            Slot::Empty | Slot::Open { .. } | Slot::Unreachable { .. } => {}
        }
        let address = instance.service;
        match self.open(instance).await {
            Ok((sender, peer)) => {
                *slot = Slot::Open { address, sender: sender.clone(), peer: Arc::clone(&peer) };
                Ok((sender, peer))
            }
            Err(error) => {
                *slot = Slot::Unreachable { address, until: Instant::now() + UNREACHABLE_FOR };
                Err(error)
            }
        }
    }

    async fn open(&self, instance: &Instance) -> Result<Connected, ConnectError> {
        let opening = connect(&self.shared.identity, instance);
        let (sender, driver, peer) = timeout(self.shared.config.connect_timeout(), opening)
            .await
            .map_err(|_| ConnectError::TimedOut)??;
        let (node, closing) = (instance.node, self.shared.closing.clone());
        let (identity, peer) = (self.shared.identity.clone(), Arc::new(peer));
        let certified = Arc::clone(&peer);
        self.shared.tasks.spawn(async move {
            tokio::select! {
                () = closing.cancelled() => {}
                ended = driver => if let Err(error) = ended {
                    debug!(%node, %error, "Connection to a plugin ended");
                },
                reason = until_unwelcome(&identity, &certified) => {
                    debug!(%node, ?reason, "Closed a connection to a plugin");
                }
            }
        });
        Ok((sender, peer))
    }

    fn peer_of(&self, node: NodeId) -> Arc<Peer> {
        let permits = self.shared.config.requests_per_instance_max;
        Arc::clone(self.peers().entry(node).or_insert_with(|| Arc::new(Peer::new(permits))))
    }

    fn peers(&self) -> std::sync::MutexGuard<'_, HashMap<NodeId, Arc<Peer>>> {
        self.shared.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// HTTP/2 has no request without scheme and authority; what is asked of a plugin by path alone gets
/// this mesh's own.
fn name_authority(uri: &mut Uri) {
    if uri.authority().is_some() {
        return;
    }
    let mut parts = std::mem::take(uri).into_parts();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(Authority::from_static("gossamer"));
    // A path with scheme and authority before it is always a URI.
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

// === impl Peer ===

impl Peer {
    fn new(permits: usize) -> Self {
        let slots = std::array::from_fn(|_| AsyncMutex::default());
        Self { slots, turn: AtomicUsize::default(), permits: Arc::new(Semaphore::new(permits)) }
    }

    /// The connections take turns.
    fn slot(&self) -> &AsyncMutex<Slot> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % CONNECTIONS_PER_INSTANCE;
        let [first, ..] = &self.slots;
        self.slots.get(turn).unwrap_or(first)
    }
}
