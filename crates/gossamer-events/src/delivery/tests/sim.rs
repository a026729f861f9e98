//! A core, its log and its plugins in virtual time, with everything going wrong by the seed.
//!
//! Checked at every step: a delivery is of an event that exists and is for that lane; one at a
//! time per lane; first acceptance in commit order; no cursor passes what was not delivered;
//! memory within its bounds; a crash redelivers no more than promised.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gossamer_oci::{PluginName, RepositoryName};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::super::{Config, Delivery, Failure, Input, Output, Routed};
use crate::{Cursors, Lane, Sequence};

const PLUGINS: [&str; 3] = ["ostree", "static", "yum"];
/// Joins when half of the log is written.
const LATE: &str = "yum";
const REPOSITORIES: u32 = 14;
const PUSHES: usize = 300;
/// The pushes and the faults take this long; then everything heals.
const TROUBLE: Duration = Duration::from_secs(30);
/// Many times the longest pause.
const PATIENCE: Duration = Duration::from_secs(300);

/// What may go wrong, each as a chance out of 100.
#[derive(Clone, Copy)]
pub(super) struct Faults {
    log: u32,
    delivery: u32,
    crashes: usize,
}

impl Faults {
    pub(super) const NONE: Self = Self { log: 0, delivery: 0, crashes: 0 };
    pub(super) const ALL: Self = Self { log: 5, delivery: 8, crashes: 6 };
}

enum Happening {
    Push,
    Answer { life: u32, input: Input },
    Wake { life: u32 },
    Arrive(Request),
    Store { life: u32, output: Output, reported: bool },
    CrashCore,
    StartCore,
    Plugin { name: PluginName, up: bool },
}

/// A delivery on its way to the plugin.
struct Request {
    /// Of the core that awaits the answer.
    life: u32,
    lane: Lane,
    sequence: Sequence,
    ack_lost: bool,
    /// The core no longer waits for the answer.
    late: bool,
}

/// What the log keeps of one plugin.
#[derive(Default)]
struct Stored {
    low: Sequence,
    lanes: BTreeMap<RepositoryName, Sequence>,
    dead: BTreeSet<Sequence>,
}

pub(super) struct Sim {
    faults: Faults,
    config: Config,
    rng: SmallRng,
    start: Instant,
    now: Instant,
    queue: BTreeMap<(Instant, u64), Happening>,
    scheduled: u64,
    core: Option<Delivery<SmallRng>>,
    /// Counts the lives of the core; answers to an older one are lost.
    life: u32,
    log: Vec<Routed>,
    /// Events that no plugin ever takes.
    poison: BTreeSet<Sequence>,
    stored: BTreeMap<PluginName, Stored>,
    up: BTreeSet<PluginName>,
    inbox: BTreeMap<Lane, BTreeSet<Sequence>>,
    in_flight: BTreeSet<Lane>,
    redelivered: usize,
    stopped: bool,
}

