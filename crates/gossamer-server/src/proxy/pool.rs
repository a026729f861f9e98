//! The pool: a few connections per instance, opened when first needed and again when they break.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use gossamer_cluster::{Cluster, fresh_for, until_unwelcome};
use gossamer_identity::{Identity, Peer as CertifiedPeer};
use gossamer_oci::PluginName;
use gossamer_wire::NodeId;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http2::SendRequest;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::Config;
use super::body::{Answer, Place};
use super::breakers::Standing;
use super::connect::connect;
use super::error::{ConnectError, Failed, Reached, SendError};
use super::limits::{Gates, Pass, Turned};
use super::replay::Replay;
use super::watch::Watch;
use crate::directory::Instance;

/// One connection is bound by one TLS stream on one core; two were measured to be enough for
/// large bodies side by side.
const CONNECTIONS_PER_INSTANCE: usize = 2;

/// How long an instance that could not be reached is not tried again, so that a dead one costs a
/// connect timeout once and not per request.
const UNREACHABLE_FOR: Duration = Duration::from_millis(500);

/// What every plugin answers, and how fast one must that is to be sent requests again.
const LIVENESS: &str = "/livez";
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

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
    gates: Gates,
    watch: Watch,
    /// Who is to know which instances answer.
    cluster: OnceLock<Cluster>,
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
        fresh_until: Instant,
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
        let gates = Gates::new(config.limits.clone(), config.plugins.clone(), config.retries.clone());
        let watch = Watch::new(config.ejection.clone());
        let (peers, cluster) = (Mutex::default(), OnceLock::new());
        Self { shared: Arc::new(Shared { identity, config, peers, gates, watch, cluster, tasks, closing }) }
    }

    /// Tells the cluster of every instance that answers, so that one which serves is not given up on one word.
    pub fn report_to(&self, cluster: Cluster) {
        self.shared.cluster.get_or_init(|| cluster);
    }

    /// Lets a request to `plugin` in, perhaps after a short wait.
    pub async fn enter(&self, plugin: &PluginName) -> Result<Pass, Turned> {
        let entered = self.shared.gates.enter(plugin).await;
        entered.inspect_err(|turned| limited(plugin, turned.limit()))
    }

    /// How `instance` stands, by what became of earlier requests.
    pub fn standing(&self, instance: &Instance) -> Standing {
        self.shared.watch.standing(instance)
    }

    /// As [`Pool::standing`], for a request that wants it: one that has been left alone for long enough is asked
    /// whether it lives.
    pub fn wanted(&self, instance: &Instance) -> Standing {
        if self.shared.watch.wanted(instance) {
            let (pool, instance) = (self.clone(), instance.clone());
            self.shared.tasks.spawn(async move { pool.probe(&instance).await });
        }
        self.standing(instance)
    }

    /// Instances that one request is sent to at most.
    pub fn attempts_max(&self) -> usize {
        self.shared.config.retries.attempts_max.max(1) as usize
    }

    /// Sends a small request and reads the whole answer, of at most 1 MiB.
    pub async fn send(
        &self,
        instance: &Instance,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, SendError> {
        let node = instance.node;
        let response =
            self.tried(instance, request.map(Body::from), None).await.map_err(|failed| failed.error)?;
        let (head, body) = response.into_parts();
        match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
            Err(source) => Err(SendError::Answer { node, source }),
        }
    }

    /// Sends a request whose body, like the answer's, streams with back-pressure, and learns from what comes of it.
    /// A failure gives the request back if it can be sent again, and says how far it got.
    pub async fn stream(
        &self,
        instance: &Instance,
        request: Request<Body>,
        pass: &Pass,
    ) -> Result<Response<Body>, Failed> {
        let trip = self.shared.watch.begin(instance);
        let tried = self.tried(instance, request, Some(pass)).await;
        trip.end(tried.as_ref());
        if let (Ok(_), Some(cluster)) = (&tried, self.shared.cluster.get()) {
            cluster.seen(instance.node);
        }
        tried
    }

    async fn tried(
        &self,
        instance: &Instance,
        request: Request<Body>,
        pass: Option<&Pass>,
    ) -> Result<Response<Body>, Failed> {
        let peer = self.peer_of(instance.node);
        let mut first = self.attempt(&peer, instance, request, pass).await;
        // The instance may have closed a pooled connection just now: once more, on a fresh one.
        if let Err(Failed { error: SendError::BrokenOff { .. }, reached: Reached::Nobody, request }) =
            &mut first
            && let Some(request) = request.take()
        {
            return self.attempt(&peer, instance, *request, pass).await;
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
        self.shared.watch.retain(live);
    }

    async fn attempt(
        &self,
        peer: &Peer,
        instance: &Instance,
        request: Request<Body>,
        pass: Option<&Pass>,
    ) -> Result<Response<Body>, Failed> {
        let node = instance.node;
        let Ok(permit) = Arc::clone(&peer.permits).try_acquire_owned() else {
            limited(&instance.plugin, "instance");
            return Err(Failed::unsent(SendError::Busy { node }, request));
        };
        match self.connected(peer, instance).await {
            Ok((sender, _)) => self.exchange(node, sender, request, (permit, pass.cloned())).await,
            Err(source) => Err(Failed::unsent(SendError::Connect { node, source }, request)),
        }
    }

    async fn exchange(
        &self,
        node: NodeId,
        mut sender: SendRequest<Body>,
        request: Request<Body>,
        place: Place,
    ) -> Result<Response<Body>, Failed> {
        let (mut head, body) = request.into_parts();
        name_authority(&mut head.uri);
        let replay = Replay::new(body);
        let again = |head| replay.take_back().map(|body| Box::new(Request::from_parts(head, body)));
        let limits = place.1.as_ref().map_or(&self.shared.config.limits, Pass::limits);
        let (first_byte, idle) = (limits.first_byte(), limits.idle());
        let answer = sender.try_send_request(Request::from_parts(head.clone(), replay.body()));
        tokio::pin!(answer);
        loop {
            let frames = replay.frames();
            tokio::select! {
                answer = &mut answer => return match answer {
                    Ok(response) => {
                        replay.settle();
                        Ok(response.map(|body| Body::new(Answer::new(body, idle, place))))
                    }
                    Err(mut failure) => {
                        let is_unsent = failure.take_message().is_some();
                        let source = failure.into_error();
                        let reached = if is_unsent { Reached::Nobody } else { Reached::of(&source) };
                        Err(Failed { error: SendError::BrokenOff { node, source }, reached, request: again(head) })
                    }
                },
                () = sleep(first_byte) => {
                    if replay.frames() == frames {
                        let error = SendError::TimedOut { node };
                        return Err(Failed { error, reached: Reached::Perhaps, request: again(head) });
                    }
                }
            }
        }
    }

    /// Asks an instance that was left alone whether it lives. What it answers is not looked at: that it does is enough.
    async fn probe(&self, instance: &Instance) {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = Uri::from_static(LIVENESS);
        let answered = timeout(PROBE_TIMEOUT, self.send(instance, request)).await;
        self.shared.watch.probed(instance, matches!(answered, Ok(Ok(_))));
    }

    /// A sender on an open connection; opens one if there is none. Requests that need the same
    /// connection wait for one handshake together.
    async fn connected(&self, peer: &Peer, instance: &Instance) -> Result<Connected, ConnectError> {
        let mut slot = peer.slot().lock().await;
        match &*slot {
            Slot::Open { address, sender, peer, fresh_until }
                if *address == instance.service && !sender.is_closed() && Instant::now() < *fresh_until =>
            {
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
                let fresh_until = Instant::now() + fresh_for(&self.shared.identity, &peer);
                *slot = Slot::Open { address, sender: sender.clone(), peer: Arc::clone(&peer), fresh_until };
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

fn limited(plugin: &PluginName, limit: &'static str) {
    let labels = [("plugin", plugin.to_string()), ("limit", limit.to_owned())];
    metrics::counter!("gossamer_proxy_limited_total", &labels).increment(1);
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

#[cfg(test)]
mod tests;
