//! `/artifacts/…` and everything that no other part answers: the gateway's front.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};

use crate::gateway::{Gateway, Offer};

/// Sends every request that it gets to the gateway.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new().fallback(serve).with_state(gateway)
}

async fn serve(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    // Load balancers and people knock here; no plugin owns the bare root unless one is mounted there.
    if request.uri().path() == "/" && !gateway.directory.snapshot().is_mounted("/") {
        return root(request.method());
    }
    gateway.serve(request).await
}

/// On a host that was given to a plugin, no path is the core's: a repository may have a directory called `v2`.
pub async fn mounted_hosts(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    if gateway.is_on_mounted_host(&request) { gateway.serve(request).await } else { next.run(request).await }
}

/// Lets a plugin answer a read of the registry, where its policy wants to.
pub async fn offers(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    match gateway.offer(request).await {
        Offer::Taken(response) => response,
        Offer::Declined(request) => next.run(request).await,
    }
}

fn root(method: &Method) -> Response {
    match *method {
        Method::GET | Method::HEAD => "gossamer\n".into_response(),
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}
