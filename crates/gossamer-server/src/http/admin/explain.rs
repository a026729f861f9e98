//! `GET /api/v1/explain` and `/api/v1/decisions/{id}`: why a request would go, or went, where it goes.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use gossamer_oci::PluginName;
use gossamer_policy::{Explanation, Input, Request, Trail, WhyNot};
use http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Admin, why_not};
use crate::access::Principal;
use crate::chain::Chain;
use crate::decisions::{DecisionId, Record};
use crate::directory::media_types;
use crate::gateway::{Gateway, input::input};
use crate::http::problem::Problem;

/// The request to explain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    #[serde(default = "get")]
    method: String,
    /// A path with its query, or a whole URL, whose host then counts.
    url: String,
    /// In whose name: the asker's own, unless this says `anonymous`, `admin` or `plugin/<name>`.
    principal: Option<String>,
    /// A plugin that does not get the request: why not?
    why_not: Option<PluginName>,
}

/// What may be asked about a decision that was made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhyNotQuestion {
    why_not: Option<PluginName>,
}

fn get() -> String {
    "GET".to_owned()
}

/// Decides the request as if it had been made, sends nothing, and says everything.
pub(super) async fn explain(
    State(admin): State<Arc<Admin>>,
    Extension(asker): Extension<Principal>,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(question) = question.map_err(|rejection| malformed(&rejection))?;
    let Question { method, url, principal, why_not } = question;
    let principal = match principal {
        Some(name) => name.parse().map_err(|_| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("{name:?} is not anonymous, admin or plugin/<name>"),
            )
        })?,
        None => asker,
    };
    let uri: Uri = url
        .parse()
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("{url:?} is not a URL: {error}")))?;
    let mut request = http::Request::builder()
        .method(method.as_str())
        .uri(uri)
        .body(axum::body::Body::empty())
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    request.extensions_mut().insert(principal);
    let record = admin.gateway.rehearse(request).await;
    shown(&admin.gateway, &record, why_not.as_ref()).await.map(Json)
}

/// A recent decision of this core, by its id.
pub(super) async fn decision(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    question: Result<Query<WhyNotQuestion>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(WhyNotQuestion { why_not }) = question.map_err(|rejection| malformed(&rejection))?;
    let id: DecisionId =
        id.parse().map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("{id:?}: {error}")))?;
    let record = admin.gateway.decisions.get(id).ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, format!("the decision {id} is unknown here, or was forgotten"))
    })?;
    shown(&admin.gateway, &record, why_not.as_ref()).await.map(Json)
}

fn malformed(rejection: &QueryRejection) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, rejection.body_text())
}

/// A record as it is shown: replayed in the policy that made it, active or not, with the rules that held and, if
/// somebody asks, why the request did not get to `plugin`.
async fn shown(gateway: &Gateway, record: &Record, plugin: Option<&PluginName>) -> Result<Value, Problem> {
    let mut shown = serde_json::to_value(record).map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the decision cannot be written as JSON")
    })?;
    let explained = match &record.trail {
        Some(trail) => Some(replayed(gateway, trail).await),
        None => None,
    };
    let Value::Object(fields) = &mut shown else { return Ok(shown) };
    fields.insert("passed_over".to_owned(), passed_over(record));
    if let Some(plugin) = plugin {
        let explanation = explained.as_ref().and_then(|(_, explanation)| explanation.as_ref().ok());
        let why_not = why_not::why_not(&gateway.directory.snapshot(), record, plugin, explanation);
        fields.insert("why_not".to_owned(), why_not);
    }
    if let Some((replay, explanation)) = explained {
        fields.insert("replay".to_owned(), replay);
        match explanation {
            Ok(explanation) => insert(fields, &explanation),
            Err(reason) => drop(fields.insert("rules_unknown".to_owned(), Value::String(reason))),
        }
    }
    Ok(shown)
}

/// What the decision comes to when it is made again from nothing but its record, and what the policy did on the way.
async fn replayed(gateway: &Gateway, trail: &Trail) -> (Value, Result<Explanation, String>) {
    let active = gateway.directory.snapshot().policy(trail.policy);
    let is_active = active.is_some();
    let Some(policy) = active.or_else(|| gateway.decisions.policy(trail.policy)) else {
        let reason = "the policy is no longer here".to_owned();
        return (json!({ "impossible": reason }), Err(reason));
    };
    let replay = match gateway.policies.replay(&policy, trail).await {
        Ok(again) => json!({
            "equal": again == trail.decision, "decision": again, "policy_is_active": is_active,
        }),
        Err(error) => json!({ "impossible": Chain(&error).to_string(), "policy_is_active": is_active }),
    };
    let explanation = gateway.policies.explain(&policy, trail).await;
    (replay, explanation.map_err(|error| Chain(&error).to_string()))
}

fn insert(fields: &mut Map<String, Value>, explanation: &Explanation) {
    let held = explanation.rules.iter().filter(|rule| rule.value.is_some());
    let rules: Vec<Value> =
        held.map(|rule| json!({ "rule": rule.name, "line": rule.line, "value": rule.value })).collect();
    fields.insert("rules".to_owned(), Value::Array(rules));
    fields.insert("bodies".to_owned(), json!(explanation.bodies));
    fields.insert("lines".to_owned(), json!(explanation.lines));
    fields.insert("prints".to_owned(), json!(explanation.prints));
}

/// Every other plugin, and why it was not asked.
fn passed_over(record: &Record) -> Value {
    let Some(input) = asked(record) else { return Value::Null };
    let media_types = media_types(&input);
    let request = Request { path: &input.path, host: &input.host, media_types: &media_types };
    let others = record.routes.iter().flat_map(|routes| routes.why_not(&request));
    others
        .map(|other| {
            json!({
                "plugin": other.route.plugin,
                "version": other.route.version.to_string(),
                "because": because(&other.why),
            })
        })
        .collect()
}

/// The input of a record; of a request that was refused before it had one, as far as its target tells.
pub(super) fn asked(record: &Record) -> Option<Arc<Input>> {
    let outline = || {
        let target = record.target.parse().ok()?;
        input(record.method.as_str(), &target, &HeaderMap::new(), &Principal::Anonymous).ok().map(Arc::new)
    };
    record.input().cloned().or_else(outline)
}

/// A reason of the route table as a sentence.
pub(super) fn because(why: &WhyNot) -> String {
    match why {
        WhyNot::Older { than } => format!("version {than} is announced too"),
        WhyNot::Pinned { to } => format!("the plugin is pinned to version {to}"),
        WhyNot::Superseded { by } => format!("a newer instance announced this version with the policy {by}"),
        WhyNot::Addressed { to } => format!("the path or a mount leads to {to}"),
        WhyNot::NotClaimed => "nothing in the request leads to it".to_owned(),
        WhyNot::ClaimedLater { media_type } => {
            format!("it claims {media_type}, after a type that another claims")
        }
        WhyNot::Conflict { media_type } => format!("it is not alone in claiming {media_type}"),
    }
}
