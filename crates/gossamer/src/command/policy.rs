//! `gossamer policy`: the versions of plugins' policies, tried out and changed.

mod show;
mod test;

use anyhow::Context as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::Api;
use crate::cli::{Output, Policy, PolicyCanary, PolicyDiff, PolicyVersion};
use crate::print;

pub(super) use test::run as test;

pub(super) async fn run(command: Policy, api: &Api, output: Output) -> anyhow::Result<()> {
    match command {
        Policy::List => shown(&api.get("/api/v1/policies").await?, output, show::list),
        Policy::Show { plugin } => shown(&api.get(&path(&plugin)).await?, output, show::plugin),
        Policy::Diff(options) => shown(&api.get(&diff(&options)).await?, output, show::diff),
        Policy::Shadow(options) => ask(api, output, &options.plugin, version("shadow", &options)).await,
        Policy::Pin(options) => ask(api, output, &options.plugin, version("pin", &options)).await,
        Policy::Canary(options) => ask(api, output, &options.plugin, canary(&options)).await,
        Policy::Promote { plugin } => ask(api, output, &plugin, json!({ "command": "promote" })).await,
        Policy::Rollback { plugin, reason } => {
            ask(api, output, &plugin, json!({ "command": "rollback", "reason": reason })).await
        }
        Policy::Test(_) => anyhow::bail!("tests need no core"),
    }
}

async fn ask(api: &Api, output: Output, plugin: &str, wish: Value) -> anyhow::Result<()> {
    let response = api.send(api.request(Method::POST, &path(plugin)).json(&wish)).await?;
    let answer: Value = response.json().await.context("the core's answer is not JSON")?;
    shown(&answer, output, |answer| show::plan(answer.get("plan").unwrap_or(&Value::Null)))
}

fn shown(answer: &Value, output: Output, text: impl FnOnce(&Value) -> String) -> anyhow::Result<()> {
    match output {
        Output::Json => print::json(answer),
        Output::Text => {
            print!("{}", text(answer));
            Ok(())
        }
    }
}

fn path(plugin: &str) -> String {
    format!("/api/v1/policies/{}", encoded(plugin))
}

fn diff(options: &PolicyDiff) -> String {
    let PolicyDiff { plugin, to, from } = options;
    let from = from.as_ref().map(|from| format!("&from={}", encoded(from))).unwrap_or_default();
    format!("{}/diff?to={}{from}", path(plugin), encoded(to))
}

fn version(command: &str, options: &PolicyVersion) -> Value {
    match &options.version {
        Some(version) => json!({ "command": command, "version": version }),
        None => json!({ "command": format!("un{command}") }),
    }
}

fn canary(options: &PolicyCanary) -> Value {
    json!({
        "command": "canary",
        "version": options.version,
        "percent": options.percent,
        "guard": {
            "window_ms": options.window_seconds.saturating_mul(1000),
            "requests_min": options.requests_min,
            "evaluation_failures_percent_max": options.evaluation_failures_percent_max,
            "server_errors_percent_max": options.server_errors_percent_max,
            "promote_after_ms": options.promote_after_seconds.map(|seconds| seconds.saturating_mul(1000)),
        },
    })
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
