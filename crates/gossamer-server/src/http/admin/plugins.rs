//! `GET /api/v1/plugins`: what is announced, what is active, and what was refused and why.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Admin;
use crate::directory::{Announced, Hint, Plugin, Standing};

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Json<Value> {
    let snapshot = admin.gateway.directory.snapshot();
    let plugins: Vec<Value> =
        snapshot.plugins().iter().map(|(name, plugin)| show(name.as_str(), plugin)).collect();
    Json(json!({
        "plugins": plugins,
        "conflicts": snapshot.conflicts(),
        "route_table": snapshot.digest(),
    }))
}

fn show(name: &str, plugin: &Plugin) -> Value {
    let active = plugin.active.as_ref().map(|active| {
        json!({
            "version": active.announcement.version.to_string(),
            "policy": active.policy_digest,
            "media_types": active.announcement.media_types,
            "kinds": active.announcement.kinds,
            "trusted": active.policy.is_trusted(),
        })
    });
    let instances: Vec<Value> =
        plugin.announced.iter().map(|(hint, announced)| instance(hint, announced)).collect();
    json!({ "name": name, "active": active, "instances": instances })
}

fn instance(hint: &Hint, announced: &Announced) -> Value {
    let (state, attempts, reason) = match &announced.standing {
        Standing::Pulling => ("pulling", None, None),
        Standing::Retrying { attempts, reason } => ("retrying", Some(*attempts), Some(reason)),
        Standing::Judging => ("judging", None, None),
        Standing::Admitted => ("admitted", None, None),
        Standing::Refused { reason } => ("refused", None, Some(reason)),
    };
    let announcement = announced.announcement.as_deref();
    json!({
        "node": hint.node,
        "announcement": hint.announcement,
        "state": state,
        "attempts": attempts,
        "reason": reason,
        "version": announcement.map(|announcement| announcement.version.to_string()),
        "generation": announcement.map(|announcement| announcement.generation.get()),
        "service": announcement.map(|announcement| announcement.service),
        "policy": announcement.map(|announcement| announcement.policy.digest()),
    })
}
