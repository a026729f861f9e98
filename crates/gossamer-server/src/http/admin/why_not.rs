//! Why a request does not get to a plugin: the conditions in the order in which they are looked at, up to the first that
//! fails.

use gossamer_oci::PluginName;
use gossamer_policy::{
    BodyOutcome, BodyVerdict, Decision, Explanation, Request, RouteTable, Selection, WhyNot,
};
use http::StatusCode;
use serde_json::{Value, json};

use super::explain::{asked, because};
use crate::decisions::Record;
use crate::directory::{Snapshot, Standing, media_types};

/// A condition and how it came out; the last one of a list may have failed.
struct Condition {
    name: &'static str,
    outcome: Result<String, String>,
}

/// Every condition that was looked at, the first that failed, other versions, and the bodies of the policy's rules.
pub(super) fn why_not(
    snapshot: &Snapshot,
    record: &Record,
    plugin: &PluginName,
    explanation: Option<&Explanation>,
) -> Value {
    let now = snapshot.table();
    let table = record.routes.as_ref().unwrap_or(&now);
    let is_chosen = record.selected.as_ref().is_some_and(|chosen| chosen.plugin == *plugin);
    let explanation = explanation.filter(|_| is_chosen);
    let looks: [&dyn Fn() -> Condition; 6] = [
        &|| announced(snapshot, table, plugin),
        &|| admitted(snapshot, table, plugin),
        &|| selected(table, record, plugin),
        &|| permitted(record),
        &|| decided(record, explanation),
        &|| answered(record),
    ];
    let mut conditions = Vec::new();
    for look in looks {
        let condition = look();
        let has_failed = condition.outcome.is_err();
        conditions.push(condition);
        if has_failed {
            break;
        }
    }
    let failed = conditions.iter().find(|condition| condition.outcome.is_err()).map(Condition::shown);
    json!({
        "plugin": plugin,
        "first_failed": failed,
        "conditions": conditions.iter().map(Condition::shown).collect::<Vec<_>>(),
        "versions": versions(table, plugin),
        "bodies": explanation.map(|explanation| &explanation.bodies),
    })
}

// === impl Condition ===

impl Condition {
    fn shown(&self) -> Value {
        let (Ok(because) | Err(because)) = &self.outcome;
        json!({ "condition": self.name, "held": self.outcome.is_ok(), "because": because })
    }
}

fn announced(snapshot: &Snapshot, table: &RouteTable, plugin: &PluginName) -> Condition {
    let nodes = snapshot.plugins().get(plugin).map_or(0, |known| known.announced.len());
    let outcome = match (table.plugin(plugin), nodes) {
        (None, 0) => Err(format!("no node announces {plugin}")),
        (Some(_), 0) => Ok("no node announces it now, and it is routed as it was last".to_owned()),
        (Some(_) | None, nodes) => Ok(format!("{nodes} nodes announce it")),
    };
    Condition { name: "announced", outcome }
}

fn admitted(snapshot: &Snapshot, table: &RouteTable, plugin: &PluginName) -> Condition {
    let pinned = || {
        table
            .passed_over()
            .iter()
            .find(|other| other.route.plugin == *plugin)
            .map(|other| because(&other.why))
    };
    let outcome = match table.plugin(plugin) {
        Some(route) => Ok(format!("version {} is active, by the policy {}", route.version, route.policy)),
        None => Err(pinned().unwrap_or_else(|| standing(snapshot, plugin))),
    };
    Condition { name: "admitted", outcome }
}

/// How far the announcements of a plugin without an active version have come.
fn standing(snapshot: &Snapshot, plugin: &PluginName) -> String {
    let announced = snapshot.plugins().get(plugin).into_iter().flat_map(|known| known.announced.iter());
    let each = announced.map(|(hint, announced)| match &announced.standing {
        Standing::Pulling => format!("the announcement of {} is being pulled", hint.node),
        Standing::Retrying { reason, .. } => format!("{} cannot be asked: {reason}", hint.node),
        Standing::Judging => format!("the policy of {} is being checked", hint.node),
        Standing::Admitted => format!("{} was admitted since", hint.node),
        Standing::Refused { reason } => format!("the announcement of {} was refused: {reason}", hint.node),
    });
    each.collect::<Vec<_>>().join("; ")
}

