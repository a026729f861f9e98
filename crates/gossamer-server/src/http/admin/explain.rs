//! `GET /api/v1/explain`: why a request would go where it would go.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use gossamer_policy::{Input, Request, WhyNot};
use http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use crate::access::Principal;
use crate::chain::Chain;
use crate::decisions::Record;
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
    let Query(question) =
        question.map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()))?;
    let Question { method, url, principal } = question;
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
    shown(&admin.gateway, &record).await.map(Json)
}

/// A record as it is shown: with the rules that held, found by replaying the decision in the
/// policy that made it, if that is still here.
pub(super) async fn shown(gateway: &Gateway, record: &Record) -> Result<Value, Problem> {
    let mut shown = serde_json::to_value(record).map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the decision cannot be written as JSON")
    })?;
    let Value::Object(fields) = &mut shown else { return Ok(shown) };
    fields.insert("passed_over".to_owned(), passed_over(record));
    if let Some(trail) = &record.trail {
        let explained = match gateway.directory.snapshot().policy(trail.policy) {
            Some(policy) => {
                gateway.policies.explain(&policy, trail).await.map_err(|error| Chain(&error).to_string())
            }
            None => Err("the policy is no longer active here".to_owned()),
        };
        match explained {
            Ok(explanation) => {
                let held = |rule: &&gossamer_policy::RuleOutcome| rule.value.is_some();
                let rules: Vec<Value> = explanation
                    .rules
                    .iter()
                    .filter(held)
                    .map(|rule| json!({ "rule": rule.name, "line": rule.line, "value": rule.value }))
                    .collect();
                fields.insert("rules".to_owned(), Value::Array(rules));
                fields.insert("lines".to_owned(), json!(explanation.lines));
                fields.insert("prints".to_owned(), json!(explanation.prints));
            }
            Err(reason) => {
                fields.insert("rules_unknown".to_owned(), Value::String(reason));
            }
        }
    }
    Ok(shown)
}

/// Every other plugin, and why it was not asked.
fn passed_over(record: &Record) -> Value {
    let Some(input) = record.trail.as_ref().map(|trail| trail.input.clone()).or_else(|| outline(record))
    else {
        return Value::Null;
    };
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

/// The input of a request that got to no policy, as far as its target tells.
fn outline(record: &Record) -> Option<Input> {
    input(&record.method, &record.target.parse().ok()?, &HeaderMap::new(), &Principal::Anonymous).ok()
}

fn because(why: &WhyNot) -> String {
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
