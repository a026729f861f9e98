//! `gossamer explain`: why a request goes where it goes.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::api::Api;
use crate::cli::{Explain, Output};
use crate::exit::{Class, Failure};
use crate::print;

pub(super) async fn run(options: Explain, api: &Api, output: Output) -> anyhow::Result<()> {
    let record = api.get(&path(&options)?).await?;
    match output {
        Output::Json => print::json(&record),
        Output::Text => {
            print!("{}", describe(&record));
            Ok(())
        }
    }
}

fn path(options: &Explain) -> Result<String, Failure> {
    let Explain { why_not, subject, url } = options;
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let is_id = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let why_not = |sign: char| {
        let plugin = why_not.as_ref().map(|plugin| format!("{sign}why_not={}", encoded(plugin)));
        plugin.unwrap_or_default()
    };
    match url {
        Some(url) => Ok(format!(
            "/api/v1/explain?method={}&url={}{}",
            encoded(&subject.to_ascii_uppercase()),
            encoded(url),
            why_not('&')
        )),
        None if is_id(subject) => Ok(format!("/api/v1/decisions/{subject}{}", why_not('?'))),
        None => Err(Failure::new(Class::Failed, format!("{subject:?} is not a decision's id"))
            .advise("Give the value of a Gossamer-Decision header, or a method and a URL: explain GET /artifacts/static/docs/file/x")),
    }
}

/// The record as a person reads it: the request, then what was decided, then everything it rests on.
fn describe(record: &Value) -> String {
    let mut page = Page::default();
    page.head(&format!("{} {}", text(record, "/method"), text(record, "/target")));
    page.why_not(record.get("why_not"));
    page.field("decision", &sentence(record.get("decision")));
    page.field("replay", &replay(record));
    page.field("told", &text(record, "/detail"));
    page.field("failure", &text(record, "/failure"));
    page.field("plugin", &with(record, "/selected/plugin", "/selected/version"));
    page.field("because", &text(record, "/selected/because"));
    page.field("policy", &text(record, "/selected/policy"));
    page.field("evaluated", &with(record, "/trail/how", "/trail/micros"));
    page.list("rules that held", items(record, "/rules").map(rule_line));
    page.list("bodies", items(record, "/bodies").map(body_line));
    page.list("lookups", items(record, "/trail/lookups").map(lookup_line));
    page.list("replicas", items(record, "/replicas").map(replica_line));
    page.list("not asked", items(record, "/passed_over").map(|one| with_because(one, "/plugin")));
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, line: &str) {
        self.text.push_str(&format!("{line}\n"));
    }

    /// The conditions in their order; the last one is the first that failed.
    fn why_not(&mut self, answer: Option<&Value>) {
        let Some(answer) = answer else { return };
        let summary = match answer.get("first_failed") {
            Some(Value::Null) | None => "nothing failed: it gets the request".to_owned(),
            Some(failed) => format!("{}: {}", text(failed, "/condition"), text(failed, "/because")),
        };
        self.head(&format!("  why not {}", text(answer, "/plugin")));
        self.head(&format!("    {summary}"));
        let sign = |one: &Value| if one.get("held") == Some(&Value::Bool(true)) { "ok" } else { "no" };
        let line =
            |one: &Value| format!("{} {}: {}", sign(one), text(one, "/condition"), text(one, "/because"));
        self.list("conditions", items(answer, "/conditions").map(line));
        let version = |one: &Value| with_because(one, "/version");
        self.list("other versions", items(answer, "/versions").map(version));
    }

    fn field(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.text.push_str(&format!("  {name:<10} {value}\n"));
        }
    }

    fn list(&mut self, name: &str, lines: impl Iterator<Item = String>) {
        let mut lines = lines.peekable();
        if lines.peek().is_some() {
            self.text.push_str(&format!("  {name}:\n"));
        }
        for line in lines {
            self.text.push_str(&format!("    {line}\n"));
        }
    }
}

/// Whether the decision comes out the same when it is made again from its record.
fn replay(record: &Value) -> String {
    let policy = match record.pointer("/replay/policy_is_active").and_then(Value::as_bool) {
        Some(false) => ", by a policy that is no longer active",
        Some(true) | None => "",
    };
    match record.pointer("/replay/equal").and_then(Value::as_bool) {
        Some(true) => format!("the same{policy}"),
        Some(false) => format!("DIFFERENT{policy}: {}", sentence(record.pointer("/replay/decision"))),
        None => match text(record, "/replay/impossible") {
            because if because.is_empty() => because,
            because => format!("impossible: {because}"),
        },
    }
}

fn body_line(body: &Value) -> String {
    let at = format!("{} (line {})", text(body, "/rule"), text(body, "/line"));
    match text(body, "/verdict").as_str() {
        "held" => format!("{at}: held"),
        "failed" => {
            format!("{at}: line {} did not hold: {}", text(body, "/failed_line"), text(body, "/condition"))
        }
        "not_reached" => format!("{at}: not reached, line {} held", text(body, "/held")),
        _ => format!("{at}: not known: {}", text(body, "/because")),
    }
}

fn sentence(decision: Option<&Value>) -> String {
    let Some(Value::Object(fields)) = decision else { return String::new() };
    let action = fields.get("action").and_then(Value::as_str).unwrap_or_default().to_owned();
    let rest = fields.iter().filter(|(name, value)| *name != "action" && !value.is_null());
    rest.fold(action, |sentence, (name, value)| format!("{sentence} {name}={}", plain(value)))
}

fn rule_line(rule: &Value) -> String {
    rule.as_str().map_or_else(|| with_because(rule, "/rule"), str::to_owned)
}

fn lookup_line(pair: &Value) -> String {
    let side = |at: usize| pair.get(at).map(plain).unwrap_or_default();
    format!("{} → {}", side(0), side(1))
}

fn replica_line(replica: &Value) -> String {
    let verdict = text(replica, "/verdict/verdict");
    let because = text(replica, "/verdict/because");
    format!("{} at {}: {verdict} ({because})", text(replica, "/node"), text(replica, "/service"))
}

fn with_because(value: &Value, name: &str) -> String {
    match text(value, "/because") {
        because if because.is_empty() => plain(value.pointer(name).unwrap_or(value)),
        because => format!("{}: {because}", text(value, name)),
    }
}

fn with(record: &Value, first: &str, second: &str) -> String {
    let unit = if second.ends_with("micros") { " µs" } else { "" };
    match (text(record, first), text(record, second)) {
        (first, second) if second.is_empty() => first,
        (first, second) => format!("{first} {second}{unit}"),
    }
}

fn items<'a>(record: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    record.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).map(plain).unwrap_or_default()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::describe;

    #[test]
    fn a_record_reads_from_the_decision_to_its_grounds() {
        let record = json!({
            "method": "GET", "target": "/artifacts/static/d/file/x",
            "decision": { "action": "blob", "digest": "sha256:00", "media_type": null },
            "selected": { "plugin": "static", "version": "0.1.0", "policy": "sha256:11", "because": "its name is in the path" },
            "trail": { "how": "memo", "micros": 3, "lookups": [["q", "a"]] },
            "replicas": [], "passed_over": [],
        });
        assert_eq!(
            describe(&record),
            "GET /artifacts/static/d/file/x\n  decision   blob digest=sha256:00\n  plugin     static 0.1.0\n  \
             because    its name is in the path\n  policy     sha256:11\n  evaluated  memo 3 µs\n  lookups:\n    q → a\n"
        );
    }
}
