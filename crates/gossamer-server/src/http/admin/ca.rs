//! `/api/v1/ca` and `/api/v1/members/{node}/evict`: whom the mesh trusts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use gossamer_identity::RotateError;
use gossamer_wire::{Eviction, NodeId};
use http::StatusCode;
use serde_json::{Value, json};
use tracing::error;

use super::Admin;
use crate::chain::Chain;
use crate::http::problem::Problem;
use crate::issuer::delegation::RotationError;
use crate::issuer::evicting::EvictError;

/// `GET /api/v1/ca`: what this core is as an authority, the roots that it trusts, and who is evicted.
pub(super) async fn show(State(admin): State<Arc<Admin>>) -> Result<Json<Value>, Problem> {
    shown(&admin).map(Json)
}

/// `POST /api/v1/ca/rotate`: makes the next root.
pub(super) async fn rotate(State(admin): State<Arc<Admin>>) -> Result<Json<Value>, Problem> {
    admin.issuer.rotate().await.map_err(|error| not_rotated(&error))?;
    shown(&admin).map(Json)
}

/// `POST /api/v1/members/{node}/evict`: puts a node out of the mesh.
pub(super) async fn evict(
    State(admin): State<Arc<Admin>>,
    Path(node): Path<String>,
) -> Result<Json<Value>, Problem> {
    let node: NodeId = node.parse().map_err(|_| {
        Problem::new(StatusCode::BAD_REQUEST, format!("{node:?} is not a node id: 32 hexadecimal digits"))
    })?;
    let evicted = admin.issuer.evict(node).await.map_err(|error| not_evicted(&error))?;
    Ok(Json(json!({ "evicted": eviction(evicted) })))
}

fn shown(admin: &Admin) -> Result<Value, Problem> {
    let unreadable = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the CA certificate cannot be read");
    let standing = admin.issuer.standing().ok_or_else(unreadable)?;
    let roots: Vec<_> = standing.roots.iter().map(ToString::to_string).collect();
    Ok(json!({
        "is_root": standing.is_root,
        "pin": standing.pin.to_string(),
        "not_after": standing.validity.not_after.unix_timestamp(),
        "roots": roots,
        "retires": standing.retires.map(time::OffsetDateTime::unix_timestamp),
        "evicted": admin.issuer.evictions().into_iter().map(eviction).collect::<Vec<_>>(),
    }))
}

fn eviction(Eviction { node, until }: Eviction) -> Value {
    json!({ "node": node, "until": until })
}

fn not_rotated(error: &RotationError) -> Problem {
    match error {
        RotationError::Rotate(refused @ (RotateError::NotTheRoot | RotateError::Overlapping)) => {
            Problem::new(StatusCode::CONFLICT, refused.to_string())
        }
        RotationError::Stopped => Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        RotationError::Rotate(
            RotateError::Key(_) | RotateError::Issue(_) | RotateError::Sign(_) | RotateError::Store(_),
        )
        | RotationError::Own(_) => {
            error!(error = %Chain(error), "Cannot rotate the root");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the root cannot be rotated at present")
        }
    }
}

fn not_evicted(error: &EvictError) -> Problem {
    match error {
        EvictError::Myself => Problem::new(StatusCode::CONFLICT, error.to_string()),
        EvictError::Full(_) | EvictError::Stopped => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
        EvictError::File(_) => {
            error!(error = %Chain(error), "Cannot evict a node");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the eviction cannot be kept")
        }
    }
}
