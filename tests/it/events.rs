//! Events: delayed by a plugin that is away, never lost, never in the way of a push.

use gossamer_tests::mesh::TestMesh;
use gossamer_tests::oci::Artifact;

use crate::core;

/// Names that the static plugin lists for the repository `docs`, sorted.
pub async fn listed(mesh: &TestMesh) -> Vec<String> {
    let path = "/artifacts/static/api/v1/repository/file:list?repository=artifacts/static/docs";
    let response = mesh.get(path).await;
    if !response.status().is_success() {
        return Vec::new();
    }
    let list: serde_json::Value = response.json().await.unwrap();
    let files = list["repository_files"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<String> = files.iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_while_the_plugin_is_down_are_events_when_it_returns() {
    let mut mesh = core().await.plugin("static").await;
    mesh.process("static-1").kill();

    let mut expected = Vec::new();
    for number in 0..20 {
        let name = format!("file-{number:02}");
        mesh.push("artifacts/static/docs/files", &format!("t{number}"), &Artifact::file(&name, name.clone()))
            .await;
        expected.push(name);
    }
    mesh.restart_plugin("static", "static-1").await;

    mesh.until("every event arrived", async || listed(&mesh).await == expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_changes_nothing_is_no_event() {
    let mesh = core().await.plugin("static").await;
    let file = Artifact::file("same", "same");
    for _ in 0..3 {
        mesh.push("artifacts/static/docs/files", "same", &file).await;
    }
    mesh.until("the event arrived", async || listed(&mesh).await == ["same"]).await;

    let metrics = mesh.get("/metrics").await.text().await.unwrap();

    let appended = metrics.lines().find(|line| line.starts_with("gossamer_registry_events_appended_total"));
    assert_eq!(appended.and_then(|line| line.split(' ').next_back()), Some("1"), "{metrics}");
}
