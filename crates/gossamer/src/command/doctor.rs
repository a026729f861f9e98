//! `gossamer doctor`: what is likely to be wrong with the mesh, and what to do about it.

use serde_json::Value;

use crate::api::Api;
use crate::cli::Output;
use crate::exit::{Class, Failure};
use crate::print;

/// Succeeds where nothing is wrong; anything that is found is an exit code of its own.
pub(super) async fn run(api: &Api, output: Output) -> anyhow::Result<()> {
    let answer = api.get("/api/v1/doctor").await?;
    match output {
        Output::Json => print::json(&answer)?,
        Output::Text => print!("{}", describe(&answer)),
    }
    match items(&answer, "findings").count() {
        0 => Ok(()),
        1 => Err(Failure::new(Class::Ailing, "there is a likely cause of trouble").into()),
        count => {
            Err(Failure::new(Class::Ailing, format!("there are {count} likely causes of trouble")).into())
        }
    }
}

fn describe(answer: &Value) -> String {
    let heard = answer.get("heard").and_then(Value::as_u64).unwrap_or_default();
    let mut page = format!("Asked {heard} nodes.\n");
    let unheard: Vec<_> = items(answer, "unheard").filter_map(Value::as_str).collect();
    if !unheard.is_empty() {
        page.push_str(&format!("No answer from {}.\n", unheard.join(", ")));
    }
    if items(answer, "findings").next().is_none() {
        page.push_str("Nothing is wrong that can be seen from here.\n");
    }
    for finding in items(answer, "findings") {
        let nodes: Vec<_> = items(finding, "nodes").filter_map(Value::as_str).collect();
        let confidence = finding.get("confidence").and_then(Value::as_u64).unwrap_or_default();
        page.push_str(&format!("\n{} ({confidence} %): {}\n", text(finding, "cause"), nodes.join(", ")));
        for evidence in items(finding, "evidence").filter_map(Value::as_str) {
            page.push_str(&format!("  - {evidence}\n"));
        }
        page.push_str(&format!("  {}\n", text(finding, "advice")));
    }
    page
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_finding_is_shown_with_what_it_rests_on() {
        let finding = json!({ "cause": "mtu", "confidence": 95, "nodes": ["01", "02"],
            "evidence": ["short"], "advice": "Raise it." });
        let page = describe(&json!({ "heard": 2, "unheard": ["03"], "findings": [finding] }));
        assert_eq!(
            page,
            "Asked 2 nodes.\nNo answer from 03.\n\nmtu (95 %): 01, 02\n  - short\n  Raise it.\n"
        );
        let well = describe(&json!({ "heard": 1, "unheard": [], "findings": [] }));
        assert!(well.ends_with("Nothing is wrong that can be seen from here.\n"), "{well}");
    }
}
