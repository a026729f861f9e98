//! How a request gets to a core: over the mesh, or to a router in this process.

use axum::Router;
use axum::body::Body;
use futures::future::BoxFuture;
use gossamer_wire::NodeId;
use http::{Request, Response, StatusCode};
use tower::ServiceExt as _;

/// Why a core did not answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    #[error("connecting failed")]
    Connect(#[source] std::io::Error),
    #[error("connecting took too long")]
    Slow,
    /// Whoever answered there is not the node that gossip names.
    #[error("somebody else answers there")]
    Stranger,
    #[error("HTTP/2 failed")]
    Http(#[source] hyper::Error),
    #[error("the core is not in the view any more")]
    Gone,
    #[error("the core did not answer in time")]
    Silent,
    #[error("the core answered {0}")]
    Unavailable(StatusCode),
}

/// The ways to the cores. Requests carry only a path; the transport knows the rest.
pub(super) trait Transport: Send + Sync + 'static {
    /// The cores to ask, in order. Waits a little if there is none.
    fn cores(&self) -> BoxFuture<'_, Vec<NodeId>>;

    /// Sends to that core and to no other.
    fn send(
        &self,
        core: NodeId,
        request: Request<Body>,
    ) -> BoxFuture<'_, Result<Response<Body>, TransportError>>;
}

/// A router that plays the only core.
pub(super) struct InProcess {
    node: NodeId,
    registry: Router,
}

// === impl InProcess ===

impl InProcess {
    pub(super) fn new(registry: Router) -> Self {
        Self { node: NodeId::random(), registry }
    }
}

impl Transport for InProcess {
    fn cores(&self) -> BoxFuture<'_, Vec<NodeId>> {
        Box::pin(std::future::ready(vec![self.node]))
    }

    fn send(
        &self,
        _core: NodeId,
        request: Request<Body>,
    ) -> BoxFuture<'_, Result<Response<Body>, TransportError>> {
        let answer = self.registry.clone().oneshot(request);
        Box::pin(async { answer.await.map_err(|never| match never {}) })
    }
}
