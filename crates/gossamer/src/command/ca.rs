//! `gossamer ca`: the mesh's certificate authority.

use reqwest::Method;
use serde_json::Value;

use crate::api::Api;
use crate::cli::{Ca, Output};
use crate::print;

pub(super) async fn run(command: Ca, api: &Api, output: Output) -> anyhow::Result<()> {
    let answer: Value = match command {
        Ca::Show => api.get("/api/v1/ca").await?,
        Ca::Rotate => api.send(api.request(Method::POST, "/api/v1/ca/rotate")).await?.json().await?,
    };
    match output {
        Output::Json => print::json(&answer)?,
        Output::Text => show(&answer),
    }
    Ok(())
}

fn show(answer: &Value) {
    let is_root = answer.get("is_root").and_then(Value::as_bool).unwrap_or_default();
    println!("this core    {}", if is_root { "holds the root" } else { "issues below the root" });
    println!("issues by    {}", text(answer, "pin"));
    println!("until        {} (seconds since 1970)", text(answer, "not_after"));
    for root in list(answer, "roots") {
        println!("trusts       {}", root.as_str().unwrap_or_default());
    }
    if answer.get("retires").is_some_and(|retires| !retires.is_null()) {
        println!("old root     until {}", text(answer, "retires"));
    }
    for evicted in list(answer, "evicted") {
        println!("evicted      {} until {}", text(evicted, "node"), text(evicted, "until"));
    }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}
