//! `GET /api/v1/doctor`: the likely causes of trouble, and everything that they rest on.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use gossamer_cluster::diagnosis::diagnose;
use http::StatusCode;
use serde_json::{Value, json};

use super::Admin;
use crate::doctor::consult;
use crate::http::problem::Problem;

pub(super) async fn examine(State(admin): State<Arc<Admin>>) -> Result<Json<Value>, Problem> {
    let examiner = admin.witness.examiner().ok_or_else(|| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this core has no place in the cluster yet")
    })?;
    let observations = consult(&admin.cluster, examiner).await;
    Ok(Json(json!({
        "findings": diagnose(&observations),
        "heard": observations.reports.len(),
        "unheard": observations.unheard,
        "observations": observations,
    })))
}
