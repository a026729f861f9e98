//! `gossamer mesh`: the mesh as a core sees it.

use serde_json::Value;

use crate::api::Api;
use crate::cli::{Mesh, Output};
use crate::print;

pub(super) async fn run(command: Mesh, api: &Api, output: Output) -> anyhow::Result<()> {
    let path = match command {
        Mesh::Members => "/api/v1/members",
        Mesh::Plugins => "/api/v1/plugins",
    };
    let answer = api.get(path).await?;
    match (output, command) {
        (Output::Json, _) => return print::json(&answer),
        (Output::Text, Mesh::Members) => members(&answer),
        (Output::Text, Mesh::Plugins) => plugins(&answer),
    }
    Ok(())
}

fn members(answer: &Value) {
    let rows: Vec<_> = items(answer, "members")
        .map(|member| ["node", "role", "state", "address", "service", "version"].map(|key| text(member, key)))
        .collect();
    print::table(["NODE", "ROLE", "STATE", "CLUSTER", "SERVICE", "VERSION"], &rows);
}

fn plugins(answer: &Value) {
    let mut rows = Vec::new();
    let mut reasons = Vec::new();
    for plugin in items(answer, "plugins") {
        let name = text(plugin, "name");
        for instance in items(plugin, "instances") {
            let policy: String = text(instance, "policy").chars().take(19).collect();
            let [node, state, version, service] =
                ["node", "state", "version", "service"].map(|key| text(instance, key));
            let reason = text(instance, "reason");
            if !reason.is_empty() {
                reasons.push(format!("{name} on {node} is {state}: {reason}"));
            }
            rows.push([name.clone(), node, state, version, service, policy]);
        }
    }
    print::table(["PLUGIN", "NODE", "STATE", "VERSION", "SERVICE", "POLICY"], &rows);
    for reason in reasons {
        println!("{reason}");
    }
    for conflict in items(answer, "conflicts") {
        println!("conflict: {conflict}");
    }
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
