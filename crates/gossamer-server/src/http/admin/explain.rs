//! `GET /api/v1/explain`: why a request would go where it would go.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use gossamer_policy::{Input, Request, WhyNot};
use http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use crate::access::Principal;
use crate::chain::Chain;
use crate::decisions::Record;
use crate::directory::media_types;
use crate::gateway::Gateway;
use crate::http::problem::Problem;

/// The request to explain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    #[serde(default = "get")]
    method: String,
    /// A path with its query, or a whole URL, whose host then counts.
    url: String,
}

fn get() -> String {
    "GET".to_owned()
}

/// Decides the request as if an anonymous client had made it, sends nothing, and says everything.
pub(super) async fn explain(
    State(admin): State<Arc<Admin>>,
    Query(question): Query<Question>,
) -> Result<Json<Value>, Problem> {
    let Question { method, url } = question;
    let uri: Uri = url
        .parse()
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("{url:?} is not a URL: {error}")))?;
    let mut request = http::Request::builder()
        .method(method.as_str())
        .uri(uri)
        .body(axum::body::Body::empty())
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    *request.headers_mut() = HeaderMap::new();
    request.extensions_mut().insert(Principal::Anonymous);
    let record = admin.gateway.rehearse(request).await;
    shown(&admin.gateway, &record).await.map(Json)
}

/// A record as it is shown: with the rules that held, found by replaying the decision in the
/// policy that made it, if that is still here.
pub(super) async fn shown(gateway: &Gateway, record: &Record) -> Result<Value, Problem> {
    let mut shown = serde_json::to_value(record).map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the decision cannot be written as JSON")
    })?;
    if let (Value::Object(fields), Some(trail)) = (&mut shown, &record.trail) {
        fields.insert("passed_over".to_owned(), passed_over(record, &trail.input));
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
fn passed_over(record: &Record, input: &Input) -> Value {
    let media_types = media_types(input);
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
