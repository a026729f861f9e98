//! The one task that delivers.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use gossamer_events::delivery::{Delivery, Failure, Input, Output, Progress, Routed};
use gossamer_events::{EventLog, Head, Sequence};
use gossamer_oci::PluginName;
use rand::rngs::SmallRng;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::destinations::Destinations;
use super::errand::{Done, Means};
use super::transport::Transport;
use super::{Config, measures};
use crate::directory::Instance;

/// How often progress is published. It walks over every lane.
const REPORT_PERIOD: Duration = Duration::from_secs(5);

/// Delivers events until it is told to stop.
///
/// The errands that it has under way are bounded by the core: per plugin so many deliveries, per
/// lane one read and one write, and one scan for all.
pub struct Courier<L, D, T> {
    core: Delivery<SmallRng>,
    means: Means<L, T>,
    head: watch::Receiver<Sequence>,
    destinations: watch::Receiver<Arc<D>>,
    /// The destinations that the core goes by.
    current: Arc<D>,
    plugins: BTreeMap<PluginName, Known>,
    errands: JoinSet<Done>,
    /// What the core is told of an errand that broke off.
    broken_off: HashMap<Id, Done>,
    wake: Option<Instant>,
    report: Interval,
    progress: watch::Sender<Arc<[Progress]>>,
    grace: Duration,
    stopping: Stopping,
}

/// A plugin as the core was told of it.
struct Known {
    is_started: bool,
    instances: Vec<Instance>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stopping {
    No,
    By(Instant),
    Stopped,
}

enum Happened {
    Closing,
    Appended,
    Destinations,
    Done(Result<(Id, Done), JoinError>),
    Wake,
    Report,
    GraceOver,
}

// === impl Courier ===

impl<L: EventLog, D: Destinations, T: Transport> Courier<L, D, T> {
    pub(super) fn new(config: Config<L, D, T>, progress: watch::Sender<Arc<[Progress]>>) -> Self {
        let Config { log, head, destinations, transport, delivery, grace } = config;
        let current = Arc::clone(&destinations.borrow());
        let mut report = interval(REPORT_PERIOD);
        report.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            core: Delivery::new(delivery, rand::make_rng()),
            means: Means { log: Arc::new(log), transport },
            head,
            destinations,
            current,
            plugins: BTreeMap::new(),
            errands: JoinSet::new(),
            broken_off: HashMap::new(),
            wake: None,
            report,
            progress,
            grace,
            stopping: Stopping::No,
        }
    }

    /// Delivers until `closing` is cancelled; then waits for what is in flight, as long as the
    /// grace lasts, and writes down how far everything has come.
    pub async fn run(mut self, closing: CancellationToken) {
        self.head.mark_changed();
        self.destinations.mark_changed();
        while self.stopping != Stopping::Stopped {
            let happened = tokio::select! {
                () = closing.cancelled(), if self.stopping == Stopping::No => Happened::Closing,
                () = grace_over(self.stopping) => Happened::GraceOver,
                Ok(()) = self.destinations.changed() => Happened::Destinations,
                Ok(()) = self.head.changed() => Happened::Appended,
                Some(done) = self.errands.join_next_with_id() => Happened::Done(done),
                () = until(self.wake) => Happened::Wake,
                _ = self.report.tick() => Happened::Report,
            };
            self.step(happened);
        }
    }

    fn step(&mut self, happened: Happened) {
        match happened {
            Happened::Closing => {
                self.stopping = Stopping::By(Instant::now() + self.grace);
                self.tell(Input::Stop);
            }
            Happened::Appended => {
                let head = *self.head.borrow_and_update();
                self.tell(Input::Appended { head });
            }
            Happened::Destinations => self.follow(),
            Happened::Done(done) => self.done(done),
            Happened::Wake => {
                self.wake = None;
                self.tell(Input::Tick);
            }
            Happened::Report => self.publish(),
            Happened::GraceOver => {
                warn!(unfinished = self.errands.len(), "Grace period over, dropping deliveries");
                self.stopping = Stopping::Stopped;
            }
        }
    }

    // === Who is there ===

    /// Tells the core who came, changed and went, before anything is routed by the new snapshot.
    fn follow(&mut self) {
        self.current = Arc::clone(&self.destinations.borrow_and_update());
        let current = Arc::clone(&self.current);
        let claiming = current.plugins();
        let known: Vec<_> = self.plugins.keys().cloned().collect();
        for plugin in known {
            let instances = if claiming.contains(&plugin) { current.instances(&plugin) } else { Vec::new() };
            self.attach(plugin, instances);
        }
        for plugin in claiming {
            if !self.plugins.contains_key(&plugin) {
                let instances = current.instances(&plugin);
                self.plugins.insert(plugin.clone(), Known { is_started: false, instances });
                self.start(plugin);
            }
        }
    }

