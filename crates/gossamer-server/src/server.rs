//! A running core: how it comes up, where it listens, and how it stops.

mod error;
mod port;
mod start;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gossamer_cluster::Cluster;
use gossamer_registry::Registry;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::presence::Presence;

pub use error::StartError;

/// Background tasks end at once when told to; one that hangs must not keep the process.
const BACKGROUND_GRACE: Duration = Duration::from_secs(5);

/// A running core. Dropping it ends its tasks without ceremony; [`Server::stop`] is the polite way.
pub struct Server {
    addresses: Addresses,
    presence: Presence,
    cluster: Cluster,
    registry: Registry,
    leaving: Arc<AtomicBool>,
    accepting: CancellationToken,
    connections: TaskTracker,
    background: Background,
    grace: Duration,
}

/// Where a core is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Clients, over HTTP.
    pub http: SocketAddr,
    /// Plugins, over HTTP/2 and mutual TLS.
    pub mesh: SocketAddr,
    /// Nodes of the mesh, over QUIC; joining nodes too.
    pub cluster: SocketAddr,
}

/// The tasks that serve no single connection.
pub(crate) struct Background {
    tasks: TaskTracker,
    closing: CancellationToken,
    _guard: DropGuard,
}

// === impl Server ===

impl Server {
    /// Where this core is to be found.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// This core's place in the cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The artifacts of this core.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The only order in which a core stops.
    pub async fn stop(self) {
        let Self { presence, cluster, registry, leaving, accepting, connections, background, grace, .. } =
            self;
        info!("Stopping");
        leaving.store(true, Ordering::Relaxed); // 1. peers and load balancers stop sending us work
        presence.change(|record| record.leaving = true);
        accepting.cancel(); // 2. no new connections; each finishes the requests it has
        connections.close();
        if timeout(grace, connections.wait()).await.is_err() {
            // 3. the deadline
            warn!(unfinished = connections.len(), "Grace period over, dropping connections");
        }
        background.stop().await; // 4. no more deliveries, pulls and renewals
        cluster.leave().await; // 5. say goodbye
        registry.close().await; // 6. last of all: what we acknowledged is on disk
        info!("Stopped");
    }
}

// === impl Background ===

impl Background {
    pub(crate) fn new() -> Self {
        let closing = CancellationToken::new();
        Self { tasks: TaskTracker::new(), _guard: closing.clone().drop_guard(), closing }
    }

    /// Cancelled when background tasks are to end.
    pub(crate) fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    async fn stop(self) {
        self.closing.cancel();
        self.tasks.close();
        if timeout(BACKGROUND_GRACE, self.tasks.wait()).await.is_err() {
            warn!(unfinished = self.tasks.len(), "Background tasks did not end in time");
        }
    }
}
