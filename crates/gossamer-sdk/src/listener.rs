//! The plugin's listener: HTTP/2 or HTTP/1.1 over mutual TLS, for cores only.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use gossamer_cluster::{until_stale, until_unwelcome};
use gossamer_identity::{ClientAuth, Identity, Peer};
use gossamer_wire::Role;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, debug, info_span, warn};

/// Connections at one time. Only cores connect, and each needs one or two.
const CONNECTIONS_MAX: usize = 256;

/// What we speak, the best first.
const ALPNS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// How long a peer may take to say who it is.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// How long a peer may take over the head of a request.
const HEADER_MAX: Duration = Duration::from_secs(10);

/// A core that is silent this long is asked whether it is there, and given as long again to say so.
const PING_AFTER: Duration = Duration::from_secs(20);

/// Bytes in flight on one stream and on one connection: an upload through a core should not wait for us.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Requests at one time on one connection.
const STREAMS_MAX: u32 = 256;

/// Between two attempts to accept, after one failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound listener, before it serves.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// Why a connection was closed before it could ask for anything.
#[derive(Debug, thiserror::Error)]
enum Unwelcome {
    #[error("the handshake failed")]
    Handshake(#[source] io::Error),
    #[error("the handshake took too long")]
    Slow,
    #[error("it has no certificate of a node")]
    Unnamed,
    #[error("it is {0}, not a core")]
    NotACore(Role),
}

// === impl Listener ===

impl Listener {
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until `shutdown`; then every connection ends after the requests it has begun.
    pub(crate) async fn serve(
        self,
        identity: Identity,
        router: Router,
        tasks: TaskTracker,
        shutdown: CancellationToken,
    ) {
        let acceptor = TlsAcceptor::from(identity.server_config(ALPNS, ClientAuth::Required));
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = self.accept(&permits) => accepted,
            };
            let (stream, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "Accepting a connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (acceptor, router, shutdown) = (acceptor.clone(), router.clone(), shutdown.child_token());
            let identity = identity.clone();
            let span = info_span!("connection", peer = stream.peer_addr().ok().map(tracing::field::display));
            let connection = async move {
                let _permit = permit;
                match welcome(&acceptor, stream).await {
                    Ok((stream, peer)) => {
                        let serving = serve_connection(stream, router, shutdown.clone());
                        while_welcome(&identity, &peer, shutdown, serving).await;
                    }
                    Err(error) => debug!(error = &error as &dyn std::error::Error, "Closed a connection"),
                }
            };
            tasks.spawn(connection.instrument(span));
        }
    }

    async fn accept(&self, permits: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
        let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = self.socket.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, permit))
    }
}

/// Lets a core in, and nobody else.
async fn welcome(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
) -> Result<(TlsStream<TcpStream>, Peer), Unwelcome> {
    let shaken = tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await;
    let stream = shaken.map_err(|_| Unwelcome::Slow)?.map_err(Unwelcome::Handshake)?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let peer = Peer::from_chain(chain).map_err(|_| Unwelcome::Unnamed)?;
    match peer.id.role {
        Role::Core => Ok((stream, peer)),
        ref role @ (Role::Plugin(_) | Role::Agent) => Err(Unwelcome::NotACore(role.clone())),
    }
}

/// Serves until the core goes or may not stay. Long before a certificate ends, the core is told to come again.
async fn while_welcome(
    identity: &Identity,
    peer: &Peer,
    shutdown: CancellationToken,
    serving: impl Future<Output = ()>,
) {
    let stale = async {
        until_stale(identity, peer).await;
        shutdown.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = serving => {}
        reason = until_unwelcome(identity, peer) => debug!(?reason, "Closed a connection"),
        () = stale => {}
    }
}

async fn serve_connection(stream: TlsStream<TcpStream>, router: Router, shutdown: CancellationToken) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_MAX);
    server
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_AFTER);
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "A connection ended badly");
    }
}

#[cfg(test)]
mod tests;
