//! The life of a policy: versions side by side, pinned, shadowed, tried on a slice, and taken back.

use std::collections::BTreeMap;
use std::process::Command;

use gossamer_tests::mesh::TestMesh;
use gossamer_tests::tool;
use reqwest::StatusCode;
use serde_json::Value;

use crate::{PROGRAMS, core};

/// A router that forwards everything to the owner of the repository, and does `what` besides.
fn router(what: &str) -> String {
    format!(
        r#"package router
import rego.v1
default output := {{"found": false}}
output := {{"action": "forward", "found": true, "repository": repository}} if not special
repository := concat("/", array.slice(split(trim_prefix(input.path, "/"), "/"), 0, 3))
{what}
"#
    )
}

const PLAIN: &str = "default special := false";

/// Starts version `version` of the guest beside whatever runs already.
async fn start_version(mesh: &mut TestMesh, version: &str, policy: &str) {
    let token = mesh.token("guest", &["application/vnd.guest.*"]).await;
    let instance = format!("guest-{version}");
    let module = mesh.path(format!("{instance}.rego"));
    std::fs::write(&module, policy).unwrap();
    let mut command = Command::new(PROGRAMS.guest);
    command.env("GUEST_POLICY", module).env("GUEST_VERSION", version);
    mesh.spawn_plugin(command, &instance, &token);
    mesh.until(&format!("version {version} is admitted"), async || {
        let policies = mesh.api("/api/v1/policies").await;
        let versions = policies.pointer("/policies/0/versions").and_then(Value::as_array).cloned();
        versions.unwrap_or_default().iter().any(|known| known["version"] == version)
    })
    .await;
}

/// Version 1 active and pinned, version 2 with `what` besides.
async fn two_versions(what: &str) -> TestMesh {
    let mut mesh = core().await;
    start_version(&mut mesh, "1.0.0", &router(PLAIN)).await;
    policy(&mesh, &["pin", "guest", "1.0.0"]);
    start_version(&mut mesh, "2.0.0", &router(what)).await;
    mesh
}

fn policy(mesh: &TestMesh, arguments: &[&str]) -> Value {
    let said = tool::run(mesh.command().args(["--output", "json", "policy"]).args(arguments));
    serde_json::from_str(&said).unwrap()
}

async fn guest(mesh: &TestMesh) -> Value {
    mesh.api("/api/v1/policies/guest").await
}

async fn until_active(mesh: &TestMesh, version: &str) {
    mesh.until(&format!("{version} is active"), async || guest(mesh).await["active"] == version).await;
}

/// Which version decides for a repository, and how the request ended.
async fn ask(mesh: &TestMesh, repository: &str) -> (String, StatusCode) {
    let answer = mesh.get(&format!("/artifacts/guest/{repository}/x")).await;
    let status = answer.status();
    let id = answer.headers()["gossamer-decision"].to_str().unwrap().to_owned();
    let record = mesh.api(&format!("/api/v1/decisions/{id}")).await;
    (record["selected"]["version"].as_str().unwrap().to_owned(), status)
}

