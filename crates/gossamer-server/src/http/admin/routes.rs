//! `GET /api/v1/routes`: by what this core routes, and which cores route otherwise.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use futures::future::join_all;
use gossamer_cluster::Member;
use gossamer_oci::Digest;
use gossamer_wire::{PluginRoute, Role};
use serde_json::{Value, json};

use super::Admin;
use crate::directory::{self, Difference, Instance, Snapshot, differences};

/// Other cores that are asked for one answer. A mesh has a handful.
const ASKED_MAX: usize = 32;

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Json<Value> {
    let snapshot = admin.gateway.directory.snapshot();
    let routes = snapshot.routes();
    let view = admin.cluster.view();
    let shown: Vec<_> = view.having(&Role::Core).take(ASKED_MAX).collect();
    let cores = shown.into_iter().map(|member| core(&admin, &snapshot, &routes.plugins, member));
    Json(json!({
        "digest": routes.digest,
        "routes": routes.plugins.iter().map(|route| show(&snapshot, route)).collect::<Vec<_>>(),
        "mounts": snapshot.mounts(),
        "conflicts": snapshot.conflicts(),
        "cores": join_all(cores).await,
    }))
}

fn show(snapshot: &Snapshot, route: &PluginRoute) -> Value {
    let PluginRoute { plugin, version, policy, media_types, instances: _ } = route;
    let instances: Vec<Value> = snapshot.instances(plugin).iter().map(instance).collect();
    let since = snapshot.plugins().get(plugin).and_then(|plugin| plugin.last_good.as_ref());
    json!({
        "plugin": plugin,
        "version": version.to_string(),
        "policy": policy,
        "media_types": media_types,
        "instances": instances,
        // Of a plugin without instances: this is remembered, and blobs are served by it.
        "since_ms": since.map(|(_, kept)| kept.since.as_millis()),
    })
}

fn instance(instance: &Instance) -> Value {
    json!({
        "node": instance.node,
        "version": instance.version.to_string(),
        "generation": instance.generation.get(),
        "service": instance.service,
    })
}

/// One core, itself among them. One that differs is asked in what.
async fn core(admin: &Admin, snapshot: &Snapshot, here: &[PluginRoute], member: &Member) -> Value {
    let is_me = member.node == admin.cluster.node();
    let record = member.record.as_deref();
    let digest = if is_me { Some(snapshot.digest()) } else { record.and_then(|record| record.route_table) };
    let agrees = digest.map(|digest| digest == snapshot.digest());
    let found = if agrees == Some(false) { Some(ask(admin, here, member).await) } else { None };
    let (asked, reason) = match found {
        Some(Ok(asked)) => (Some(asked), None),
        Some(Err(reason)) => (None, Some(reason)),
        None => (None, None),
    };
    let now = tokio::time::Instant::now().into_std();
    let since: Option<Instant> = admin.gateway.directory.dissent().get(&member.node).copied();
    let differs = asked.as_ref().map(|(_, differs)| differs);
    // What else there is in a table are the mounts.
    let mounts_differ =
        asked.as_ref().map(|(there, differs)| *there != snapshot.digest() && differs.is_empty());
    json!({
        "node": member.node,
        "me": is_me,
        "generation": record.map(|record| record.generation.get()),
        "digest": digest,
        "agrees": agrees,
        "differing_seconds": since.map(|since| now.saturating_duration_since(since).as_secs_f64()),
        "differs": differs,
        "mounts_differ": mounts_differ,
        "reason": reason,
    })
}

/// The digest that the core has by now, and in which plugins it differs.
async fn ask(
    admin: &Admin,
    here: &[PluginRoute],
    member: &Member,
) -> Result<(Digest, Vec<Difference>), String> {
    let there = directory::ask(&admin.cluster, member.node).await?;
    Ok((there.digest, differences(here, &there.plugins)))
}
