//! `/api/v1/policies`: the versions of each plugin's policy, and what operators want of them.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use gossamer_oci::PluginName;
use gossamer_policy::rollout::{Canary, Command, Guard, Percent, Plan, Versions};
use gossamer_policy::{Difference, Input};
use http::StatusCode;
use semver::Version;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use crate::chain::Chain;
use crate::directory::{Active, Plugin};
use crate::http::problem::Problem;
use crate::trials::AskError;

/// Recent requests on which two versions are compared.
const COMPARED_MAX: usize = 256;

/// Differing requests that are shown.
const SHOWN_MAX: usize = 20;

/// What is asked of one plugin's versions.
#[derive(Debug, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
enum Wish {
    Pin {
        version: Version,
    },
    Unpin,
    Shadow {
        version: Version,
    },
    Unshadow,
    Canary {
        version: Version,
        percent: Percent,
        #[serde(default)]
        guard: Guard,
    },
    Promote,
    Rollback {
        #[serde(default)]
        reason: Option<String>,
    },
}

/// Two versions to compare.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    /// The active one unless said otherwise.
    from: Option<Version>,
    to: Version,
}

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
        .route("/api/v1/policies", get(list))
        .route("/api/v1/policies/{plugin}", get(show))
        .route("/api/v1/policies/{plugin}", post(ask))
        .route("/api/v1/policies/{plugin}/diff", get(diff))
}

async fn list(State(admin): State<Arc<Admin>>) -> Json<Value> {
    let snapshot = admin.gateway.directory.snapshot();
    let plans = admin.gateway.trials.plans().table();
    let policies: Vec<Value> = snapshot
        .plugins()
        .iter()
        .map(|(name, plugin)| outline(name, plugin, plans.get(name).unwrap_or(&Plan::default())))
        .collect();
    let overlaps = admin.gateway.directory.overlaps();
    Json(json!({ "policies": policies, "conflicts": snapshot.conflicts(), "overlaps": overlaps }))
}

/// One plugin's versions with their texts, its plan, what its canary's guard has counted, and what shadows decided
/// otherwise.
async fn show(State(admin): State<Arc<Admin>>, Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    let snapshot = admin.gateway.directory.snapshot();
    let (name, plugin) = known(snapshot.plugins(), &name)?;
    let trials = &admin.gateway.trials;
    let plan = trials.plans().table().get(name).cloned().unwrap_or_default();
    let mut shown = outline(name, plugin, &plan);
    if let Value::Object(fields) = &mut shown {
        let guard = trials.plans().tallies(name);
        let guard = guard.map(|(canary, active)| json!({ "canary": canary, "active": active }));
        fields.insert("guard".to_owned(), guard.unwrap_or(Value::Null));
        fields.insert("shadows".to_owned(), trials.shadows().differences(name));
        fields.insert("sources".to_owned(), plugin.versions.values().map(source).collect());
    }
    Ok(Json(shown))
}

/// Does what an operator asks; the plan is in force and on disk when this answers.
async fn ask(
    State(admin): State<Arc<Admin>>,
    Path(name): Path<String>,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(wish) = wish.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let snapshot = admin.gateway.directory.snapshot();
    let (name, plugin) = known(snapshot.plugins(), &name)?;
    let versions = Versions {
        active: plugin.active.as_ref().map(|active| active.announcement.version.clone()),
        admitted: plugin.versions.keys().cloned().collect(),
    };
    let asked = admin.gateway.trials.plans().ask(name.clone(), wish.into(), versions).await;
    match asked {
        Ok(plan) => Ok(Json(json!({ "name": name, "plan": plan }))),
        Err(AskError::Unwanted(unwanted)) => Err(Problem::new(StatusCode::CONFLICT, unwanted.to_string())),
        Err(error @ AskError::Kept(_)) => {
            Err(Problem::new(StatusCode::INSUFFICIENT_STORAGE, Chain(&error).to_string()))
        }
    }
}

/// The texts of two versions, and the recent requests that they decide differently.
async fn diff(
    State(admin): State<Arc<Admin>>,
    Path(name): Path<String>,
    pair: Result<Query<Pair>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(Pair { from, to }) =
        pair.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let snapshot = admin.gateway.directory.snapshot();
    let (name, plugin) = known(snapshot.plugins(), &name)?;
    let version = |version: &Version| {
        let known = plugin.versions.get(version);
        known.ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, format!("version {version} of {name} is not admitted here"))
        })
    };
    let from = match &from {
        Some(from) => version(from)?,
        None => plugin
            .active
            .as_ref()
            .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("no version of {name} is active")))?,
    };
    let to = version(&to)?;
    let (compared, differences) = compare(&admin, name, from, to).await;
    Ok(Json(json!({
        "name": name,
        "from": source(from),
        "to": source(to),
        "requests": compared,
        "differences": differences,
    })))
}

/// Decides recent requests again, by both versions.
async fn compare(admin: &Admin, name: &PluginName, from: &Active, to: &Active) -> (usize, Vec<Difference>) {
    let gateway = &admin.gateway;
    let (mut compared, mut differences) = (0, Vec::new());
    for trail in gateway.decisions.trails(name, COMPARED_MAX) {
        let lookups = Arc::clone(&gateway.lookups);
        let decided =
            gateway.policies.decide(&from.policy, Input::clone(&trail.input), Arc::clone(&lookups)).await;
        let Ok((_, trail)) = decided else { continue };
        compared += 1;
        if let Ok(Some(difference)) =
            gateway.policies.compare(&from.policy, &trail, &to.policy, lookups).await
        {
            differences.push(difference);
        }
        if differences.len() >= SHOWN_MAX {
            break;
        }
    }
    (compared, differences)
}

fn known<'a>(
    plugins: &'a std::collections::BTreeMap<PluginName, Plugin>,
    name: &str,
) -> Result<(&'a PluginName, &'a Plugin), Problem> {
    plugins
        .get_key_value(name)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("no plugin {name} is known here")))
}

fn outline(name: &PluginName, plugin: &Plugin, plan: &Plan) -> Value {
    let active = plugin.active.as_ref().map(|active| active.announcement.version.to_string());
    let versions: Vec<Value> = plugin.versions.values().map(version).collect();
    json!({ "name": name, "active": active, "plan": plan, "versions": versions })
}

fn version(active: &Active) -> Value {
    json!({
        "version": active.announcement.version.to_string(),
        "policy": active.policy_digest,
        "trusted": active.policy.is_trusted(),
        "quarantined_s": active.policy.quarantined().map(|left| left.as_secs()),
    })
}

fn source(active: &Active) -> Value {
    json!({
        "version": active.announcement.version.to_string(),
        "policy": active.policy_digest,
        "module": active.announcement.policy.module,
        "data": active.announcement.policy.data,
    })
}

impl From<Wish> for Command {
    fn from(wish: Wish) -> Self {
        match wish {
            Wish::Pin { version } => Self::Pin(version),
            Wish::Unpin => Self::Unpin,
            Wish::Shadow { version } => Self::Shadow(version),
            Wish::Unshadow => Self::Unshadow,
            Wish::Canary { version, percent, guard } => Self::Canary(Canary { version, percent, guard }),
            Wish::Promote => Self::Promote,
            Wish::Rollback { reason } => {
                Self::Rollback { reason: reason.unwrap_or_else(|| "an operator asked for it".to_owned()) }
            }
        }
    }
}
