//! Versions, plans and differences as a person reads them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

/// One line per plugin.
pub(super) fn list(answer: &Value) -> String {
    let mut page = String::new();
    for policy in items(answer, "policies") {
        let versions: Vec<String> =
            items(policy, "versions").map(|version| text(version, "version")).collect();
        let _ = writeln!(
            page,
            "{}: active {}, admitted {}",
            text(policy, "name"),
            or_none(text(policy, "active")),
            or_none(versions.join(", "))
        );
        page.push_str(&plan(policy.get("plan").unwrap_or(&Value::Null)));
    }
    for conflict in items(answer, "conflicts").chain(items(answer, "overlaps")) {
        let _ = writeln!(page, "conflict: {conflict}");
    }
    page
}

pub(super) fn plugin(answer: &Value) -> String {
    let mut page = format!("{}: active {}\n", text(answer, "name"), or_none(text(answer, "active")));
    for version in items(answer, "versions") {
        let _ =
            writeln!(page, "  version {} with policy {}", text(version, "version"), text(version, "policy"));
    }
    page.push_str(&plan(answer.get("plan").unwrap_or(&Value::Null)));
    for who in ["canary", "active"] {
        if let Some(tally) = answer.get("guard").and_then(|guard| guard.get(who)) {
            let _ = writeln!(
                page,
                "  {who}: {} requests, {} evaluations failed, {} answers were a 5xx",
                text(tally, "requests"),
                text(tally, "evaluation_failures"),
                text(tally, "server_errors")
            );
        }
    }
    for pair in items(answer, "shadows") {
        let _ = writeln!(
            page,
            "  shadow {} beside {}: {} of {} requests differ",
            text(pair, "shadow"),
            text(pair, "active"),
            text(pair, "different"),
            text(pair, "requests")
        );
        for group in items(pair, "differences") {
            let _ = writeln!(page, "    {} times:", text(group, "count"));
            difference(group.get("witness").unwrap_or(&Value::Null), &mut page);
        }
    }
    page
}

/// A plan; nothing if there is none.
pub(super) fn plan(plan: &Value) -> String {
    let mut page = String::new();
    for (key, what) in [("pin", "pinned to"), ("shadow", "shadowed by"), ("previous", "before that")] {
        let version = text(plan, key);
        if !version.is_empty() {
            let _ = writeln!(page, "  {what} {version}");
        }
    }
    if let Some(canary) = plan.get("canary") {
        let _ = writeln!(
            page,
            "  canary {} for {} % of the repositories",
            text(canary, "version"),
            text(canary, "percent")
        );
    }
    if let Some(ended) = plan.get("ended") {
        let _ = writeln!(
            page,
            "  canary {} was {}: {}",
            text(ended, "version"),
            text(ended, "verdict").replace('_', " "),
            text(ended, "reason")
        );
    }
    page
}

/// The lines that only one version has, then the requests that the versions decide differently.
pub(super) fn diff(answer: &Value) -> String {
    let side = |key: &str| answer.get(key).cloned().unwrap_or(Value::Null);
    let (from, to) = (side("from"), side("to"));
    let mut page = format!("--- {}\n+++ {}\n", text(&from, "version"), text(&to, "version"));
    let (old, new) = (text(&from, "module"), text(&to, "module"));
    let (old_lines, new_lines): (BTreeSet<&str>, BTreeSet<&str>) =
        (old.lines().collect(), new.lines().collect());
    for line in old.lines().filter(|line| !new_lines.contains(line)) {
        let _ = writeln!(page, "- {line}");
    }
    for line in new.lines().filter(|line| !old_lines.contains(line)) {
        let _ = writeln!(page, "+ {line}");
    }
    if text(&from, "data") != text(&to, "data") {
        page.push_str("the data documents differ\n");
    }
    let differences: Vec<&Value> = items(answer, "differences").collect();
    let _ = writeln!(page, "{} of {} recent requests differ", differences.len(), text(answer, "requests"));
    differences.into_iter().for_each(|one| difference(one, &mut page));
    page
}

fn difference(difference: &Value, page: &mut String) {
    let _ = writeln!(page, "    {} {}", text(difference, "method"), text(difference, "path"));
    let _ = writeln!(page, "      - {}", text(difference, "ours"));
    let _ = writeln!(page, "      + {}", text(difference, "theirs"));
    for rule in items(difference, "rules") {
        let value = |side: &str| match rule.get(side) {
            None => "not there".to_owned(),
            Some(outcome) => format!("line {}: {}", text(outcome, "line"), or_none(text(outcome, "value"))),
        };
        let _ = writeln!(page, "      rule {}: {} → {}", text(rule, "rule"), value("ours"), value("theirs"));
    }
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
