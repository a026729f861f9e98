//! The courier with a log in memory, scripted plugins and time that runs when nothing else does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gossamer_events::delivery::{self, Failure};
use gossamer_events::{Action, Cursors, DeadLetter, Event, EventLog, Head, Lane, LogId, Origin, Sequence};
use gossamer_oci::{Digest, PluginName, RepositoryName};
use gossamer_wire::{Generation, NodeId};
use http::StatusCode;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::destinations::owner_key;
use super::transport::judge;
use super::{Config, Destinations, Fanout, Transport};
use crate::directory::Instance;

const STATIC: &str = "static";
const YUM: &str = "yum";

// === A log in memory ===

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    events: Vec<Event>,
    cursors: BTreeMap<PluginName, Cursors>,
    dead: Vec<DeadLetter>,
    broken: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("the disk is gone")]
struct Broken;

impl Log {
    fn ask<T>(&self, question: impl FnOnce(&mut Kept) -> T) -> Result<T, Broken> {
        let mut kept = self.0.lock().unwrap();
        if kept.broken { Err(Broken) } else { Ok(question(&mut kept)) }
    }

    fn events(
        &self,
        repository: Option<&RepositoryName>,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Event>, Broken> {
        self.ask(|kept| {
            let events = kept.events.iter().filter(|event| event.sequence > after);
            let events = events.filter(|event| repository.is_none_or(|name| event.repository == *name));
            events.take(limit).cloned().collect()
        })
    }

    fn low(&self, plugin: &str) -> u64 {
        let kept = self.0.lock().unwrap();
        kept.cursors.get(&name(plugin)).map_or(0, |cursors| cursors.low.get())
    }
}

impl EventLog for Log {
    type Error = Broken;

    fn id(&self) -> LogId {
        LogId::UNNAMED
    }

    async fn heads(&self, after: Sequence, limit: usize) -> Result<Vec<Head>, Broken> {
        Ok(self.events(None, after, limit)?.iter().map(Event::head).collect())
    }

    async fn lane_heads(
        &self,
        repository: &RepositoryName,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Head>, Broken> {
        Ok(self.events(Some(repository), after, limit)?.iter().map(Event::head).collect())
    }

    async fn read(&self, after: Sequence, limit: usize) -> Result<Vec<Event>, Broken> {
        self.events(None, after, limit)
    }

    async fn read_lane(
        &self,
        repository: &RepositoryName,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Event>, Broken> {
        self.events(Some(repository), after, limit)
    }

    async fn cursors(&self, plugin: &PluginName) -> Result<Cursors, Broken> {
        self.ask(|kept| kept.cursors.get(plugin).cloned().unwrap_or_default())
    }

    async fn commit(&self, lane: &Lane, cursor: Sequence) -> Result<(), Broken> {
        self.ask(|kept| {
            let cursors = kept.cursors.entry(lane.plugin.clone()).or_default();
            cursors.lanes.retain(|(repository, _)| *repository != lane.repository);
            cursors.lanes.push((lane.repository.clone(), cursor));
        })
    }

    async fn commit_low(&self, plugin: &PluginName, low: Sequence) -> Result<(), Broken> {
        self.ask(|kept| {
            let cursors = kept.cursors.entry(plugin.clone()).or_default();
            cursors.low = low;
            cursors.lanes.retain(|(_, cursor)| *cursor > low);
        })
    }

    async fn park(&self, letter: &DeadLetter) -> Result<(), Broken> {
        self.commit(&letter.lane, letter.sequence).await?;
        self.ask(|kept| kept.dead.push(letter.clone()))
    }
}

// === Scripted plugins ===

/// Plugins by name, with the nodes of their instances; events go by their path.
#[derive(Clone, Default)]
struct Mesh(BTreeMap<PluginName, Vec<NodeId>>);

impl Destinations for Mesh {
    fn plugins(&self) -> Vec<PluginName> {
        self.0.keys().cloned().collect()
    }

    fn instances(&self, plugin: &PluginName) -> Vec<Instance> {
        let nodes = self.0.get(plugin).cloned().unwrap_or_default();
        nodes.into_iter().map(|node| instance(plugin, node)).collect()
    }

    fn plugin_of(&self, head: &Head) -> Option<PluginName> {
        head.repository.plugin().filter(|plugin| self.0.contains_key(plugin))
    }

    fn owner(&self, lane: &Lane) -> Option<Instance> {
        self.instances(&lane.plugin).into_iter().next()
    }
}

fn instance(plugin: &PluginName, node: NodeId) -> Instance {
    Instance {
        node,
        generation: Generation::new(1),
        plugin: plugin.clone(),
        version: semver::Version::new(1, 0, 0),
        service: "127.0.0.1:1".parse().unwrap(),
        announcement: Digest::sha256(plugin.as_str().as_bytes()),
    }
}

/// What arrived where, and what each plugin says next; it takes everything once the script ends.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    arrived: Vec<(PluginName, u64)>,
    says: BTreeMap<PluginName, Vec<Said>>,
}

#[derive(Clone)]
enum Said {
    No(Failure),
    Panic,
    Nothing,
}

impl Transport for Wire {
    async fn post(&self, to: &Instance, event: Bytes) -> Result<(), Failure> {
        let (_, event) = gossamer_wire::event::decode(&event).unwrap();
        let said = {
            let mut script = self.0.lock().unwrap();
            let said = script.says.get_mut(&to.plugin).and_then(Vec::pop);
            if said.is_none() {
                script.arrived.push((to.plugin.clone(), event.sequence.get()));
            }
            said
        };
        match said {
            None => Ok(()),
            Some(Said::No(failure)) => Err(failure),
            Some(Said::Panic) => panic!("as scripted"),
            Some(Said::Nothing) => std::future::pending().await,
        }
    }
}

// === The bench ===

struct Bench {
    log: Log,
    wire: Wire,
    head: watch::Sender<Sequence>,
    mesh: watch::Sender<Arc<Mesh>>,
}

struct Running {
    fanout: Fanout,
    closing: CancellationToken,
    task: JoinHandle<()>,
}

impl Bench {
    fn new() -> Self {
        let (head, _) = watch::channel(Sequence::ZERO);
        let (mesh, _) = watch::channel(Arc::default());
        Self { log: Log::default(), wire: Wire::default(), head, mesh }
    }