async fn deciders(mesh: &TestMesh, repositories: u32) -> BTreeMap<String, String> {
    let mut deciders = BTreeMap::new();
    for number in 0..repositories {
        let repository = format!("r{number}");
        let (version, status) = ask(mesh, &repository).await;
        assert_eq!(status, StatusCode::OK);
        deciders.insert(repository, version);
    }
    deciders
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_version_stays_through_newer_ones_and_restarts() {
    let mut mesh = two_versions(PLAIN).await;
    assert_eq!(guest(&mesh).await["active"], "1.0.0", "a newer version does not take over from a pinned one");
    mesh.core().kill();
    mesh.start_core();
    until_active(&mesh, "1.0.0").await;
    mesh.until("both versions are admitted again", async || {
        guest(&mesh).await["versions"].as_array().is_some_and(|versions| versions.len() == 2)
    })
    .await;
    assert_eq!(ask(&mesh, "r").await, ("1.0.0".to_owned(), StatusCode::OK));
    policy(&mesh, &["pin", "guest", "2.0.0"]);
    until_active(&mesh, "2.0.0").await;
    policy(&mesh, &["rollback", "guest"]);
    until_active(&mesh, "1.0.0").await;
    policy(&mesh, &["pin", "guest", "--off"]);
    until_active(&mesh, "2.0.0").await;
    let refused = mesh.command().args(["policy", "pin", "guest", "7.0.0"]).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("7.0.0 is not admitted"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_decides_nothing_and_tells_where_it_differs_by_rule() {
    let denies = "special if input.path == \"/artifacts/guest/r/x\"\n\
                  output := {\"action\": \"deny\", \"status\": 403, \"reason\": \"new\"} if special";
    let mesh = two_versions(denies).await;
    policy(&mesh, &["shadow", "guest", "2.0.0"]);
    for repository in ["r", "same", "r"] {
        mesh.until("the active version decides", async || {
            ask(&mesh, repository).await == ("1.0.0".to_owned(), StatusCode::OK)
        })
        .await;
    }
    mesh.until("the shadow has decided too", async || {
        guest(&mesh).await.pointer("/shadows/0/differences/0/count").is_some_and(|count| count == 2)
    })
    .await;
    let shown = guest(&mesh).await;
    let rules = &shown["shadows"][0]["differences"][0]["rules"];
    assert!(rules.as_array().unwrap().contains(&"special".into()), "{shown:#}");
    let text = tool::run(mesh.command().args(["policy", "show", "guest"]));
    assert!(text.contains("rule special"), "{text}");
    let compared = policy(&mesh, &["diff", "guest", "2.0.0"]);
    assert_eq!(compared["differences"][0]["path"], "/artifacts/guest/r/x", "{compared:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_decides_for_the_same_slice_until_it_is_promoted() {
    let mesh = two_versions(PLAIN).await;
    policy(&mesh, &["canary", "guest", "2.0.0", "--percent", "30"]);
    mesh.until("the canary decides for somebody", async || {
        deciders(&mesh, 30).await.values().any(|version| version == "2.0.0")
    })
    .await;
    let slice = deciders(&mesh, 30).await;
    let share = slice.values().filter(|version| *version == "2.0.0").count();
    assert!((2..20).contains(&share), "{share} of 30 at 30 %");
    assert_eq!(deciders(&mesh, 30).await, slice, "a repository has one version");
    policy(&mesh, &["promote", "guest"]);
    until_active(&mesh, "2.0.0").await;
    assert!(deciders(&mesh, 10).await.values().all(|version| version == "2.0.0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_whose_policy_fails_goes_back_by_itself_and_nobody_sees_it() {
    let breaks = "special := 1 if startswith(input.path, \"/artifacts/guest/r\")\n\
                  special := 2 if startswith(input.path, \"/artifacts/guest/r\")";
    let mesh = two_versions(breaks).await;
    policy(&mesh, &["canary", "guest", "2.0.0", "--percent", "50", "--requests-min", "5"]);
    let mut number = 0;
    mesh.until("the canary has ended", async || {
        number += 1;
        let (version, status) = ask(&mesh, &format!("r{number}")).await;
        assert_eq!((version.as_str(), status), ("1.0.0", StatusCode::OK));
        guest(&mesh).await.pointer("/plan/ended/verdict").is_some_and(|verdict| verdict == "rolled_back")
    })
    .await;
    let reason = guest(&mesh).await["plan"]["ended"]["reason"].to_string();
    assert!(reason.contains("evaluations failed"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_answers_with_errors_goes_back_by_itself() {
    let fails = "special if startswith(input.path, \"/artifacts/guest/r\")\n\
                 output := {\"action\": \"deny\", \"status\": 503, \"reason\": \"new\"} if special";
    let mesh = two_versions(fails).await;
    policy(&mesh, &["canary", "guest", "2.0.0", "--percent", "50", "--requests-min", "5"]);
    let mut number = 0;
    mesh.until("the canary has ended", async || {
        number += 1;
        ask(&mesh, &format!("r{number}")).await;
        guest(&mesh).await.pointer("/plan/ended/verdict").is_some_and(|verdict| verdict == "rolled_back")
    })
    .await;
    mesh.until("the active version decides for all again", async || {
        let mut all = Vec::new();
        for number in 0..10 {
            all.push(ask(&mesh, &format!("r{number}")).await);
        }
        all.iter().all(|asked| *asked == ("1.0.0".to_owned(), StatusCode::OK))
    })
    .await;
}

#[test]
fn tests_of_a_policy_run_without_a_core() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("router.rego", &router(PLAIN));
    let tests = |path: &str| {
        format!(
            "package router_test\nimport rego.v1\nimport data.router\n\
             test_forwards if router.output.found with input as {{\"method\": \"GET\", \"path\": \"{path}\"}}\n\
             test_key if router.output.repository == \"artifacts/guest/r\" with input as {{\"path\": \"{path}\"}}\n"
        )
    };
    let run = |arguments: &[&str]| {
        Command::new(PROGRAMS.gossamer)
            .args(["policy", "test"])
            .arg(directory.path())
            .args(arguments)
            .output()
            .unwrap()
    };
    write("router_test.rego", &tests("/artifacts/guest/r/x"));
    let passed = run(&[]);
    let said = String::from_utf8_lossy(&passed.stdout).into_owned();
    assert!(passed.status.success() && said.contains("2 passed, 0 failed"), "{passed:?}");
    write("router_test.rego", &tests("/artifacts/guest/other/x"));
    let failed = run(&[]);
    let said = String::from_utf8_lossy(&failed.stdout).into_owned();
    assert_eq!(failed.status.code(), Some(1));
    assert!(said.contains("FAIL data.router_test.test_key") && said.contains("1 passed, 1 failed"), "{said}");
    let decided = run(&["--request", "GET /artifacts/guest/r/x"]);
    let said = String::from_utf8_lossy(&decided.stdout).into_owned();
    assert!(said.contains("\"action\":\"forward\"") && said.contains("artifacts/guest/r"), "{said}");
}
