//! Several cores in one mesh: each issues, each routes.

use reqwest::Client;
use serde_json::Value;

use crate::core;

async fn members(base: &str) -> usize {
    let members: Value =
        Client::new().get(format!("{base}/api/v1/members")).send().await.unwrap().json().await.unwrap();
    members["members"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn further_cores_join_by_token_and_route_what_the_first_one_routes() {
    let mut mesh = core().await.plugin("static").await;
    mesh.start_further_core("second").await;
    mesh.start_further_core("third").await;
    let bases = [mesh.base(), mesh.further_core("second").base(), mesh.further_core("third").base()];

    mesh.until("every core sees three cores and a plugin", async || {
        let mut seen = Vec::new();
        for base in &bases {
            seen.push(members(base).await);
        }
        seen == [4, 4, 4]
    })
    .await;
    mesh.put("/artifacts/static/docs/file/a", "whole").await;
    let client = Client::new();
    for base in &bases {
        mesh.until(&format!("{base} forwards to the plugin"), async || {
            let answer = client.get(format!("{base}/artifacts/static/docs/")).send().await.unwrap();
            answer.status() != 404 && answer.status() != 503
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_core_keeps_its_authority_and_needs_no_token_again() {
    let mut mesh = core().await;
    mesh.start_further_core("second").await;
    let certificate = mesh.path("second/identity/ca.crt");
    let before = std::fs::read(&certificate).unwrap();
    mesh.further_core("second").process.kill();

    mesh.start_further_core("second").await;
    assert_eq!(std::fs::read(&certificate).unwrap(), before);
    let base = mesh.further_core("second").base();
    mesh.until("it finds the first core again", async || members(&base).await == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_joins_and_serves_by_the_token_of_a_further_core() {
    let mut mesh = core().await;
    mesh.start_further_core("second").await;
    let base = mesh.further_core("second").base();
    let client = Client::new();
    let body = serde_json::json!({ "plugin": "static", "media_types": ["application/vnd.ciq.static.*"] });
    let answer: Value =
        client.post(format!("{base}/api/v1/tokens")).json(&body).send().await.unwrap().json().await.unwrap();
    let mut command = mesh.command();
    command.args(["plugin", "run", "static"]);
    mesh.spawn_plugin(command, "static-1", answer["token"].as_str().unwrap());

    mesh.until("the first core routes to it", async || mesh.instances("static").await.len() == 1).await;
    mesh.put("/artifacts/static/docs/file/a", "whole").await;

    let refused = client
        .post(format!("{base}/api/v1/tokens"))
        .json(&serde_json::json!({ "core": true }))
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 409, "only the root makes cores");
}
