//! `/api/v1`: what this core knows, for operators and the command line.

mod ca;
mod doctor;
mod explain;
mod members;
mod plugins;
mod policies;
mod routes;
mod tokens;
mod why_not;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use gossamer_cluster::{Cluster, Witness};
use http::StatusCode;
use serde_json::{Value, json};

use super::problem::Problem;
use crate::access::{Action, Principal};
use crate::decisions::Refusal;
use crate::gateway::Gateway;
use crate::issuer::Issuer;

/// What the admin API shows and does.
pub struct Admin {
    pub cluster: Cluster,
    pub gateway: Arc<Gateway>,
    pub issuer: Issuer,
    /// What this core has seen of the others.
    pub witness: Witness,
}

/// Serves `/api/v1`. All but the version is for principals that may administer.
pub fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/api/v1/members", get(members::list))
        .route("/api/v1/plugins", get(plugins::list))
        .route("/api/v1/routes", get(routes::list))
        .route("/api/v1/doctor", get(doctor::examine))
        .route("/api/v1/explain", get(explain::explain))
        .route("/api/v1/decisions/{id}", get(explain::decision))
        .route("/api/v1/members/{node}/evict", post(ca::evict))
        .route("/api/v1/ca", get(ca::show))
        .route("/api/v1/ca/rotate", post(ca::rotate))
        .route("/api/v1/tokens", post(tokens::create))
        .merge(policies::router())
        .layer(from_fn_with_state(Arc::clone(&admin), administer))
        .route("/api/v1/version", get(version))
        .route("/api/{*rest}", axum::routing::any(unknown))
        .with_state(admin)
}

async fn administer(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let principal = request.extensions().get::<Principal>().cloned().unwrap_or(Principal::Anonymous);
    if admin.gateway.access.allows_everywhere(&principal, Action::Administer) {
        return next.run(request).await;
    }
    let problem = Problem::refused(principal == Principal::Anonymous, "administer this mesh");
    let refusal = Refusal { principal: principal.name(), status: problem.status(), detail: problem.detail() };
    let id = admin.gateway.decisions.refuse(&request, refusal);
    problem.decided(id.as_str()).into_response()
}

async fn version() -> Json<Value> {
    Json(json!({ "name": "gossamer", "version": env!("CARGO_PKG_VERSION") }))
}

async fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "the admin API has no such path")
}