fn selected(table: &RouteTable, record: &Record, plugin: &PluginName) -> Condition {
    if let Some(chosen) = record.selected.as_ref().filter(|chosen| chosen.plugin == *plugin) {
        return Condition { name: "selected", outcome: Ok(chosen.because.clone()) };
    }
    let Some(input) = asked(record) else {
        return Condition { name: "request", outcome: Err("the request names no path".to_owned()) };
    };
    let media_types = media_types(&input);
    let request = Request { path: &input.path, host: &input.host, media_types: &media_types };
    let others = table.why_not(&request);
    let why = others.iter().find(|other| other.route.plugin == *plugin).map(|other| &other.why);
    let name = match why {
        Some(WhyNot::Addressed { .. }) if table.mount(&request).is_some() => "mount",
        Some(WhyNot::Addressed { .. }) => "path",
        Some(WhyNot::Conflict { .. }) => "conflict",
        Some(WhyNot::NotClaimed | WhyNot::ClaimedLater { .. }) => "media_type",
        Some(WhyNot::Older { .. } | WhyNot::Pinned { .. } | WhyNot::Superseded { .. }) => "version",
        None => "selected",
    };
    let outcome = match (why, table.select(&request)) {
        (Some(why), _) => Err(because(why)),
        (None, Selection::Route { route, .. }) if route.plugin == *plugin => {
            // Selected by the table, and still not asked: refused before that.
            Err(record.detail.clone().unwrap_or_else(|| "the request was refused before that".to_owned()))
        }
        (None, _) => Err("nothing in the request leads to it".to_owned()),
    };
    Condition { name, outcome }
}

fn permitted(record: &Record) -> Condition {
    let is_refused = matches!(record.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        && !matches!(record.decision, Some(Decision::Deny { .. }));
    let outcome = match &record.detail {
        Some(detail) if is_refused => Err(detail.clone()),
        Some(_) | None => Ok(format!("{} may", record.principal)),
    };
    Condition { name: "access", outcome }
}

fn decided(record: &Record, explanation: Option<&Explanation>) -> Condition {
    let first = || {
        let bodies = explanation.into_iter().flat_map(|explanation| &explanation.bodies);
        bodies.filter(|body| body.rule == "output").find_map(failed).map(|text| format!("; {text}"))
    };
    let outcome = match &record.decision {
        Some(Decision::Blob { .. }) => Ok("its policy says: this blob".to_owned()),
        Some(Decision::Forward { .. }) => Ok("its policy says: forward to it".to_owned()),
        Some(Decision::Redirect { location }) => Ok(format!("its policy says: look at {location}")),
        Some(Decision::Deny { status, reason }) => Err(format!("its policy denies with {status}: {reason}")),
        Some(Decision::NotFound { reason }) => {
            Err(format!("its policy finds nothing: {reason}{}", first().unwrap_or_default()))
        }
        None => Err(record.failure.clone().unwrap_or_else(|| "its policy was not asked".to_owned())),
    };
    Condition { name: "policy", outcome }
}

/// The first condition of a body that failed, as a sentence.
fn failed(body: &BodyOutcome) -> Option<String> {
    match &body.verdict {
        BodyVerdict::Failed { line, condition } => Some(format!("line {line} did not hold: {condition}")),
        BodyVerdict::Held | BodyVerdict::NotReached { .. } | BodyVerdict::Unknown { .. } => None,
    }
}

fn answered(record: &Record) -> Condition {
    let said = record.failure.as_ref().or(record.detail.as_ref());
    let outcome = match said {
        Some(said) if record.status.is_client_error() || record.status.is_server_error() => Err(said.clone()),
        Some(_) | None => Ok(format!("it was answered with {}", record.status.as_u16())),
    };
    Condition { name: "answer", outcome }
}

/// Announced versions that are not followed.
fn versions(table: &RouteTable, plugin: &PluginName) -> Vec<Value> {
    let others = table.passed_over().iter().filter(|other| other.route.plugin == *plugin);
    let shown = others.map(|other| {
        json!({
            "version": other.route.version.to_string(),
            "policy": other.route.policy,
            "because": because(&other.why),
        })
    });
    shown.collect()
}
