//! `GET /api/v1/members`: who is in the cluster, as this core sees it.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use gossamer_cluster::{Member, View};
use serde_json::{Value, json};

use super::Admin;

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Json<Value> {
    let view = admin.cluster.view();
    let now = tokio::time::Instant::now().into_std();
    let members: Vec<Value> = view.members().map(|member| show(&view, member, now)).collect();
    let suspicions: Vec<Value> = view
        .suspicions()
        .iter()
        .map(|suspicion| {
            json!({
                "accused": suspicion.accused,
                "accuser": suspicion.accuser,
                "seconds_ago": now.saturating_duration_since(suspicion.at).as_secs(),
                "outcome": format!("{:?}", suspicion.outcome).to_lowercase(),
            })
        })
        .collect();
    Json(json!({ "members": members, "suspicions": suspicions }))
}

fn show(view: &View, member: &Member, now: Instant) -> Value {
    let record = member.record.as_deref();
    json!({
        "node": member.node,
        "me": member.node == view.me(),
        "address": member.address,
        "state": format!("{:?}", member.state).to_lowercase(),
        "role": member.role().map(ToString::to_string),
        "version": record.and_then(|record| record.version.as_ref()).map(ToString::to_string),
        "generation": record.map(|record| record.generation.get()),
        "service": record.and_then(|record| record.service),
        "announcement": record.and_then(|record| record.announcement),
        "route_table": record.and_then(|record| record.route_table),
        "leaving": member.is_leaving(),
        "seen_seconds": now.saturating_duration_since(member.since).as_secs(),
    })
}
