//! The two doors of a core: plain HTTP for clients, HTTP/2 over mutual TLS for the mesh.

mod connection;
mod idle;
mod mesh;
mod pace;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use gossamer_identity::Identity;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use connection::Origin;

/// After a failed accept, which is nearly always a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The `[connections]` table of the configuration; it holds for each listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Connections open at once. More wait in the kernel's queue.
    pub open_max: usize,
    /// From the first byte of a request to the last one of its headers, and the TLS handshake.
    pub header_timeout_ms: u64,
    /// A connection on which nothing moves for so long is closed.
    pub idle_timeout_ms: u64,
    /// Requests of one HTTP/2 connection at once.
    pub streams_max: u32,
}

/// Where a request came from, in its extensions.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub SocketAddr);

/// A bound listener that does not accept yet.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    config: Config,
}

/// How the connections of a listener begin.
#[derive(Clone)]
pub enum Door {
    /// HTTP/1.1 and HTTP/2 without TLS; who a client is, its headers say.
    Public,
    /// HTTP/2 over mutual TLS; who a client is, its certificate says.
    Mesh(Identity),
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self { open_max: 8_192, header_timeout_ms: 15_000, idle_timeout_ms: 75_000, streams_max: 1_024 }
    }
}

impl Config {
    fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }
}

// === impl Listener ===

impl Listener {
    /// Takes the address; the kernel queues connections from now on.
    pub async fn bind(address: SocketAddr, config: Config) -> io::Result<Self> {
        let tcp = TcpListener::bind(address).await?;
        let address = tcp.local_addr()?;
        Ok(Self { tcp, address, config })
    }

    /// The address with the port that the kernel chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until `closing` is cancelled. Connections run on `connections`; once closing, each
    /// finishes the requests it has.
    pub async fn serve(self, door: Door, app: Router, connections: TaskTracker, closing: CancellationToken) {
        let Self { tcp, address: _, config } = self;
        let config = Arc::new(config);
        let permits = Arc::new(Semaphore::new(config.open_max));
        while let Some((stream, client)) = accept(&tcp, &closing).await {
            let acquired = closing.run_until_cancelled(Arc::clone(&permits).acquire_owned()).await;
            let Some(Ok(permit)) = acquired else { break };
            let origin = Origin { client, principal: None };
            let (door, app) = (door.clone(), app.clone());
            let (config, closing) = (Arc::clone(&config), closing.clone());
            connections.spawn(async move {
                let served = match door {
                    Door::Public => connection::serve(stream, origin, app, &config, closing).await,
                    Door::Mesh(identity) => {
                        mesh::serve(stream, origin, &identity, app, (&config, closing)).await
                    }
                };
                if let Err(error) = served {
                    debug!(%client, %error, "Connection ended early");
                }
                drop(permit);
            });
        }
    }
}

/// The next connection, or `None` once closing.
async fn accept(tcp: &TcpListener, closing: &CancellationToken) -> Option<(TcpStream, SocketAddr)> {
    loop {
        match closing.run_until_cancelled(tcp.accept()).await? {
            Ok((stream, client)) => match stream.set_nodelay(true) {
                Ok(()) => return Some((stream, client)),
                Err(error) => debug!(%client, %error, "Connection was gone when accepted"),
            },
            Err(error) => {
                warn!(%error, "Cannot accept connections, will try again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
