//! HTTP as clients see it: one module per part of the URL space, what they share, and how they are put together.

pub mod admin;
pub mod artifacts;
pub mod authenticate;
pub mod content;
pub mod health;
pub mod metrics;
pub mod problem;
pub mod ranges;
pub mod v2;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

use crate::gateway::Gateway;
use crate::health::Health;

/// The parts that both listeners share.
#[derive(Clone)]
pub struct Parts {
    pub v2: v2::V2,
    pub gateway: Arc<Gateway>,
    pub admin: Arc<admin::Admin>,
    pub health: Health,
}

/// What clients reach: everything.
pub fn public(parts: Parts) -> Router {
    let Parts { v2, gateway, admin, health } = parts;
    let open = Router::new().route("/metrics", get(metrics::show)).merge(health::router(health));
    v2::router(v2)
        .layer(from_fn_with_state(Arc::clone(&gateway), artifacts::offers))
        .merge(admin::router(admin))
        .merge(artifacts::router(Arc::clone(&gateway)))
        .layer(from_fn_with_state(Arc::clone(&gateway), artifacts::mounted_hosts))
        .layer(from_fn_with_state(gateway, authenticate::authenticate))
        .merge(open)
}

/// What nodes of the mesh reach: the registry and the gateway, in the name of their certificates.
pub fn mesh(parts: Parts) -> Router {
    let Parts { v2, gateway, admin: _, health } = parts;
    v2::router(v2).merge(artifacts::router(gateway)).merge(health::router(health))
}
