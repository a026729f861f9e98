//! `/api/v1`: what this core knows, for operators and the command line.

mod ca;
mod doctor;
mod explain;
mod members;
mod plugins;
mod policies;
mod routes;
mod tokens;

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use gossamer_cluster::{Cluster, Witness};
use http::StatusCode;
use serde_json::{Value, json};

use super::problem::Problem;
use crate::access::{Action, Principal};
use crate::decisions::{DecisionId, Record};
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
        .route("/api/v1/decisions/{id}", get(decision))
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
    Problem::refused(principal == Principal::Anonymous, "administer this mesh").into_response()
}

async fn version() -> Json<Value> {
    Json(json!({ "name": "gossamer", "version": env!("CARGO_PKG_VERSION") }))
}

/// The record of a recent decision, with the rules that held.
async fn decision(State(admin): State<Arc<Admin>>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let record = admin.gateway.decisions.get(&DecisionId::of(&id));
    let record: Arc<Record> = record.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, format!("the decision {id} is unknown here, or was forgotten"))
    })?;
    explain::shown(&admin.gateway, &record).await.map(Json)
}

async fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "the admin API has no such path")
}
