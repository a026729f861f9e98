//! Ways to a plugin that do not name it: a host, a prefix, a media type.

use std::process::Command;

use gossamer_tests::mesh::TestMesh;
use gossamer_tests::oci::Artifact;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::PROGRAMS;

/// What the guest claims.
const GUEST_TYPE: &str = "application/vnd.guest.file.v1.config+json";

/// Forwards whatever it is asked, the registry's own reads too.
pub const EVERYTHING: &str = r#"
package router
import rego.v1
output := {"action": "forward", "repository": input.path}
"#;

/// Forwards what is below the guest's own path, and nothing else.
const ITS_OWN: &str = r#"
package router
import rego.v1
default output := {"action": "not_found", "reason": "not mine"}
output := {"action": "forward", "repository": input.path} if startswith(input.path, "/artifacts/guest/")
"#;

async fn guest(settings: &str, policy: &str) -> TestMesh {
    let mut mesh = TestMesh::start_with(PROGRAMS, settings).await;
    mesh.start_guest("guest-1", "guest", policy).await;
    mesh.until("the guest is routed to", async || mesh.instances("guest").await.len() == 1).await;
    mesh
}

/// Starts a second plugin that claims what the guest claims.
async fn twin(mesh: &mut TestMesh) {
    let token = mesh.token("twin", &["application/vnd.guest.*"]).await;
    let module = mesh.path("guest-1.rego");
    let mut command = Command::new(PROGRAMS.guest);
    command.env("GUEST_POLICY", module).env("GUEST_TWIN", "1");
    mesh.spawn_plugin(command, "twin-1", &token);
    mesh.until("the twin is routed to", async || mesh.instances("twin").await.len() == 1).await;
}

fn claimed(content: &str) -> Artifact {
    Artifact { config_type: GUEST_TYPE, ..Artifact::file("f", content) }
}

async fn seen(answer: reqwest::Response) -> Value {
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_leads_to_the_path_that_the_plugin_knows() {
    let mesh = guest("gateway.mounts = [{ prefix = \"/files/guest\", plugin = \"guest\" }]\n", ITS_OWN).await;

    let answer = seen(mesh.get("/files/guest/a%20b/c?x=1").await).await;
    assert_eq!(answer["uri"], "/artifacts/guest/a%20b/c?x=1");
    assert_eq!(mesh.get("/files/guest2/x").await.status(), StatusCode::NOT_FOUND);
    let climbing = mesh.get("/files%2Fguest/x").await;
    assert_eq!(climbing.status(), StatusCode::BAD_REQUEST, "the prefix cannot be spelt in another way");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_mounted_host_every_path_is_the_plugins() {
    let mesh = guest("gateway.mounts = [{ host = \"files.example\", plugin = \"guest\" }]\n", ITS_OWN).await;
    let ask = async |path: &str| {
        mesh.request(Method::GET, path).header("host", "Files.Example:8080").send().await.unwrap()
    };

    for (path, sent) in [
        ("/", "/artifacts/guest/"),
        ("/v2/", "/artifacts/guest/v2/"),
        ("/api/v1/members", "/artifacts/guest/api/v1/members"),
    ] {
        assert_eq!(seen(ask(path).await).await["uri"], sent);
    }
    assert_eq!(mesh.get("/v2/").await.status(), StatusCode::OK, "on any other host it is the registry");
    assert!(mesh.api("/api/v1/members").await.is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_media_type_leads_to_the_plugin_that_claims_it() {
    let mesh = guest("", ITS_OWN).await;
    mesh.push("team/app", "v1", &claimed("x")).await;

    let accepting = mesh.request(Method::GET, "/artifacts/-/x/y").header("accept", GUEST_TYPE);
    assert_eq!(seen(accepting.send().await.unwrap()).await["uri"], "/artifacts/guest/x/y");
    let carrying = mesh.request(Method::PUT, "/artifacts/-/x/y").header("content-type", GUEST_TYPE).body("b");
    assert_eq!(seen(carrying.send().await.unwrap()).await["body"], "b");
    let named = seen(mesh.get("/artifacts/-/team/app/manifests/v1").await).await;
    assert_eq!(named["uri"], "/artifacts/guest/team/app/manifests/v1", "by the manifest's own type");
    assert_eq!(
        mesh.get("/artifacts/-/x/y").await.status(),
        StatusCode::NOT_FOUND,
        "nothing says whose it is"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_claimants_of_a_media_type_are_a_conflict_that_names_both() {
    let mut mesh = guest("", EVERYTHING).await;
    mesh.push("team/app", "v1", &claimed("x")).await;
    twin(&mut mesh).await;

    for path in ["/artifacts/-/x", "/artifacts/-/team/app/manifests/v1"] {
        let answer = mesh.request(Method::GET, path).header("accept", GUEST_TYPE).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CONFLICT);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["detail"], format!("{GUEST_TYPE} is claimed by guest and twin"));
    }
    let manifest: Value = mesh.get("/v2/team/app/manifests/v1").await.json().await.unwrap();
    assert_eq!(manifest["config"]["mediaType"], GUEST_TYPE, "the registry answers for itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_of_the_registry_is_answered_by_the_claimant_whose_policy_forwards_it() {
    let mut mesh = guest("", EVERYTHING).await;
    let digest = mesh.push("team/app", "v1", &claimed("x")).await;
    mesh.push("team/app", "other", &Artifact::file("f", "y")).await;

    let by_tag = mesh.get("/v2/team/app/manifests/v1").await;
    let decision = by_tag.headers()["gossamer-decision"].to_str().unwrap().to_owned();
    assert_eq!(seen(by_tag).await["uri"], "/v2/team/app/manifests/v1");
    let record = mesh.api(&format!("/api/v1/decisions/{decision}")).await;
    assert_eq!(record["selected"]["plugin"], "guest");
    let by_digest: Value = mesh.get(&format!("/v2/team/app/manifests/{digest}")).await.json().await.unwrap();
    assert_eq!(by_digest["schemaVersion"], 2, "what a digest names cannot be answered otherwise");
    let other: Value = mesh.get("/v2/team/app/manifests/other").await.json().await.unwrap();
    assert_eq!(other["schemaVersion"], 2, "nobody claims this type");
    let absent = mesh.request(Method::GET, "/v2/team/app/manifests/absent").header("accept", GUEST_TYPE);
    let absent = seen(absent.send().await.unwrap()).await;
    assert_eq!(absent["uri"], "/v2/team/app/manifests/absent", "what is not here may be elsewhere");

    mesh.process("guest-1").kill();
    let without: Value = mesh.get("/v2/team/app/manifests/v1").await.json().await.unwrap();
    assert_eq!(without["schemaVersion"], 2, "the registry depends on no plugin");
    let absent = mesh.get("/v2/team/app/manifests/absent").await;
    let error: Value = absent.json().await.unwrap();
    assert_eq!(error["errors"][0]["code"], "MANIFEST_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_answers_where_the_claimants_policy_does_not_forward() {
    let mesh = guest("", ITS_OWN).await;
    mesh.push("team/app", "v1", &claimed("x")).await;
    let manifest: Value = mesh.get("/v2/team/app/manifests/v1").await.json().await.unwrap();
    assert_eq!(manifest["schemaVersion"], 2);
}
