//! Policies of strangers: Beskar's contract decides as it does there, and a hostile policy costs itself alone.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::core;

/// A router in Beskar's words and in Rego v0: the guest owns every path under `/artifacts/guest/`.
const V0: &str = r#"
package router
import future.keywords.if
import future.keywords.in
default output = {"repository": "", "redirect_url": "", "found": false}
output = obj {
    input.method in ["GET", "HEAD"]
    match := regex.find_all_string_submatch_n(`^/(artifacts/guest/[a-z0-9]+)/file/([^/]+)$`, input.path, 1)
    digest := oci.blob_digest(sprintf("%s/files:%s", [match[0][1], crypto.md5(match[0][2])]), "annotation", sprintf("org.opencontainers.image.title=%s", [match[0][2]]))
    obj := {
        "repository": match[0][1],
        "redirect_url": sprintf("/v2/%s/files/blobs/sha256:%s", [match[0][1], digest]),
        "found": digest != "",
    }
} else = obj {
    regex.match(`^/artifacts/guest/api/`, input.path)
    repo := object.get(request.body(), "repository", "")
    obj := {"repository": repo, "redirect_url": "", "found": repo != ""}
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_router_in_beskars_words_decides_as_it_does_there() {
    let mut mesh = core().await;
    mesh.start_guest("guest-1", "guest", V0).await;
    mesh.until("the guest is routed to", async || mesh.instances("guest").await.len() == 1).await;
    let mut file = gossamer_tests::oci::Artifact::file("f", "from a blob");
    file.config_type = "application/vnd.guest.file.v1.config+json";
    mesh.push("artifacts/guest/r/files", "8fa14cdd754f91cc6554c9e71929cce7", &file).await;

    assert_eq!(mesh.get("/artifacts/guest/r/file/f").await.text().await.unwrap(), "from a blob");
    assert_eq!(mesh.get("/artifacts/guest/r/file/missing").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(mesh.get("/artifacts/guest/no/pattern").await.status(), StatusCode::NOT_FOUND);
    let api = async |body: &'static str| {
        let request = mesh.request(Method::POST, "/artifacts/guest/api/v1/x?a=1&b=%20").body(body);
        request.send().await.unwrap()
    };
    let answer: Value = api("{\"repository\":\"artifacts/guest/r\"}").await.json().await.unwrap();
    assert_eq!(answer["body"], "{\"repository\":\"artifacts/guest/r\"}", "the body is passed on whole");
    assert_eq!(
        answer["uri"], "/artifacts/guest/api/v1/x?a=1&b=%20",
        "path and query are passed on untouched"
    );
    assert_eq!(api("{}").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_does_not_compile_is_refused_with_its_reason() {
    let mut mesh = core().await.plugin("static").await;
    mesh.start_guest("guest-1", "guest", "package router\noutput := {").await;

    let reason = refusal(&mesh, "guest").await;

    assert!(reason.contains("not Rego"), "{reason}");
    mesh.put("/artifacts/static/docs/file/other", "undisturbed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_recurses_is_refused() {
    let mut mesh = core().await;
    let module = "package router\nimport rego.v1\nf(n) := f(n + 1)\noutput := {\"found\": f(1) > 0}\n";
    mesh.start_guest("guest-1", "guest", module).await;

    let reason = refusal(&mesh, "guest").await;

    assert!(reason.contains("recurs"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_loops_or_eats_memory_costs_itself_a_503_and_nobody_else_anything() {
    let loops = r#"
        output := {"found": true, "count": count([1 | some a in numbers.range(1, 5000); some b in numbers.range(1, 5000); a * b == -1])} if startswith(input.path, "/artifacts/guest/bad")
    "#;
    let eats = r#"
        output := {"found": true, "big": [x | some a in numbers.range(1, 9000); some b in numbers.range(1, 9000); x := concat("", ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", input.path])]} if startswith(input.path, "/artifacts/guest/bad")
    "#;
    for hostile in [loops, eats] {
        let mut mesh = core().await.plugin("static").await;
        mesh.put("/artifacts/static/docs/file/calm", "calm").await;
        let module =
            format!("package router\nimport rego.v1\ndefault output := {{\"found\": false}}\n{hostile}");
        mesh.start_guest("guest-1", "guest", &module).await;
        mesh.until("the guest is routed to", async || mesh.instances("guest").await.len() == 1).await;

        let started = Instant::now();
        assert_eq!(mesh.get("/artifacts/guest/bad").await.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(started.elapsed() < Duration::from_secs(20), "the budget was not kept");

        assert_eq!(mesh.get("/artifacts/static/docs/file/calm").await.text().await.unwrap(), "calm");
        assert!(mesh.core().is_running());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_plugin_policy_lookups_and_replica() {
    let mesh = core().await.plugin("static").await.plugin("static").await;
    mesh.put("/artifacts/static/docs/file/why", "because").await;

    let routed = mesh.get("/artifacts/static/docs/file/why").await;
    let id = routed.headers()["gossamer-decision"].to_str().unwrap().to_owned();

    for arguments in [vec!["explain", &id], vec!["explain", "GET", "/artifacts/static/docs/file/why"]] {
        let mut command = mesh.command();
        let said = gossamer_tests::tool::run(command.args(["--output", "json"]).args(&arguments));
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["selected"]["plugin"], "static", "{said:#}");
        assert!(said["selected"]["policy"].as_str().unwrap().starts_with("sha256:"), "{said:#}");
        assert_eq!(said["decision"]["action"], "blob", "{said:#}");
        assert!(!said["trail"]["lookups"].as_array().unwrap().is_empty(), "{said:#}");
        assert!(!said["rules"].as_array().unwrap().is_empty(), "{said:#}");
    }
    let mut command = mesh.command();
    let said =
        gossamer_tests::tool::run(command.args(["explain", "DELETE", "/artifacts/static/docs/file/why"]));
    assert!(said.contains("forward"), "{said}");
}

/// Waits until the core refused an announcement of `plugin`, and says why it did.
pub async fn refusal(mesh: &gossamer_tests::mesh::TestMesh, plugin: &str) -> String {
    let mut reason = String::new();
    mesh.until(&format!("{plugin} is refused"), async || {
        let plugins = mesh.api("/api/v1/plugins").await;
        let named = plugins["plugins"].as_array().unwrap().iter().filter(|entry| entry["name"] == plugin);
        let mut instances = named.flat_map(|entry| entry["instances"].as_array().unwrap());
        let refused = instances.find(|instance| instance["state"] == "refused");
        reason = refused.map(|instance| instance["reason"].to_string()).unwrap_or_default();
        !reason.is_empty()
    })
    .await;
    reason
}