    fn attach(&mut self, plugin: PluginName, instances: Vec<Instance>) {
        let Some(known) = self.plugins.get_mut(&plugin) else { return };
        if known.instances == instances {
            return;
        }
        let is_attached = !instances.is_empty();
        known.instances = instances;
        if known.is_started {
            self.tell(if is_attached { Input::Attached { plugin } } else { Input::Detached { plugin } });
        }
    }

    fn start(&mut self, plugin: PluginName) {
        let broken_off = Done::Started { plugin: plugin.clone(), cursors: None };
        let means = self.means.clone();
        self.send(broken_off, means.start(plugin));
    }

    // === What the core says ===

    fn tell(&mut self, input: Input) {
        let outputs: Vec<_> = self.core.handle(input, Instant::now().into_std()).collect();
        for output in outputs {
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        let means = self.means.clone();
        match output {
            Output::Scan { after, limit } => {
                self.send(Done::Input(Input::ScanFailed), means.scan(after, limit));
            }
            Output::Load { lane, after, limit } => {
                let broken_off = Input::LoadFailed { lane: lane.clone() };
                self.send(Done::Input(broken_off), means.load(lane, after, limit));
            }
            Output::Deliver { lane, sequence, attempt } => {
                let failure = Failure::Retry { reason: "the delivery broke off".into() };
                let broken_off = Input::Failed { lane: lane.clone(), sequence, failure };
                let current = Arc::clone(&self.current);
                self.send(Done::Input(broken_off), means.deliver(lane, sequence, attempt, current));
            }
            Output::Park(letter) => {
                let (lane, sequence) = (letter.lane.clone(), letter.sequence);
                self.send(Done::Input(Input::ParkFailed { lane, sequence }), means.park(letter));
            }
            Output::Commit { lane, cursor } => {
                let broken_off = Input::CommitFailed { lane: lane.clone() };
                self.send(Done::Input(broken_off), means.commit(lane, cursor));
            }
            Output::CommitLow { plugin, low } => {
                let broken_off = Input::CommitLowFailed { plugin: plugin.clone() };
                self.send(Done::Input(broken_off), means.commit_low(plugin, low));
            }
            Output::WakeAt(deadline) => self.wake = Some(Instant::from_std(deadline)),
            Output::Stopped => self.stopping = Stopping::Stopped,
        }
    }

    fn send(&mut self, broken_off: Done, errand: impl Future<Output = Done> + Send + 'static) {
        let id = self.errands.spawn(errand).id();
        self.broken_off.insert(id, broken_off);
    }

    // === What comes back ===

    fn done(&mut self, done: Result<(Id, Done), JoinError>) {
        let done = match done {
            Ok((id, done)) => {
                self.broken_off.remove(&id);
                done
            }
            Err(failure) => {
                error!(%failure, "A step of the delivery broke off");
                let Some(done) = self.broken_off.remove(&failure.id()) else { return };
                done
            }
        };
        match done {
            Done::Input(input) => self.tell(input),
            Done::Scanned(heads) => {
                let heads = self.route(heads);
                self.tell(Input::Scanned { heads });
            }
            Done::Loaded { lane, heads } => {
                let heads = self.route(heads);
                self.tell(Input::Loaded { lane, heads });
            }
            Done::Started { plugin, cursors: None } => self.start(plugin),
            Done::Started { plugin, cursors: Some(cursors) } => {
                let known = self.plugins.get_mut(&plugin);
                let is_attached = known.is_some_and(|known| {
                    known.is_started = true;
                    !known.instances.is_empty()
                });
                self.tell(Input::Started { plugin: plugin.clone(), cursors });
                if is_attached {
                    self.tell(Input::Attached { plugin });
                }
            }
        }
    }

    fn route(&self, heads: Vec<Head>) -> Vec<Routed> {
        let route = |head: Head| {
            let plugin = self.current.plugin_of(&head);
            let Head { sequence, repository, media_type: _ } = head;
            Routed { sequence, repository, plugin }
        };
        heads.into_iter().map(route).collect()
    }

    fn publish(&mut self) {
        let progress: Arc<[Progress]> = self.core.progress().collect();
        progress.iter().for_each(measures::progress);
        self.progress.send_replace(progress);
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn grace_over(stopping: Stopping) {
    match stopping {
        Stopping::By(deadline) => sleep_until(deadline).await,
        Stopping::No | Stopping::Stopped => std::future::pending().await,
    }
}
