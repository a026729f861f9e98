//! Who may speak: strangers, stale tokens and liars are refused, with a reason.

use std::process::Command;
use std::time::Duration;

use crate::policies::refusal;
use crate::{PROGRAMS, core};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_one_node() {
    let mut mesh = core().await;
    let token = mesh.token("static", &["application/vnd.ciq.static.*"]).await;
    let run = |mesh: &gossamer_tests::mesh::TestMesh| {
        let mut command = mesh.command();
        command.args(["plugin", "run", "static"]);
        command
    };
    let first = run(&mesh);
    mesh.spawn_plugin(first, "first", &token);
    mesh.node_of("first").await;
    mesh.until("the first has joined", async || mesh.instances("static").await.len() == 1).await;

    let second = run(&mesh);
    mesh.spawn_plugin(second, "second", &token);

    assert!(!mesh.process("second").wait().success());
    assert!(mesh.process("second").said().contains("token"), "{}", mesh.process("second").said());
    assert_eq!(mesh.instances("static").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_lets_nobody_in() {
    let mut mesh = core().await;
    let token = mesh.token_for("static", &["application/vnd.ciq.static.*"], 1).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let mut command = mesh.command();
    command.args(["plugin", "run", "static"]);

    mesh.spawn_plugin(command, "late", &token);

    assert!(!mesh.process("late").wait().success());
    assert!(mesh.process("late").said().contains("expired"), "{}", mesh.process("late").said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_lies_about_its_name_is_refused_and_disturbs_nobody() {
    let mut mesh = core().await.plugin("static").await;
    let policy = "package router\nimport rego.v1\ndefault output := {\"found\": true}\n";

    // Its certificate says `other`, its announcement says `guest`.
    mesh.start_guest("liar", "other", policy).await;

    let reason = refusal(&mesh, "guest").await;
    assert!(reason.contains("other"), "{reason}");
    assert!(mesh.instances("guest").await.is_empty());
    mesh.put("/artifacts/static/docs/file/fine", "fine").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_claims_only_what_its_certificate_grants() {
    let mut mesh = core().await;
    let token = mesh.token("guest", &["application/vnd.something.else"]).await;
    let module = mesh.path("p.rego");
    std::fs::write(&module, "package router\nimport rego.v1\ndefault output := {\"found\": true}\n").unwrap();
    let mut command = Command::new(PROGRAMS.guest);
    command.env("GUEST_POLICY", module);

    mesh.spawn_plugin(command, "greedy", &token);

    let reason = refusal(&mesh, "guest").await;
    assert!(reason.contains("application/vnd.guest"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_another_mesh_is_a_stranger() {
    let mut ours = core().await.plugin("static").await;
    let mut theirs = core().await.plugin("static").await;
    theirs.process("static-1").stop();

    // The stranger keeps its certificate, and is told that its core is ours.
    let members = theirs.path("static-1").join("cluster");
    std::fs::remove_dir_all(&members).ok();
    let mut command = ours.command();
    command.args(["plugin", "run", "static"]).env("GOSSAMER_SEEDS", ours.cluster());
    let stranger = theirs.path("static-1");
    ours.spawn_plugin(command.env("GOSSAMER_MOVED", ""), "stranger", "");
    drop(stranger);

    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(ours.instances("static").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_reaches_the_logs() {
    let mut mesh = core().await;
    let token = mesh.token("static", &["application/vnd.ciq.static.*"]).await;
    let mut command = mesh.command();
    command.args(["plugin", "run", "static"]).env("GOSSAMER_LOG", "trace");
    mesh.spawn_plugin(command, "plugin", &token);
    mesh.until("it has joined", async || mesh.instances("static").await.len() == 1).await;

    let secret = &token[token.len() - 24..];
    assert!(!mesh.process("plugin").said().contains(secret));
    assert!(!mesh.core().said().contains(secret));
}
