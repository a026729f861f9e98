//! Real sockets on loopback, real certificates: what a member of a mesh sees of the others.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use gossamer_identity::{Authority, Grant, Identity, NodeKey, Peer, pinned_client_config};
use gossamer_wire::{Generation, Role, alpn};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::*;
use crate::{
    Tuning,
    error::{Refusal, RefusalKind},
    shell::calling::join_call,
    shell::quic,
};

/// Longer than anything here may take: for failing, not for waiting.
const PATIENCE: Duration = Duration::from_secs(20);

/// One authority and the directories of its nodes.
struct Mesh {
    authority: Authority,
    directory: TempDir,
}

/// A node, running.
struct Node {
    identity: Identity,
    cluster: Cluster,
}

/// Answers with what it was asked and by whom; refuses what is called `no`.
struct Echo;

impl Calls for Echo {
    async fn call(&self, peer: Peer, method: &str, request: Bytes) -> Result<Bytes, Refusal> {
        match method {
            "echo" => Ok(format!("{} {}", peer.id.role, String::from_utf8_lossy(&request)).into()),
            "sleep" => std::future::pending().await,
            _ => Err(Refusal::new(RefusalKind::UnknownMethod, method)),
        }
    }

    async fn join(&self, method: &str, request: Bytes) -> Result<Bytes, Refusal> {
        Ok(format!("{method} {}", request.len()).into())
    }
}

impl Mesh {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority =
            Authority::open_or_create(&directory.path().join("ca"), &"test".parse().unwrap()).unwrap();
        Self { authority, directory }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn identity(&self, name: &str, role: Role) -> Identity {
        let key = NodeKey::load_or_create(&self.path(name)).unwrap();
        let now = std::time::SystemTime::now().into();
        self.authority.enrol(key, &Grant::role(role), Duration::from_secs(3_600), now).unwrap()
    }

    async fn node(&self, name: &str, role: Role, seeds: &[SocketAddr]) -> Node {
        let identity = self.identity(name, role);
        start(identity, &self.path(name), any(), seeds, 1).await
    }

    /// Nodes that all know each other: a core and agents.
    async fn nodes<const N: usize>(&self) -> [Node; N] {
        let mut nodes: Vec<Node> = Vec::new();
        for index in 0..N {
            let role = if index == 0 { Role::Core } else { Role::Agent };
            let seeds: Vec<_> = nodes.first().map(|node| node.cluster.local_addr()).into_iter().collect();
            nodes.push(self.node(&format!("node-{index}"), role, &seeds).await);
        }
        for node in &nodes {
            node.until("all are there", |view| view.members().count() == N).await;
        }
        nodes.try_into().ok().unwrap()
    }
}

async fn start(
    identity: Identity,
    directory: &Path,
    bind: SocketAddr,
    seeds: &[SocketAddr],
    generation: u64,
) -> Node {
    let config = Config {
        bind,
        advertise: None,
        seeds: seeds.to_vec(),
        directory: directory.join("cluster"),
        tuning: Tuning::default(),
    };
    let record = record(&identity, generation);
    let cluster = config.join(identity.clone(), record, Echo).await.unwrap();
    Node { identity, cluster }
}

impl Node {
    /// Waits until the view is as it should be; says how long that took.
    async fn until(&self, what: &str, holds: impl Fn(&View) -> bool) -> Duration {
        let begin = shell::now();
        let mut views = self.cluster.watch();
        let seen = tokio::time::timeout(PATIENCE, views.wait_for(|view| holds(view))).await;
        assert!(seen.is_ok(), "not in time: {what}: {:?}", self.cluster.view());
        begin.elapsed()
    }

    fn id(&self) -> NodeId {
        self.identity.node()
    }
}

fn any() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn record(identity: &Identity, generation: u64) -> Record {
    Record {
        node: identity.node(),
        revision: 1,
        generation: Generation::new(generation),
        role: identity.id().role,
        version: None,
        service: None,
        announcement: None,
        route_table: None,
        leaving: false,
    }
}

