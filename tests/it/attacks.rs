//! Attacks by those who hold something real: a key, a token, a certificate of a plugin. None may succeed.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gossamer_cluster::{
    CallError, Calls, Cluster, Config, Patience, Refusal, RefusalKind, Round, Strangers, Tuning,
};
use gossamer_identity::{Authority, Grant, Identity, JoinToken, NodeKey, Peer, admit};
use gossamer_tests::mesh::TestMesh;
use gossamer_wire::{
    Announcement, Generation, JoinConfirm, JoinRequest, JoinResponse, NodeId, Policy, PullResponse,
    ReattestRequest, Record, RenewRequest, Role, Trust, method,
};
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::core;
use crate::identity::record;

/// Answers PULL with what it was given, whoever asks for whatever.
struct Forger(Option<Bytes>);

impl Calls for Forger {
    async fn call(&self, _: Peer, _: &str, _: Bytes) -> Result<Bytes, Refusal> {
        let announcement = self.0.clone();
        announcement
            .map(|announcement| PullResponse { announcement: Some(announcement) }.encode())
            .ok_or_else(|| Refusal::new(RefusalKind::UnknownMethod, "silent"))
    }

    async fn join(&self, _: &str, _: Bytes) -> Result<Bytes, Refusal> {
        Err(Refusal::new(RefusalKind::UnknownMethod, "silent"))
    }
}

fn strangers(mesh: &TestMesh, token: &JoinToken) -> Strangers {
    Strangers::to(vec![mesh.cluster().parse().unwrap()], vec![token.pin()]).unwrap()
}

fn join_request(token: &JoinToken, key: &NodeKey) -> Bytes {
    JoinRequest {
        token_id: token.id().to_string(),
        secret: token.secret().reveal(),
        csr: key.signing_request().unwrap().into(),
        authority_csr: Some(NodeKey::generate().unwrap().signing_request().unwrap().into()),
    }
    .encode()
}

/// The certificate of an instance of `plugin` that is no process of ours, and the token that it used up.
async fn enter(mesh: &TestMesh, plugin: &str) -> (Identity, JoinToken, Bytes) {
    let token: JoinToken = mesh.token(plugin, &["application/vnd.guest.*"]).await.parse().unwrap();
    let key = NodeKey::generate().unwrap();
    let request = join_request(&token, &key);
    let strangers = strangers(mesh, &token);
    let Round::Answered(answer) = strangers.ask(Patience::Rounds(3), method::JOIN, &request).await else {
        panic!("a fair join was refused");
    };
    let response = JoinResponse::decode(&answer).unwrap();
    assert!(response.authority.is_empty(), "a plugin asked for an authority and got one");
    let identity = admit(key, &token, &response).unwrap();
    let confirm = JoinConfirm {
        token_id: token.id().to_string(),
        secret: token.secret().reveal(),
        certificate_digest: identity.peer().certificate,
    };
    let confirmed = strangers.ask(Patience::Rounds(3), method::CONFIRM, &confirm.encode()).await;
    assert!(matches!(confirmed, Round::Answered(_)));
    (identity, token, request)
}

/// Takes part in the cluster as the holder of `identity`, saying `record` of itself.
async fn take_part(
    mesh: &TestMesh,
    at: &Path,
    identity: &Identity,
    record: Record,
    calls: Forger,
) -> Cluster {
    let config = Config {
        bind: "127.0.0.1:0".parse().unwrap(),
        advertise: None,
        seeds: vec![mesh.cluster().parse().unwrap()],
        directory: at.join("cluster"),
        tuning: Tuning::default(),
    };
    let cluster = config.join(identity.clone(), record, calls).await.unwrap();
    mesh.until("the attacker is a member", async || cluster.view().members().count() > 1).await;
    cluster
}

fn core_of(cluster: &Cluster) -> NodeId {
    let view = cluster.view();
    // The attacker may say of itself that it is a core.
    view.others().find(|member| member.role() == Some(&Role::Core)).unwrap().node
}