    fn start(&self) -> Running {
        let config = Config {
            log: self.log.clone(),
            head: self.head.subscribe(),
            destinations: self.mesh.subscribe(),
            transport: self.wire.clone(),
            delivery: delivery::Config::default(),
            grace: Duration::from_secs(10),
        };
        let (fanout, courier) = config.open();
        let closing = CancellationToken::new();
        let run = courier.run(closing.clone());
        #[expect(clippy::disallowed_methods, reason = "the test waits for it by its handle")]
        let task = tokio::spawn(run);
        Running { fanout, closing, task }
    }

    fn join(&self, plugin: &str) {
        self.mesh.send_modify(|mesh| {
            let nodes = vec![NodeId::random()];
            Arc::make_mut(mesh).0.insert(name(plugin), nodes);
        });
    }

    fn push(&self, repository: &str) {
        let mut kept = self.log.0.lock().unwrap();
        let sequence = Sequence::new(kept.events.len() as u64 + 1);
        kept.events.push(event(sequence, repository));
        drop(kept);
        self.head.send_replace(sequence);
    }

    /// The script is read from its end.
    fn script(&self, plugin: &str, says: Vec<Said>) {
        self.wire.0.lock().unwrap().says.insert(name(plugin), says);
    }

    fn arrived(&self, plugin: &str) -> Vec<u64> {
        let script = self.wire.0.lock().unwrap();
        let here = script.arrived.iter().filter(|(to, _)| *to == name(plugin));
        here.map(|(_, sequence)| *sequence).collect()
    }
}

impl Running {
    async fn stop(self) {
        self.closing.cancel();
        self.task.await.unwrap();
    }
}

fn name(plugin: &str) -> PluginName {
    plugin.parse().unwrap()
}

fn event(sequence: Sequence, repository: &str) -> Event {
    Event {
        sequence,
        repository: repository.parse().unwrap(),
        digest: Digest::sha256(b"{}"),
        tag: None,
        media_type: Some("application/x".parse().unwrap()),
        payload: Bytes::from_static(b"{}"),
        action: Action::ManifestPut,
        origin: Origin::External { principal: "ann".into() },
        time: time::OffsetDateTime::UNIX_EPOCH,
        traceparent: None,
    }
}

fn busy() -> Said {
    Said::No(Failure::Retry { reason: "busy".into() })
}

/// Longer than the pauses after a few failures, shorter than the longest.
async fn a_while() {
    sleep(Duration::from_secs(20)).await;
}

// === Tests ===

#[tokio::test(start_paused = true)]
async fn events_reach_the_plugin_of_their_path_in_order() {
    let bench = Bench::new();
    bench.join(STATIC);
    let running = bench.start();
    for repository in ["artifacts/static/a", "library/x", "artifacts/static/a", "artifacts/yum/a"] {
        bench.push(repository);
    }
    a_while().await;
    assert_eq!(bench.arrived(STATIC), [1, 3]);
    assert_eq!(bench.log.low(STATIC), 4);
    let progress = running.fanout.progress();
    assert_eq!(progress.iter().map(|one| one.lag).collect::<Vec<_>>(), [0]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failing_plugin_gets_its_events_later_and_holds_up_nobody() {
    let bench = Bench::new();
    bench.join(STATIC);
    bench.join(YUM);
    bench.script(YUM, vec![busy(), Said::Panic, Said::No(Failure::Unreachable), busy()]);
    let running = bench.start();
    bench.push("artifacts/yum/a");
    bench.push("artifacts/static/a");
    bench.push("artifacts/yum/a");
    sleep(Duration::from_millis(1)).await;
    assert_eq!((bench.arrived(STATIC), bench.arrived(YUM)), (vec![2], vec![]));
    a_while().await;
    assert_eq!(bench.arrived(YUM), [1, 3]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_comes_later_gets_what_it_missed() {
    let bench = Bench::new();
    let running = bench.start();
    bench.push("artifacts/yum/a");
    a_while().await;
    bench.join(YUM);
    a_while().await;
    assert_eq!(bench.arrived(YUM), [1]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_instance_is_tried_at_once() {
    let bench = Bench::new();
    bench.join(YUM);
    bench.script(YUM, vec![Said::No(Failure::Unreachable); 12]);
    let running = bench.start();
    bench.push("artifacts/yum/a");
    a_while().await;
    assert!(bench.arrived(YUM).is_empty());
    bench.script(YUM, Vec::new());
    bench.join(YUM);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(bench.arrived(YUM), [1]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_plugin_refuses_is_kept_as_a_dead_letter() {
    let bench = Bench::new();
    bench.join(YUM);
    bench.script(YUM, vec![Said::No(Failure::Refused { reason: "no such thing".into() })]);
    let running = bench.start();
    bench.push("artifacts/yum/a");
    bench.push("artifacts/yum/a");
    a_while().await;
    assert_eq!(bench.arrived(YUM), [2]);
    let dead: Vec<_> = bench.log.0.lock().unwrap().dead.iter().map(|letter| letter.sequence.get()).collect();
    assert_eq!(dead, [1]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_fails_is_asked_again() {
    let bench = Bench::new();
    bench.join(YUM);
    let running = bench.start();
    bench.log.0.lock().unwrap().broken = true;
    bench.push("artifacts/yum/a");
    a_while().await;
    assert!(bench.arrived(YUM).is_empty());
    bench.log.0.lock().unwrap().broken = false;
    a_while().await;
    assert_eq!((bench.arrived(YUM), bench.log.low(YUM)), (vec![1], 1));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_courier_that_stopped_in_order_leaves_nothing_to_do_again() {
    let bench = Bench::new();
    bench.join(YUM);
    let running = bench.start();
    bench.push("artifacts/yum/a");
    sleep(Duration::from_millis(1)).await;
    running.stop().await;
    assert_eq!((bench.arrived(YUM), bench.log.low(YUM)), (vec![1], 1));
    let running = bench.start();
    bench.push("artifacts/yum/a");
    a_while().await;
    assert_eq!(bench.arrived(YUM), [1, 2]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_never_answers_does_not_keep_the_courier_from_stopping() {
    let bench = Bench::new();
    bench.join(YUM);
    bench.script(YUM, vec![Said::Nothing]);
    let running = bench.start();
    bench.push("artifacts/yum/a");
    sleep(Duration::from_millis(1)).await;
    running.stop().await;
    assert_eq!((bench.arrived(YUM), bench.log.low(YUM)), (vec![], 0));
}

#[test]
fn requests_and_events_of_a_repository_meet() {
    for (repository, key) in [
        ("artifacts/yum/epel/9/packages", "artifacts/yum/epel/9"),
        ("artifacts/static/files", "artifacts/static/files"),
        ("artifacts/static", "artifacts/static"),
        ("library/debian/base/x", "library/debian/base/x"),
        ("x", "x"),
    ] {
        assert_eq!(owner_key(&repository.parse().unwrap()), key);
    }
}

#[test]
fn only_an_answer_that_speaks_of_the_event_refuses_it() {
    assert_eq!(judge(StatusCode::OK, b""), Ok(()));
    for status in [400, 413, 415, 422] {
        let status = StatusCode::from_u16(status).unwrap();
        let refused = judge(status, b"no\n\xff");
        assert!(matches!(refused, Err(Failure::Refused { reason }) if !reason.contains('\n')));
    }
    for status in [301, 401, 403, 404, 408, 429, 500, 501, 503] {
        let status = StatusCode::from_u16(status).unwrap();
        assert!(matches!(judge(status, b""), Err(Failure::Retry { .. })), "{status}");
    }
}
