//! Connections to the cores: one HTTP/2 connection to each, over mutual TLS, made when first needed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use futures::future::BoxFuture;
use gossamer_cluster::{Cluster, View, fresh_for, until_unwelcome};
use gossamer_identity::{Identity, Peer};
use gossamer_wire::{NodeId, Role};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri, Version};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::transport::{Transport, TransportError};

/// How long dialling a core may take, handshakes included.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long a request waits for the first core to come into view, after a start or a split.
const CORE_WAIT_MAX: Duration = Duration::from_secs(5);

/// A core that is silent this long is asked whether it is there, and given as long again to say so.
const PING_AFTER: Duration = Duration::from_secs(10);

/// Bytes in flight on one stream: enough for a fast disk over a local network, little enough to hold.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// Bytes in flight on one connection, over all its streams.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// What HTTP/2 wants as the authority. The certificate, not this name, says who answers.
const AUTHORITY: Authority = Authority::from_static("core.gossamer");

/// The cores of the mesh, as gossip names them.
pub(super) struct Mesh {
    cluster: Cluster,
    identity: Identity,
    connector: TlsConnector,
    tasks: TaskTracker,
    /// Each with the moment from which a new one is made in its place.
    connections: Mutex<HashMap<NodeId, (SendRequest<Body>, Instant)>>,
}

// === impl Mesh ===

impl Mesh {
    pub(super) fn new(cluster: Cluster, identity: &Identity, tasks: TaskTracker) -> Self {
        let connector = TlsConnector::from(identity.client_config(&[b"h2"]));
        Self { cluster, identity: identity.clone(), connector, tasks, connections: Mutex::default() }
    }

    /// Cores that serve, those with an open connection first.
    async fn serving(&self) -> Vec<NodeId> {
        let mut views = self.cluster.watch();
        let seen = views.wait_for(|view| !serving(view).is_empty());
        let mut cores = match tokio::time::timeout(CORE_WAIT_MAX, seen).await {
            Ok(Ok(view)) => serving(&view),
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        cores.sort_by_key(|(node, _)| !connections.contains_key(node));
        cores.into_iter().map(|(node, _)| node).collect()
    }

    async fn send_to(&self, core: NodeId, request: Request<Body>) -> Result<Response<Body>, TransportError> {
        let mut request = addressed(request);
        if let Some(mut connection) = self.open_connection(core) {
            let mut refused = match connection.try_send_request(request).await {
                Ok(answer) => return Ok(answer.map(Body::new)),
                Err(refused) => refused,
            };
            // The connection had ended, unnoticed until now. What was never sent goes over a new one.
            let Some(unsent) = refused.take_message() else {
                return Err(TransportError::Http(refused.into_error()));
            };
            request = unsent;
        }
        let mut connection = self.connect(core).await?;
        let answer = connection.send_request(request).await.map_err(TransportError::Http)?;
        Ok(answer.map(Body::new))
    }

    fn open_connection(&self, core: NodeId) -> Option<SendRequest<Body>> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let (connection, fresh_until) = connections.get(&core)?;
        if connection.is_closed() || *fresh_until <= Instant::now() {
            connections.remove(&core);
            return None;
        }
        Some(connection.clone())
    }

    async fn connect(&self, core: NodeId) -> Result<SendRequest<Body>, TransportError> {
        let known = serving(&self.cluster.view()).into_iter().find(|(node, _)| *node == core);
        let (_, address) = known.ok_or(TransportError::Gone)?;
        let dialled = tokio::time::timeout(CONNECT_MAX, self.dial(core, address)).await;
        let (connection, fresh_until) = dialled.map_err(|_| TransportError::Slow)??;
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.insert(core, (connection.clone(), fresh_until));
        Ok(connection)
    }

    async fn dial(
        &self,
        core: NodeId,
        address: SocketAddr,
    ) -> Result<(SendRequest<Body>, Instant), TransportError> {
        let tcp = TcpStream::connect(address).await.map_err(TransportError::Connect)?;
        tcp.set_nodelay(true).map_err(TransportError::Connect)?;
        let connecting = self.connector.connect(gossamer_identity::server_name(), tcp);
        let tls = connecting.await.map_err(TransportError::Connect)?;
        let chain = tls.get_ref().1.peer_certificates().unwrap_or_default();
        let peer = Peer::from_chain(chain).map_err(|_| TransportError::Stranger)?;
        if peer.id.role != Role::Core || peer.id.node != core {
            return Err(TransportError::Stranger);
        }
        let (sender, driver) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(PING_AFTER)
            .handshake(TokioIo::new(tls))
            .await
            .map_err(TransportError::Http)?;
        let (identity, fresh_for) = (self.identity.clone(), fresh_for(&self.identity, &peer));
        self.tasks.spawn(async move {
            tokio::select! {
                ended = driver => if let Err(error) = ended {
                    debug!(%core, %error, "The connection to a core ended");
                },
                reason = until_unwelcome(&identity, &peer) => debug!(%core, ?reason, "Closed a connection to a core"),
            }
        });
        Ok((sender, Instant::now() + fresh_for))
    }
}

impl Transport for Mesh {
    fn cores(&self) -> BoxFuture<'_, Vec<NodeId>> {
        Box::pin(self.serving())
    }

    fn send(
        &self,
        core: NodeId,
        request: Request<Body>,
    ) -> BoxFuture<'_, Result<Response<Body>, TransportError>> {
        Box::pin(self.send_to(core, request))
    }
}

fn serving(view: &View) -> Vec<(NodeId, SocketAddr)> {
    let cores = view.having(&Role::Core).filter(|member| !member.is_leaving());
    cores.filter_map(|member| Some((member.node, member.record.as_ref()?.service?))).collect()
}

/// Gives a request that has only a path the scheme and authority that HTTP/2 asks for.
fn addressed(mut request: Request<Body>) -> Request<Body> {
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme(Scheme::HTTPS).authority(AUTHORITY).path_and_query(path);
    if let Ok(uri) = uri.build() {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = Version::HTTP_2;
    request
}
