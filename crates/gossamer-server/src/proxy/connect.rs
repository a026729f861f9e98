//! Opening one HTTP/2 connection to one plugin instance, and making sure that it is the one meant.

use std::time::Duration;

use axum::body::Body;
use gossamer_identity::{Identity, Peer, server_name};
use gossamer_wire::Role;
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::ConnectError;
use crate::directory::Instance;

/// The default of 64 KiB lets one round trip throttle a body; these were measured not to.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// Fewer, larger frames: a quarter of the cost per byte of the default 16 KiB.
const FRAME_BYTES_MAX: u32 = 64 << 10;

/// While requests wait, a host that vanished without a word, or a process that hangs as a whole, is noticed after
/// at most both.
const PING_INTERVAL: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(3);

const H2: &[u8] = b"h2";

/// What drives the connection. It must be polled for anything to move.
pub(super) type Driver = Connection<TokioIo<TlsStream<TcpStream>>, Body, TokioExecutor>;

/// Connects to `instance` and checks that its certificate is that node's and that plugin's.
pub(super) async fn connect(
    identity: &Identity,
    instance: &Instance,
) -> Result<(SendRequest<Body>, Driver, Peer), ConnectError> {
    let stream = TcpStream::connect(instance.service).await?;
    stream.set_nodelay(true)?;
    let config = identity.client_config(&[H2]);
    let stream = TlsConnector::from(config).connect(server_name(), stream).await?;
    let peer = check(&stream, instance)?;
    let (sender, driver) = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(ConnectError::Http)?;
    Ok((sender, driver, peer))
}

fn check(stream: &TlsStream<TcpStream>, instance: &Instance) -> Result<Peer, ConnectError> {
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let peer = Peer::from_chain(chain).map_err(|_| ConnectError::WrongPeer)?;
    let is_the_plugin = matches!(&peer.id.role, Role::Plugin(name) if *name == instance.plugin);
    if peer.id.node == instance.node && is_the_plugin { Ok(peer) } else { Err(ConnectError::WrongPeer) }
}
