//! Who may speak: strangers, stale tokens and liars are refused, with a reason.

use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use gossamer_cluster::{Calls, Refusal, RefusalKind};
use gossamer_identity::{Authority, Grant, Identity, NodeKey, Peer};
use gossamer_wire::{Generation, Record, Role};

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

    let reason = refusal(&mesh, "other").await;
    assert!(reason.contains("guest"), "{reason}");
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
async fn a_certificate_of_another_authority_opens_no_door() {
    let mesh = core().await.plugin("static").await;
    let stranger = stranger(&mesh.path("stranger"));

    // The cluster: it knocks for ever and is never a member.
    let config = gossamer_cluster::Config {
        bind: "127.0.0.1:0".parse().unwrap(),
        advertise: None,
        seeds: vec![mesh.cluster().parse().unwrap()],
        directory: mesh.path("stranger/cluster"),
        tuning: gossamer_cluster::Tuning::default(),
    };
    let record = record(&stranger);
    let cluster = config.join(stranger.clone(), record, Silent).await.unwrap();
    // The service listener: the handshake, or the first read after it, fails.
    let tcp = tokio::net::TcpStream::connect(mesh.mesh()).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(stranger.client_config(&[b"h2"]));
    let name = "localhost".try_into().unwrap();
    assert!(connector.connect(name, tcp).await.is_err(), "the stranger trusted the mesh");

    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(cluster.view().members().count(), 1, "the stranger sees only itself");
    let members = mesh.api("/api/v1/members").await;
    assert_eq!(members["members"].as_array().unwrap().len(), 2, "{members:#}");
    cluster.leave().await;
}

/// A node with a sound certificate for `static` in a mesh of the same name, from an authority of its own.
fn stranger(directory: &std::path::Path) -> Identity {
    let authority = Authority::open_or_create(directory, &"test".parse().unwrap()).unwrap();
    let grant = Grant::role(Role::Plugin("static".parse().unwrap()));
    let key = NodeKey::generate().unwrap();
    authority.enrol(key, &grant, Duration::from_secs(3_600), time::OffsetDateTime::now_utc()).unwrap()
}

/// The least that a node can say of itself.
pub fn record(identity: &Identity) -> Record {
    Record {
        node: identity.node(),
        revision: 0,
        generation: Generation::new(1),
        role: identity.id().role,
        version: None,
        service: None,
        announcement: None,
        route_table: None,
        leaving: false,
    }
}

/// Answers nobody.
struct Silent;

impl Calls for Silent {
    async fn call(&self, _: Peer, _: &str, _: Bytes) -> Result<Bytes, Refusal> {
        Err(Refusal::new(RefusalKind::UnknownMethod, "silent"))
    }

    async fn join(&self, _: &str, _: Bytes) -> Result<Bytes, Refusal> {
        Err(Refusal::new(RefusalKind::UnknownMethod, "silent"))
    }
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