fn is_forbidden(outcome: &Result<Bytes, CallError>) -> bool {
    matches!(outcome, Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::Forbidden)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_join_is_worth_nothing_once_its_token_is_burnt() {
    let mesh = core().await;
    let (_, token, recorded) = enter(&mesh, "guest").await;
    let strangers = strangers(&mesh, &token);

    let replayed = strangers.ask(Patience::Rounds(2), method::JOIN, &recorded).await;
    assert!(matches!(replayed, Round::Refused(_)), "{replayed:?}");
    let own_key = join_request(&token, &NodeKey::generate().unwrap());
    let stolen = strangers.ask(Patience::Rounds(2), method::JOIN, &own_key).await;
    assert!(matches!(stolen, Round::Refused(_)), "{stolen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_key_speaks_for_no_other_node() {
    let mesh = core().await;
    let (victim, token, _) = enter(&mesh, "victim").await;
    let (thief, _, _) = enter(&mesh, "guest").await;
    let at = mesh.path("thief");

    // Under another's id it does not even leave the house; under its own it gets its own name certified.
    let foreign = Record { node: victim.node(), ..record(&thief) };
    let config = Config {
        bind: "127.0.0.1:0".parse().unwrap(),
        advertise: None,
        seeds: Vec::new(),
        directory: at.join("cluster"),
        tuning: Tuning::default(),
    };
    assert!(config.join(thief.clone(), foreign, Forger(None)).await.is_err());
    let cluster = take_part(&mesh, &at, &thief, record(&thief), Forger(None)).await;
    let csr = victim.signing_request().unwrap().into();
    let request = RenewRequest { csr }.encode();
    let answer = cluster.call(core_of(&cluster), method::RENEW, request).await.unwrap();
    let chain: Vec<_> =
        JoinResponse::decode(&answer).unwrap().chain.iter().map(|der| der.to_vec().into()).collect();
    assert_eq!(
        Peer::from_chain(&chain).unwrap().id,
        thief.id(),
        "the connection names the node, nothing else"
    );

    // The victim's certificate with the thief's key.
    let chain = victim.reattest_request().unwrap().chain;
    let request = ReattestRequest { csr: thief.signing_request().unwrap().into(), chain }.encode();
    let back = strangers(&mesh, &token).ask(Patience::Rounds(2), method::REATTEST, &request).await;
    assert!(matches!(back, Round::Refused(_)), "{back:?}");
    cluster.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_announcement_from_a_third_member_routes_nothing() {
    let mesh = core().await.plugin("static").await;
    mesh.put("/artifacts/static/docs/file/a", "true").await;
    let honest = mesh.instances("static").await;
    let (thief, _, _) = enter(&mesh, "guest").await;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let forged = Announcement {
        node: honest[0].parse().unwrap(),
        generation: Generation::new(99),
        plugin: "static".parse().unwrap(),
        version: "99.0.0".parse().unwrap(),
        media_types: Vec::new(),
        kinds: Vec::new(),
        service: listener.local_addr().unwrap(),
        policy: Policy {
            module: "package router\nimport rego.v1\ndefault output := {\"found\": false}\n".to_owned(),
            data: "{}".to_owned(),
        },
    };
    let said = Record {
        service: Some(forged.service),
        announcement: Some(forged.digest()),
        version: Some(forged.version.clone()),
        ..record(&thief)
    };
    let forger = Forger(Some(forged.encode()));
    let cluster = take_part(&mesh, &mesh.path("thief"), &thief, said, forger).await;

    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(mesh.instances("static").await, honest);
    let answer = mesh.get("/artifacts/static/docs/file/a").await;
    assert_eq!(answer.text().await.unwrap(), "true");
    cluster.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_no_core_whatever_it_says() {
    let mesh = core().await;
    let (thief, _, _) = enter(&mesh, "guest").await;
    let said = Record { role: Role::Core, ..record(&thief) };
    let cluster = take_part(&mesh, &mesh.path("thief"), &thief, said, Forger(None)).await;
    let core = core_of(&cluster);

    let csr = NodeKey::generate().unwrap().signing_request().unwrap().into();
    let delegated = cluster.call(core, method::DELEGATE, RenewRequest { csr }.encode()).await;
    assert!(is_forbidden(&delegated), "{delegated:?}");
    let roots = gossamer_oci::Digest::sha256(b"roots");
    let eviction = gossamer_wire::Eviction { node: core, until: i64::MAX };
    let trust = Trust { roots, evictions: vec![eviction] }.encode();
    let evicted = cluster.call(core, method::TRUST, trust).await;
    assert!(is_forbidden(&evicted), "{evicted:?}");
    let routes = cluster.call(core, method::ROUTES, Bytes::new()).await;
    assert!(is_forbidden(&routes), "{routes:?}");
    let node = thief.node().to_string();
    mesh.until("the core goes by the certificate", async || {
        let members = mesh.api("/api/v1/members").await;
        let members = members["members"].as_array().unwrap();
        members.iter().any(|member| member["node"] == node.as_str() && member["role"] == "plugin/guest")
    })
    .await;
    cluster.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_reaches_no_other_plugin_and_no_admin_api() {
    let mut mesh = core().await.plugin("static").await;
    mesh.start_plugin("static", "static-2").await;
    let thief = Identity::load(&mesh.path("static-1/identity")).unwrap().unwrap();
    let node = mesh.node_of("static-2").await;
    let members = mesh.api("/api/v1/members").await;
    let other = members["members"].as_array().unwrap().iter().find(|member| member["node"] == node.as_str());
    let service = other.unwrap()["service"].as_str().unwrap().parse().unwrap();

    for path in ["/livez", "/gossamer/v1/events", "/artifacts/static/docs/file/a"] {
        assert_eq!(request(&thief, service, "POST", path).await, None, "{path} was answered");
    }
    let answer = request(&thief, mesh.mesh().parse().unwrap(), "GET", "/api/v1/members").await;
    assert!(answer.is_none_or(|answer| !answer.contains(" 200 ")), "a plugin administers");
}

/// The beginning of the answer to one HTTP/1.1 request over mutual TLS, `None` if there is none.
async fn request(identity: &Identity, to: SocketAddr, method: &str, path: &str) -> Option<String> {
    let tcp = tokio::net::TcpStream::connect(to).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(identity.client_config(&[b"http/1.1", b"h2"]));
    let mut tls = connector.connect(gossamer_identity::server_name(), tcp).await.ok()?;
    let text = format!("{method} {path} HTTP/1.1\r\nhost: plugin\r\ncontent-length: 0\r\n\r\n");
    tls.write_all(text.as_bytes()).await.ok()?;
    let mut answer = vec![0; 256];
    let read = tokio::time::timeout(Duration::from_secs(5), tls.read(&mut answer)).await.ok()?.ok()?;
    (read > 0).then(|| String::from_utf8_lossy(&answer[..read]).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_trust_domain_is_refused_even_with_the_mesh_s_own_key() {
    let mesh = core().await;
    let directory = mesh.path("evil");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::copy(mesh.path("core/identity/ca.key"), directory.join("ca.key")).unwrap();
    let authority = Authority::open_or_create(&directory, &"evil".parse().unwrap()).unwrap();
    let now = time::OffsetDateTime::now_utc();
    let key = NodeKey::generate().unwrap();
    let evil = authority.enrol(key, &Grant::role(Role::Core), Duration::from_secs(60), now).unwrap();

    let to = mesh.mesh().parse().unwrap();
    assert_eq!(request(&evil, to, "GET", "/livez").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evicted_node_is_out_on_every_core_within_a_second() {
    let mut mesh = core().await.plugin("static").await;
    mesh.start_plugin("static", "static-2").await;
    mesh.start_further_core("second").await;
    let bases = [mesh.base(), mesh.further_core("second").base()];
    let client = reqwest::Client::new();
    let sees = async |base: &str, node: &str| {
        let answer = client.get(format!("{base}/api/v1/members")).send().await.unwrap();
        answer.text().await.unwrap().contains(node)
    };
    let node = mesh.node_of("static-1").await;
    mesh.until("both cores see it", async || sees(&bases[0], &node).await && sees(&bases[1], &node).await)
        .await;

    let begun = Instant::now();
    let path = format!("/api/v1/members/{node}/evict");
    let answer = mesh.request(Method::POST, &path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
    mesh.until("no core sees it", async || !sees(&bases[0], &node).await && !sees(&bases[1], &node).await)
        .await;
    assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?}", begun.elapsed());
    for number in 0..20 {
        mesh.put(&format!("/artifacts/static/docs-{number}/file/a"), "by the other").await;
    }

    // It does not come back, neither by its certificate nor by a token, nor after both sides start again.
    let token = mesh.token("static", &["application/vnd.ciq.static.*"]).await;
    mesh.process("static-1").kill();
    mesh.core().stop();
    mesh.start_core();
    let mut command = mesh.command();
    command.args(["plugin", "run", "static"]);
    mesh.spawn_plugin(command, "static-1", &token);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!sees(&bases[0], &node).await && !sees(&bases[1], &node).await);
    let thief = Identity::load(&mesh.path("static-1/identity")).unwrap().unwrap();
    assert_eq!(request(&thief, mesh.mesh().parse().unwrap(), "GET", "/livez").await, None);
    let reattest = thief.reattest_request().unwrap().encode();
    let token: JoinToken = token.parse().unwrap();
    let back = strangers(&mesh, &token).ask(Patience::Rounds(2), method::REATTEST, &reattest).await;
    assert!(matches!(back, Round::Refused(_)), "{back:?}");
}
