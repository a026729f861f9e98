//! `gossamer mesh`: the mesh as a core sees it.

use reqwest::Method;
use serde_json::Value;

use crate::api::Api;
use crate::cli::{Mesh, Output};
use crate::print;

pub(super) async fn run(command: Mesh, api: &Api, output: Output) -> anyhow::Result<()> {
    let path = match &command {
        Mesh::Evict { node } => return evict(node, api, output).await,
        Mesh::Members => "/api/v1/members",
        Mesh::Plugins => "/api/v1/plugins",
        Mesh::Routes => "/api/v1/routes",
    };
    let answer = api.get(path).await?;
    match (output, command) {
        (Output::Json, _) => return print::json(&answer),
        (Output::Text, Mesh::Evict { .. }) => {} // done above
        (Output::Text, Mesh::Members) => members(&answer),
        (Output::Text, Mesh::Plugins) => plugins(&answer),
        (Output::Text, Mesh::Routes) => routes(&answer),
    }
    Ok(())
}

async fn evict(node: &str, api: &Api, output: Output) -> anyhow::Result<()> {
    let path = format!("/api/v1/members/{node}/evict");
    let answer: Value = api.send(api.request(Method::POST, &path)).await?.json().await?;
    match output {
        Output::Json => print::json(&answer)?,
        Output::Text => println!("{node} is evicted"),
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
            let policy = short(&text(instance, "policy"));
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

fn routes(answer: &Value) {
    let route = |route: &Value| {
        let [plugin, version] = ["plugin", "version"].map(|key| text(route, key));
        let media_types: Vec<_> = items(route, "media_types").filter_map(Value::as_str).collect();
        let instances = items(route, "instances").count().to_string();
        [plugin, version, short(&text(route, "policy")), instances, media_types.join(" ")]
    };
    let rows: Vec<_> = items(answer, "routes").map(route).collect();
    print::table(["PLUGIN", "VERSION", "POLICY", "INSTANCES", "MEDIA TYPES"], &rows);
    println!();
    let rows: Vec<_> = items(answer, "cores").map(core).collect();
    print::table(["CORE", "ROUTE TABLE", "AGREES", "FOR"], &rows);
    for core in items(answer, "cores") {
        let node = text(core, "node");
        for difference in items(core, "differs") {
            let [here, there] = ["here", "there"].map(|side| way(difference.get(side)));
            println!("{} is {here} here and {there} on {node}", text(difference, "plugin"));
        }
        if core.get("mounts_differ") == Some(&Value::Bool(true)) {
            println!("the mounts differ on {node}");
        }
        if let Some(reason) = core.get("reason").and_then(Value::as_str) {
            println!("{node} does not say how it routes: {reason}");
        }
    }
    for conflict in items(answer, "conflicts") {
        println!("conflict: {conflict}");
    }
}

fn core(core: &Value) -> [String; 4] {
    let agrees = match core.get("agrees").and_then(Value::as_bool) {
        Some(true) => "yes",
        Some(false) => "no",
        None => "",
    };
    let seconds = core.get("differing_seconds").and_then(Value::as_f64);
    let seconds = seconds.map(|seconds| format!("{seconds:.1} s")).unwrap_or_default();
    [text(core, "node"), short(&text(core, "digest")), agrees.to_owned(), seconds]
}

/// By what one core routes a plugin.
fn way(way: Option<&Value>) -> String {
    match way {
        None | Some(Value::Null) => "unknown".to_owned(),
        Some(way) => format!("{} with policy {}", text(way, "version"), short(&text(way, "policy"))),
    }
}

/// The beginning of a digest, which is enough to tell it from others.
fn short(digest: &str) -> String {
    digest.chars().take(19).collect()
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