impl Sim {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let attempts_max = std::num::NonZeroU32::new(rng.random_range(0..=6));
        let config = Config {
            in_flight_max: rng.random_range(1..=6),
            lanes_max: rng.random_range(1..=20),
            window_max: rng.random_range(1..=4),
            scan_limit: rng.random_range(1..=8),
            load_limit: rng.random_range(1..=6),
            ahead_max: rng.random_range(1..=4),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(2),
            attempts_max: attempts_max.filter(|_| faults.delivery > 0),
            log_retry: Duration::from_millis(100),
            low_delay: Duration::from_millis(rng.random_range(1..=500)),
        };
        let start = super::origin();
        let mut sim = Self {
            faults,
            config,
            rng,
            start,
            now: start,
            queue: BTreeMap::new(),
            scheduled: 0,
            core: None,
            life: 0,
            log: Vec::new(),
            poison: BTreeSet::new(),
            stored: BTreeMap::new(),
            up: PLUGINS.iter().map(|name| name.parse().unwrap()).collect(),
            inbox: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            redelivered: 0,
            stopped: false,
        };
        sim.plan();
        sim
    }

    /// Writes down when what happens by itself will happen.
    fn plan(&mut self) {
        self.schedule(Duration::ZERO, Happening::StartCore);
        for _ in 0..PUSHES {
            let delay = self.up_to(TROUBLE);
            self.schedule(delay, Happening::Push);
        }
        for _ in 0..self.faults.crashes {
            let delay = self.up_to(TROUBLE);
            let pause = self.up_to(Duration::from_secs(2));
            self.schedule(delay, Happening::CrashCore);
            self.schedule(delay + pause, Happening::StartCore);
            let name: PluginName = PLUGINS[self.rng.random_range(0..PLUGINS.len())].parse().unwrap();
            let delay = self.up_to(TROUBLE);
            let pause = self.up_to(Duration::from_secs(9));
            let down = Happening::Plugin { name: name.clone(), up: false };
            self.schedule(delay, down);
            self.schedule(delay + pause, Happening::Plugin { name, up: true });
        }
    }

    // === Running ===

    pub(super) fn run(&mut self) {
        while self.step(self.start + TROUBLE + PATIENCE) {}
    }

    pub(super) fn run_until_half(&mut self) {
        while self.step(self.start + TROUBLE / 2) {}
    }

    /// Stops the core in order and starts the next one.
    pub(super) fn stop_and_start(&mut self) {
        self.tell(Input::Stop);
        while !self.stopped {
            assert!(self.step(self.now + PATIENCE), "the core does not stop");
        }
        self.crash();
        self.boot();
    }

    fn step(&mut self, end: Instant) -> bool {
        let Some(entry) = self.queue.first_entry() else { return false };
        let (at, _) = *entry.key();
        if at > end {
            return false;
        }
        let happening = entry.remove();
        self.now = at;
        self.happen(happening);
        true
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Push => self.push(),
            Happening::Answer { life, input } => self.answer(life, input),
            Happening::Wake { life } => self.answer(life, Input::Tick),
            Happening::Arrive(request) => self.arrive(request),
            Happening::Store { life, output, reported } => self.store(life, output, reported),
            Happening::CrashCore => self.crash(),
            Happening::StartCore => self.boot(),
            Happening::Plugin { name, up } => self.turn(name, up),
        }
    }

    fn push(&mut self) {
        let gap = if self.chance(10) { 3 } else { 1 };
        let last = self.log.last().map_or(0, |head| head.sequence.get());
        let sequence = Sequence::new(last + gap);
        let number = self.rng.random_range(0..REPOSITORIES);
        let repository: RepositoryName = format!("r{number}").parse().unwrap();
        // Of four repositories one is nobody's; of the others now and then an event is not wanted.
        let owner = PLUGINS.get(number as usize % 4).filter(|_| !self.chance(10));
        let plugin = owner.map(|name| name.parse().unwrap());
        if self.chance(self.faults.delivery / 4) {
            self.poison.insert(sequence);
        }
        self.log.push(Routed { sequence, repository, plugin });
        let half = self.log.len() == PUSHES / 2;
        if half {
            self.introduce(LATE);
        }
        self.tell(Input::Appended { head: sequence });
    }

    fn turn(&mut self, name: PluginName, up: bool) {
        let changed = if up { self.up.insert(name.clone()) } else { self.up.remove(&name) };
        if changed {
            let plugin = name;
            self.tell(if up { Input::Attached { plugin } } else { Input::Detached { plugin } });
        }
    }

    fn crash(&mut self) {
        self.core = None;
        self.in_flight.clear();
    }

    fn boot(&mut self) {
        if self.core.is_some() {
            return;
        }
        self.life += 1;
        self.stopped = false;
        let rng = SmallRng::seed_from_u64(self.rng.random());
        self.core = Some(Delivery::new(self.config.clone(), rng));
        self.redeliveries_are_bounded();
        let late = self.log.len() >= PUSHES / 2;
        for name in PLUGINS.into_iter().filter(|name| *name != LATE || late) {
            self.introduce(name);
        }
        let head = self.log.last().map_or(Sequence::ZERO, |head| head.sequence);
        self.tell(Input::Appended { head });
    }

    fn introduce(&mut self, name: &str) {
        let plugin: PluginName = name.parse().unwrap();
        let stored = self.stored.entry(plugin.clone()).or_default();
        let lanes = stored.lanes.iter().map(|(name, cursor)| (name.clone(), *cursor));
        let cursors = Cursors { low: stored.low, lanes: lanes.collect() };
        self.tell(Input::Started { plugin: plugin.clone(), cursors });
        if self.up.contains(&plugin) {
            self.tell(Input::Attached { plugin });
        }
    }

    // === Between core and world ===

    fn answer(&mut self, life: u32, input: Input) {
        if life != self.life {
            return;
        }
        if let Input::Acknowledged { lane, .. } | Input::Failed { lane, .. } = &input {
            self.in_flight.remove(lane);
        }
        let input = self.route(input);
        self.tell(input);
    }

    fn tell(&mut self, input: Input) {
        let Some(core) = &mut self.core else { return };
        let outputs: Vec<_> = core.handle(input, self.now).collect();
        self.memory_is_bounded();
        for output in outputs {
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Scan { after, limit } => {
                let heads = self.read(after, limit, None);
                self.read_back(Input::Scanned { heads }, Input::ScanFailed);
            }
            Output::Load { lane, after, limit } => {
                let heads = self.read(after, limit, Some(&lane.repository));
                let failed = Input::LoadFailed { lane: lane.clone() };
                self.read_back(Input::Loaded { lane, heads }, failed);
            }
            Output::Deliver { lane, sequence, .. } => self.deliver(lane, sequence),
            output @ (Output::Park(_) | Output::Commit { .. } | Output::CommitLow { .. }) => {
                let (life, delay) = (self.life, self.latency());
                let reported = !self.chance(self.faults.log);
                let stored = reported || self.chance(50);
                if stored {
                    self.schedule(delay, Happening::Store { life, output, reported });
                } else {
                    let input = failure_of(&output);
                    self.schedule(delay, Happening::Answer { life, input });
                }
            }
            Output::WakeAt(deadline) => {
                let life = self.life;
                let delay = deadline.saturating_duration_since(self.now);
                self.schedule(delay, Happening::Wake { life });
            }
            Output::Stopped => self.stopped = true,
        }
    }

    fn read(&self, after: Sequence, limit: usize, of: Option<&RepositoryName>) -> Vec<Routed> {
        let heads = self.log.iter().filter(|head| head.sequence > after);
        let heads = heads.filter(|head| of.is_none_or(|name| head.repository == *name));
        heads.take(limit).cloned().collect()
    }

    fn read_back(&mut self, answer: Input, failed: Input) {
        let (life, delay) = (self.life, self.latency());
        let input = if self.chance(self.faults.log) { failed } else { answer };
        self.schedule(delay, Happening::Answer { life, input });
    }

    /// Heads are routed when they are handed over: nothing is for a plugin without instances.
    fn route(&self, mut input: Input) -> Input {
        if let Input::Scanned { heads } | Input::Loaded { heads, .. } = &mut input {
            for head in heads {
                head.plugin = head.plugin.take().filter(|plugin| self.up.contains(plugin));
            }
        }
        input
    }

    fn deliver(&mut self, lane: Lane, sequence: Sequence) {
        assert!(self.in_flight.insert(lane.clone()), "two in flight in {lane}");
        let exists = self.wanted(&lane).any(|known| known == sequence);
        assert!(exists, "phantom {sequence} in {lane}");
        if self.inbox.get(&lane).is_some_and(|inbox| inbox.contains(&sequence)) {
            self.redelivered += 1;
        }
        let (life, delay) = (self.life, self.latency());
        let failure = if !self.up.contains(&lane.plugin) || self.chance(self.faults.delivery) {
            Some(Failure::Unreachable)
        } else if self.poison.contains(&sequence) {
            Some(Failure::Refused { reason: "poison".into() })
        } else if self.chance(self.faults.delivery) {
            Some(Failure::Retry { reason: "busy".into() })
        } else {
            None
        };
        if let Some(failure) = failure {
            let input = Input::Failed { lane, sequence, failure };
            return self.schedule(delay, Happening::Answer { life, input });
        }
        let ack_lost = self.chance(self.faults.delivery);
        let late = self.chance(self.faults.delivery);
        let arrival = if late { delay * 20 } else { delay };
        if late {
            let failure = Failure::Retry { reason: "no answer".into() };
            let input = Input::Failed { lane: lane.clone(), sequence, failure };
            self.schedule(delay, Happening::Answer { life, input });
        }
        let request = Request { life, lane, sequence, ack_lost, late };
        self.schedule(arrival, Happening::Arrive(request));
    }

    fn arrive(&mut self, request: Request) {
        let Request { life, lane, sequence, ack_lost, late } = request;
        let alive = self.up.contains(&lane.plugin);
        if alive {
            self.accept(&lane, sequence);
        }
        let input = if alive && !ack_lost {
            Input::Acknowledged { lane, sequence }
        } else {
            let failure = Failure::Retry { reason: "no answer".into() };
            Input::Failed { lane, sequence, failure }
        };
        let delay = self.latency();
        if !late {
            self.schedule(delay, Happening::Answer { life, input });
        }
    }

    fn accept(&mut self, lane: &Lane, sequence: Sequence) {
        let dead = &self.stored[&lane.plugin].dead;
        let inbox = self.inbox.get(lane).cloned().unwrap_or_default();
        let done = |earlier: &Sequence| inbox.contains(earlier) || dead.contains(earlier);
        let skipped = self.wanted(lane).find(|earlier| *earlier < sequence && !done(earlier));
        assert_eq!(skipped, None, "{sequence} came first in {lane}");
        self.inbox.entry(lane.clone()).or_default().insert(sequence);
    }

    fn store(&mut self, life: u32, output: Output, reported: bool) {
        let failed = failure_of(&output);
        let done = match output.clone() {
            Output::Commit { lane, cursor } => {
                self.is_delivered(&lane, cursor);
                let stored = self.stored.entry(lane.plugin.clone()).or_default();
                raise(stored, &lane.repository, cursor);
                Input::Committed { lane }
            }
            Output::Park(letter) => {
                let (lane, sequence) = (letter.lane, letter.sequence);
                let stored = self.stored.entry(lane.plugin.clone()).or_default();
                stored.dead.insert(sequence);
                raise(stored, &lane.repository, sequence);
                Input::Parked { lane, sequence }
            }
            Output::CommitLow { plugin, low } => {
                for number in 0..REPOSITORIES {
                    let repository = format!("r{number}").parse().unwrap();
                    let plugin = plugin.clone();
                    self.is_delivered(&Lane { plugin, repository }, low);
                }
                let stored = self.stored.entry(plugin.clone()).or_default();
                stored.low = stored.low.max(low);
                stored.lanes.retain(|_, cursor| *cursor > low);
                Input::CommittedLow { plugin }
            }
            Output::Scan { .. }
            | Output::Load { .. }
            | Output::Deliver { .. }
            | Output::WakeAt(_)
            | Output::Stopped => {
                panic!("{output:?} stores nothing")
            }
        };
        self.answer(life, if reported { done } else { failed });
    }

    // === What must hold ===

    /// The sequences that are for this lane, in order.
    fn wanted(&self, lane: &Lane) -> impl Iterator<Item = Sequence> + '_ {
        let Lane { plugin, repository } = lane.clone();
        let heads = self
            .log
            .iter()
            .filter(move |head| head.repository == repository && head.plugin.as_ref() == Some(&plugin));
        heads.map(|head| head.sequence)
    }

    fn is_delivered(&self, lane: &Lane, through: Sequence) {
        let none = BTreeSet::new();
        let inbox = self.inbox.get(lane).unwrap_or(&none);
        let dead = self.stored.get(&lane.plugin).map_or(&none, |stored| &stored.dead);
        for sequence in self.wanted(lane).take_while(|sequence| *sequence <= through) {
            let delivered = inbox.contains(&sequence) || dead.contains(&sequence);
            assert!(delivered, "cursor {through} passes {sequence} in {lane}");
        }
    }

    fn memory_is_bounded(&self) {
        let Some(core) = &self.core else { return };
        let lanes_max = self.config.lanes_max.max(self.config.scan_limit);
        let mut lanes = 0;
        for progress in core.progress() {
            assert!(progress.lanes <= lanes_max, "{progress:?}");
            assert!(progress.held <= progress.lanes * self.config.window_max, "{progress:?}");
            assert!(progress.in_flight <= self.config.in_flight_max, "{progress:?}");
            lanes += progress.lanes;
        }
        let timers = core.effects.timers.len();
        assert!(timers <= 2 * REPOSITORIES as usize + PLUGINS.len() + 1, "{timers} for {lanes}");
    }

    /// What was accepted and is not covered by a durable cursor will be delivered again.
    fn redeliveries_are_bounded(&self) {
        for (lane, inbox) in &self.inbox {
            let stored = &self.stored[&lane.plugin];
            let cursor = stored.lanes.get(&lane.repository).copied();
            let covered = cursor.unwrap_or_default().max(stored.low);
            let again = inbox.iter().filter(|sequence| **sequence > covered).count();
            let in_flight = 1;
            let bound = self.config.ahead_max as usize + in_flight;
            assert!(again <= bound, "{again} again in {lane}");
        }
    }

    /// Every wanted event is in the inbox or among the dead letters, and the core knows it.
    pub(super) fn everything_arrived(&self) {
        let head = self.log.last().unwrap().sequence;
        for name in PLUGINS {
            for number in 0..REPOSITORIES {
                let repository = format!("r{number}").parse().unwrap();
                let plugin = name.parse().unwrap();
                self.is_delivered(&Lane { plugin, repository }, head);
            }
            assert_eq!(self.stored[&name.parse::<PluginName>().unwrap()].low, head, "{name}");
        }
        for progress in self.core.as_ref().unwrap().progress() {
            assert_eq!((progress.lag, progress.lanes, progress.in_flight), (0, 0, 0));
        }
    }

    pub(super) fn redelivered(&self) -> usize {
        self.redelivered
    }

    // === Dice and clock ===

    fn chance(&mut self, percent: u32) -> bool {
        self.now < self.start + TROUBLE && self.rng.random_range(0..100) < percent
    }

    fn latency(&mut self) -> Duration {
        self.up_to(Duration::from_millis(80))
    }

    fn up_to(&mut self, limit: Duration) -> Duration {
        self.rng.random_range(Duration::ZERO..limit)
    }

    fn schedule(&mut self, delay: Duration, happening: Happening) {
        self.scheduled += 1;
        self.queue.insert((self.now + delay, self.scheduled), happening);
    }
}

fn raise(stored: &mut Stored, repository: &RepositoryName, cursor: Sequence) {
    if cursor > stored.low {
        let known = stored.lanes.entry(repository.clone()).or_default();
        *known = cursor.max(*known);
    }
}

fn failure_of(output: &Output) -> Input {
    match output.clone() {
        Output::Commit { lane, .. } => Input::CommitFailed { lane },
        Output::CommitLow { plugin, .. } => Input::CommitLowFailed { plugin },
        Output::Park(letter) => Input::ParkFailed { lane: letter.lane, sequence: letter.sequence },
        Output::Scan { .. }
        | Output::Load { .. }
        | Output::Deliver { .. }
        | Output::WakeAt(_)
        | Output::Stopped => {
            panic!("{output:?} stores nothing")
        }
    }
}