/// Runs a node in a runtime of its own, which can be taken away from it.
fn separately(start: impl Future<Output = Node> + Send + 'static) -> (Runtime, Node) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    let node = std::thread::spawn(move || handle.block_on(start)).join().unwrap();
    (runtime, node)
}

/// The socket closes and nothing is said.
fn kill((runtime, node): (Runtime, Node)) {
    runtime.shutdown_background();
    drop(node);
}

/// Waits for the socket of an earlier run to close.
async fn until_free(address: SocketAddr) {
    while std::net::UdpSocket::bind(address).is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_seeds_is_a_cluster_of_one() {
    let [node] = Mesh::new().nodes().await;
    let view = node.cluster.view();
    assert_eq!(view.me(), node.id());
    assert_eq!(view.having(&Role::Core).count(), 1);
    assert_eq!(view.others().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_find_each_other_and_what_they_say() {
    let mesh = Mesh::new();
    let [one, two, three] = mesh.nodes().await;
    for node in [&one, &two, &three] {
        node.until("all records", |view| view.members().all(|member| member.record.is_some())).await;
        let view = node.cluster.view();
        assert_eq!(view.having(&Role::Core).map(|core| core.node).collect::<Vec<_>>(), [one.id()]);
        assert_eq!(view.having(&Role::Agent).count(), 2);
        let owner =
            |node: &Node| node.cluster.view().owner(&Role::Agent, "a repository").map(|owner| owner.node);
        assert_eq!(owner(node), owner(&one), "they agree on who owns what");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn news_reaches_the_others() {
    let mesh = Mesh::new();
    let [one, two, three] = mesh.nodes().await;
    let service: SocketAddr = (Ipv4Addr::LOCALHOST, 4_433).into();
    three.cluster.publish(Record { service: Some(service), ..record(&three.identity, 1) }).unwrap();
    let told = |view: &View| view.get(three.id()).and_then(|three| three.record.clone());
    for node in [&one, &two, &three] {
        let took = node
            .until("the news", |view| told(view).is_some_and(|record| record.service == Some(service)))
            .await;
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    assert!(told(&one.cluster.view()).unwrap().revision > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_call_each_other_in_both_directions() {
    let mesh = Mesh::new();
    let [one, two] = mesh.nodes().await;
    let answer = one.cluster.call(two.id(), "echo", Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!(answer, "core hello");
    let answer = two.cluster.call(one.id(), "echo", Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!(answer, "agent hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_cannot_do_has_a_name() {
    let mesh = Mesh::new();
    let [one, two] = mesh.nodes().await;
    let refused = one.cluster.call(two.id(), "no", Bytes::new()).await;
    let Err(CallError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal, Refusal::new(RefusalKind::UnknownMethod, "no"));
    let nobody = NodeId::from_bytes([0; 16]);
    assert!(matches!(one.cluster.call(nobody, "echo", Bytes::new()).await, Err(CallError::Unknown(_))));
    let long = Bytes::from(vec![0; crate::CALL_BYTES_MAX + 1]);
    assert!(matches!(one.cluster.call(two.id(), "echo", long).await, Err(CallError::TooLong { .. })));
    let whole = Bytes::from(vec![b'x'; crate::CALL_BYTES_MAX - 16]);
    assert_eq!(
        one.cluster.call(two.id(), "echo", whole.clone()).await.unwrap().len(),
        whole.len() + "core ".len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_is_seen_at_once() {
    let mesh = Mesh::new();
    let [one, two, three] = mesh.nodes().await;
    let left = three.id();
    three.cluster.leave().await;
    assert!(matches!(three.cluster.publish(record(&three.identity, 1)), Err(PublishError::Left)));
    for node in [&one, &two] {
        let took = node.until("it is gone", |view| view.get(left).is_none()).await;
        assert!(took < Duration::from_millis(500), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_death_is_seen() {
    let mesh = Mesh::new();
    let [one, two] = mesh.nodes().await;
    let (identity, directory) = (mesh.identity("third", Role::Agent), mesh.path("third"));
    let seeds = [one.cluster.local_addr()];
    let third = separately(async move { start(identity, &directory, any(), &seeds, 1).await });
    let dead = third.1.id();
    for node in [&one, &two] {
        node.until("the third is there", |view| view.get(dead).is_some()).await;
    }
    kill(third);
    for node in [&one, &two] {
        let took = node.until("the third is gone", |view| view.get(dead).is_none()).await;
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
    let view = one.cluster.view();
    let suspicion = view.suspicions().iter().find(|suspicion| suspicion.accused == dead).unwrap();
    assert!([one.id(), two.id()].contains(&suspicion.accuser), "{suspicion:?}");
    assert_eq!(suspicion.outcome, crate::Outcome::Confirmed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_the_same_address_is_taken_up_at_once() {
    let mesh = Mesh::new();
    let [one, two] = mesh.nodes().await;
    let (identity, directory) = (mesh.identity("third", Role::Agent), mesh.path("third"));
    let seeds = [one.cluster.local_addr()];
    let third = {
        let (identity, directory) = (identity.clone(), directory.clone());
        separately(async move { start(identity, &directory, any(), &seeds, 1).await })
    };
    let (id, address) = (third.1.id(), third.1.cluster.local_addr());
    two.until("the third is there", |view| view.get(id).is_some_and(|third| third.record.is_some())).await;
    two.cluster.call(id, "echo", Bytes::new()).await.unwrap();

    kill(third);
    until_free(address).await;
    let begin = shell::now();
    let third = start(identity, &directory, address, &seeds, 2).await;
    for node in [&one, &two] {
        let reborn = |view: &View| view.get(id)?.record.as_ref().map(|record| record.generation.get());
        node.until("its second life", |view| reborn(view) == Some(2)).await;
    }
    let took = begin.elapsed();
    println!("the second life was seen by all {took:?} after its start began");
    assert!(took < Duration::from_secs(1), "{took:?}: milliseconds on a machine with nothing else to do");
    // The connection of its first life is still in the pool, and answers with a reset.
    let answer = two.cluster.call(id, "echo", Bytes::from_static(b"again")).await.unwrap();
    assert_eq!(answer, "agent again");
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    third.cluster.leave().await;
}

/// A storm: 1 225 pairs shake hands within seconds, while each node probes the others.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_that_join_at_one_moment_give_nobody_up() {
    const NODES: usize = 50;
    let mesh = Mesh::new();
    let first = mesh.node("node-0", Role::Core, &[]).await;
    let seeds = [first.cluster.local_addr()];
    let mut nodes = vec![first];
    for index in 1..NODES {
        nodes.push(mesh.node(&format!("node-{index}"), Role::Agent, &seeds).await);
    }
    let begin = shell::now();
    for node in &nodes {
        node.until("all fifty", |view| view.members().count() == NODES).await;
    }
    println!("50 nodes see each other after {:?}", begin.elapsed());
    tokio::time::sleep(Duration::from_secs(3)).await; // a suspicion of the storm would end now
    let given_up = |node: &Node| {
        let confirmed = |suspicion: &&crate::Suspicion| suspicion.outcome == crate::Outcome::Confirmed;
        node.cluster.view().suspicions().iter().filter(confirmed).count()
    };
    assert_eq!(nodes.iter().map(given_up).sum::<usize>(), 0);
    assert!(nodes.iter().all(|node| node.cluster.view().members().count() == NODES));
}

/// To its peer, a node that answers requests is alive, whatever somebody else says of it.
#[tokio::test(flavor = "multi_thread")]
async fn sightings_reach_the_core_without_end() {
    let mesh = Mesh::new();
    let [one, two] = mesh.nodes().await;
    let stranger = NodeId::from_bytes([0; 16]);
    for _ in 0..10_000 {
        one.cluster.seen(two.id());
        one.cluster.seen(stranger);
    }
    one.until("both", |view| view.members().count() == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_finds_a_member_that_came_back_on_another_port() {
    let mesh = Mesh::new();
    let [one] = mesh.nodes().await;
    let (identity, directory) = (mesh.identity("second", Role::Agent), mesh.path("second"));
    let seeds = [one.cluster.local_addr()];
    let second = {
        let (identity, directory) = (identity.clone(), directory.clone());
        separately(async move { start(identity, &directory, any(), &seeds, 1).await })
    };
    let id = second.1.id();
    one.until("the second", |view| view.get(id).is_some()).await;
    one.cluster.call(id, "echo", Bytes::new()).await.unwrap();

    kill(second);
    let second = start(identity, &directory, any(), &seeds, 2).await;
    let address = second.cluster.local_addr();
    one.until("its new address", |view| view.get(id).is_some_and(|second| second.address == address)).await;
    // The connection of its first life is still in the pool, and leads nowhere.
    let begin = shell::now();
    one.cluster.call(id, "echo", Bytes::new()).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_finds_its_cluster_again_without_a_seed() {
    let mesh = Mesh::new();
    let [one, two] = mesh.nodes().await;
    let Node { identity, cluster } = two;
    cluster.leave().await;
    drop(cluster);
    let two = start(identity, &mesh.path("node-1"), any(), &[], 2).await;
    two.until("the first again", |view| view.get(one.id()).is_some()).await;
    one.until("the second again", |view| view.get(two.id()).is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused() {
    let (mesh, other) = (Mesh::new(), Mesh::new());
    let [one] = mesh.nodes().await;
    // A certificate of another authority: each refuses the other.
    let stranger = other.node("stranger", Role::Agent, &[one.cluster.local_addr()]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(one.cluster.view().others().count(), 0);
    assert_eq!(stranger.cluster.view().others().count(), 0);
    // No certificate at all, where one is needed.
    for protocol in [alpn::GOSSIP, alpn::CALL] {
        let tls = pinned_client_config(mesh.authority.pin(), &[protocol]).unwrap();
        let endpoint = quinn::Endpoint::client(any()).unwrap();
        let connection = quic::connect(&endpoint, one.cluster.local_addr(), tls, false).await.unwrap();
        let closed = tokio::time::timeout(PATIENCE, connection.closed()).await.unwrap();
        assert!(matches!(closed, quinn::ConnectionError::ApplicationClosed(_)), "{closed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_without_a_certificate_may_ask_to_join() {
    let mesh = Mesh::new();
    let [one] = mesh.nodes().await;
    let tls = pinned_client_config(mesh.authority.pin(), &[alpn::JOIN]).unwrap();
    let answer =
        join_call(one.cluster.local_addr(), tls, "join", Bytes::from_static(b"please")).await.unwrap();
    assert_eq!(answer, "join 6");
    // The pin is of another authority: nothing is sent.
    let tls = pinned_client_config(Mesh::new().authority.pin(), &[alpn::JOIN]).unwrap();
    let refused = join_call(one.cluster.local_addr(), tls, "join", Bytes::new()).await;
    assert!(matches!(refused, Err(CallError::Unreachable { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_another_node_is_not_ours_to_tell() {
    let mesh = Mesh::new();
    let [one, two] = mesh.nodes().await;
    assert_eq!(one.cluster.publish(record(&two.identity, 9)), Err(PublishError::Foreign));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_are_their_own_seeds_still_meet() {
    let mesh = Mesh::new();
    let one = mesh.node("one", Role::Core, &[]).await;
    let address = one.cluster.local_addr();
    let Node { identity, cluster } = one;
    cluster.leave().await;
    drop(cluster);
    until_free(address).await;
    let one = start(identity, &mesh.path("one"), address, &[address], 2).await;
    let two = mesh.node("two", Role::Core, &[address]).await;
    one.until("the other", |view| view.get(two.id()).is_some()).await;
}
