//! The rules of delivery one by one, and then all at once under seeded chaos.

mod sim;

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use gossamer_oci::{PluginName, RepositoryName};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use self::sim::{Faults, Sim};
use super::{Config, Delivery, Failure, Input, Output, Routed};
use crate::{Cursors, Lane, Sequence};

/// Enough to meet what happens once in a thousand steps; GOSSAMER_SEED=n replays one.
const SEEDS: u64 = 250;

// === Words ===

fn plugin() -> PluginName {
    "yum".parse().unwrap()
}

fn repository(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

fn lane(name: &str) -> Lane {
    Lane { plugin: plugin(), repository: repository(name) }
}

fn seq(number: u64) -> Sequence {
    Sequence::new(number)
}

/// The heads of a log in which the n-th name has sequence n, from 1, all for one plugin.
fn heads(names: &[&str]) -> Vec<Routed> {
    (1..)
        .zip(names)
        .map(|(number, name)| Routed {
            sequence: seq(number),
            repository: repository(name),
            plugin: Some(plugin()),
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "some instant to count from")]
fn origin() -> Instant {
    Instant::now()
}

/// A core, its time, and nothing but its deliveries, as (repository, sequence, attempt).
struct Bench {
    core: Delivery<SmallRng>,
    now: Instant,
}

impl Bench {
    fn new(config: Config) -> Self {
        let core = Delivery::new(config, SmallRng::seed_from_u64(1));
        let now = origin();
        Self { core, now }
    }

    /// A core that has one attached plugin and has scanned this log.
    fn scanned(config: Config, names: &[&str]) -> (Self, Vec<(String, u64, u32)>) {
        let mut bench = Self::new(config);
        let cursors = Cursors::default();
        let plugin = plugin();
        let head = seq(names.len() as u64);
        bench.outputs(Input::Started { plugin: plugin.clone(), cursors });
        bench.outputs(Input::Attached { plugin });
        let scan = bench.outputs(Input::Appended { head });
        assert!(matches!(scan.as_slice(), [Output::Scan { .. }]), "{scan:?}");
        let heads = heads(names);
        let delivered = bench.deliveries(Input::Scanned { heads });
        (bench, delivered)
    }

    fn outputs(&mut self, input: Input) -> Vec<Output> {
        self.core.handle(input, self.now).collect()
    }

    fn deliveries(&mut self, input: Input) -> Vec<(String, u64, u32)> {
        let outputs = self.outputs(input);
        outputs.iter().filter_map(delivery).collect()
    }

    fn acknowledge(&mut self, name: &str, number: u64) -> Vec<(String, u64, u32)> {
        let (lane, sequence) = (lane(name), seq(number));
        self.deliveries(Input::Acknowledged { lane, sequence })
    }

    fn fail(&mut self, name: &str, number: u64, failure: Failure) -> Vec<Output> {
        let (lane, sequence) = (lane(name), seq(number));
        self.outputs(Input::Failed { lane, sequence, failure })
    }
}

fn delivery(output: &Output) -> Option<(String, u64, u32)> {
    if let Output::Deliver { lane, sequence, attempt } = output {
        let name = lane.repository.to_string();
        return Some((name, sequence.get(), *attempt));
    }
    None
}

fn at(name: &str, number: u64, attempt: u32) -> (String, u64, u32) {
    (name.into(), number, attempt)
}

fn retry() -> Failure {
    Failure::Retry { reason: "503".into() }
}

// === The rules ===

#[test]
fn lanes_go_side_by_side_and_each_in_order() {
    let (mut bench, first) = Bench::scanned(Config::default(), &["a", "b", "a"]);
    assert_eq!(first, [at("a", 1, 1), at("b", 2, 1)]);
    assert_eq!(bench.acknowledge("b", 2), []);
    assert_eq!(bench.acknowledge("a", 1), [at("a", 3, 1)]);
}

#[test]
fn a_busy_lane_takes_turns_with_the_others() {
    let config = Config { in_flight_max: 1, ..Config::default() };
    let (mut bench, first) = Bench::scanned(config, &["a", "a", "a", "b", "c"]);
    assert_eq!(first, [at("a", 1, 1)]);
    assert_eq!(bench.acknowledge("a", 1), [at("b", 4, 1)]);
    assert_eq!(bench.acknowledge("b", 4), [at("c", 5, 1)]);
    assert_eq!(bench.acknowledge("c", 5), [at("a", 2, 1)]);
}

#[test]
fn a_failure_is_tried_again_later_and_holds_only_its_lane() {
    let (mut bench, _) = Bench::scanned(Config::default(), &["a", "b", "b"]);
    let outputs = bench.fail("a", 1, retry());
    let [Output::WakeAt(deadline)] = outputs.as_slice() else {
        panic!("{outputs:?}");
    };
    assert!(*deadline <= bench.now + Config::default().backoff_min);
    assert_eq!(bench.acknowledge("b", 2), [at("b", 3, 1)]);
    bench.now = *deadline;
    assert_eq!(bench.deliveries(Input::Tick), [at("a", 1, 2)]);
}

#[test]
fn pauses_double_up_to_a_limit() {
    let config = Config::default();
    let mut rng = SmallRng::seed_from_u64(1);
    for (failures, limit_ms) in [(1, 100), (2, 200), (5, 1600), (11, 60_000), (u32::MAX, 60_000)] {
        let limit = Duration::from_millis(limit_ms);
        let pauses = (0..1000).map(|_| super::backoff::pause(&mut rng, &config, failures));
        let longest = pauses.max().unwrap();
        assert!(longest <= limit && longest > limit / 2, "{failures}: {longest:?}");
    }
}

#[test]
fn somebody_new_is_tried_at_once() {
    let (mut bench, _) = Bench::scanned(Config::default(), &["a"]);
    bench.fail("a", 1, Failure::Unreachable);
    let plugin = plugin();
    assert_eq!(bench.deliveries(Input::Attached { plugin }), [at("a", 1, 2)]);
    let low_water = 1;
    assert_eq!(bench.core.effects.timers.len(), low_water);
}

#[test]
fn nothing_goes_to_a_plugin_without_instances() {
    let (mut bench, _) = Bench::scanned(Config::default(), &["a", "a"]);
    bench.outputs(Input::Detached { plugin: plugin() });
    assert_eq!(bench.acknowledge("a", 1), []);
    let outputs = bench.outputs(Input::Appended { head: seq(9) });
    assert_eq!(outputs, [], "what nobody can take stays in the log");
    let attached = Input::Attached { plugin: plugin() };
    assert_eq!(bench.deliveries(attached), [at("a", 2, 1)]);
}

#[test]
fn what_the_plugin_refuses_becomes_a_dead_letter_and_the_lane_goes_on() {
    let (mut bench, _) = Bench::scanned(Config::default(), &["a", "a"]);
    let reason = String::from("400");
    let outputs = bench.fail("a", 1, Failure::Refused { reason });
    let [Output::Park(letter)] = outputs.as_slice() else {
        panic!("{outputs:?}");
    };
    assert_eq!((letter.sequence, letter.attempts), (seq(1), 1));
    let (lane, sequence) = (lane("a"), seq(1));
    let parked = Input::Parked { lane, sequence };
    assert_eq!(bench.deliveries(parked), [at("a", 2, 1)]);
}

#[test]
fn only_attempts_that_were_heard_count_towards_giving_up() {
    let config = Config { attempts_max: NonZeroU32::new(2), ..Config::default() };
    let (mut bench, _) = Bench::scanned(config, &["a"]);
    for failure in [Failure::Unreachable, retry(), Failure::Unreachable] {
        let outputs = bench.fail("a", 1, failure);
        assert!(!outputs.iter().any(|output| matches!(output, Output::Park(_))));
        bench.now += Duration::from_secs(60);
        bench.outputs(Input::Tick);
    }
    let outputs = bench.fail("a", 1, retry());
    assert!(matches!(outputs.as_slice(), [Output::Park(_)]), "{outputs:?}");
}

#[test]
fn a_lane_does_not_run_far_ahead_of_its_durable_cursor() {
    let config = Config { ahead_max: 2, ..Config::default() };
    let (mut bench, _) = Bench::scanned(config, &["a", "a", "a"]);
    assert_eq!(bench.acknowledge("a", 1), [at("a", 2, 1)]);
    assert_eq!(bench.acknowledge("a", 2), []);
    let outputs = bench.outputs(Input::Committed { lane: lane("a") });
    let (lane, cursor) = (lane("a"), seq(2));
    assert!(outputs.contains(&Output::Commit { lane, cursor }));
    assert_eq!(outputs.iter().find_map(delivery), Some(at("a", 3, 1)));
}

#[test]
fn the_low_water_mark_stops_before_what_is_undelivered() {
    let (mut bench, _) = Bench::scanned(Config::default(), &["a", "b", "b"]);
    bench.acknowledge("b", 2);
    bench.acknowledge("b", 3);
    let low = |bench: &Bench| bench.core.progress().next().unwrap().low;
    assert_eq!(low(&bench), seq(0));
    bench.acknowledge("a", 1);
    bench.now += Config::default().low_delay;
    let outputs = bench.outputs(Input::Tick);
    let (plugin, low) = (plugin(), seq(3));
    assert!(outputs.contains(&Output::CommitLow { plugin, low }), "{outputs:?}");
}

#[test]
fn a_restart_passes_over_what_the_cursors_cover() {
    let mut bench = Bench::new(Config::default());
    let plugin = plugin();
    let cursors = Cursors { low: seq(1), lanes: vec![(repository("b"), seq(3))] };
    bench.outputs(Input::Started { plugin: plugin.clone(), cursors });
    bench.outputs(Input::Attached { plugin });
    bench.outputs(Input::Appended { head: seq(5) });
    let heads = heads(&["a", "a", "b", "b", "c"]).split_off(1);
    let delivered = bench.deliveries(Input::Scanned { heads });
    assert_eq!(delivered, [at("a", 2, 1), at("b", 4, 1), at("c", 5, 1)]);
}

#[test]
fn a_log_that_ends_with_a_gap_is_not_read_for_ever() {
    let (mut bench, _) = Bench::scanned(Config::default(), &["a"]);
    bench.acknowledge("a", 1);
    let scan = bench.outputs(Input::Appended { head: seq(7) });
    assert!(matches!(scan.as_slice(), [Output::Scan { .. }]), "{scan:?}");
    let heads = Vec::new();
    assert_eq!(bench.outputs(Input::Scanned { heads }), []);
    assert_eq!(bench.core.progress().next().unwrap().low, seq(7));
}

#[test]
fn a_cursor_written_before_a_dead_letter_does_not_pass_for_one_written_after_it() {
    let mut cursor = super::lane::Cursor::default();
    cursor.acknowledge(seq(1));
    assert_eq!(cursor.write(), Some(seq(1)));
    cursor.park(seq(2));
    cursor.acknowledge(seq(3));
    cursor.written();
    assert_eq!(cursor.write(), Some(seq(3)));
}

#[test]
fn answers_to_what_was_not_asked_change_nothing() {
    let (mut bench, _) = Bench::scanned(Config::default(), &["a", "a"]);
    assert_eq!(bench.acknowledge("a", 2), []);
    assert_eq!(bench.acknowledge("x", 1), []);
    assert_eq!(bench.fail("b", 1, retry()), []);
    assert_eq!(bench.acknowledge("a", 1), [at("a", 2, 1)]);
}

#[test]
fn stopping_waits_for_what_is_in_flight_and_writes_everything_down() {
    let (mut bench, _) = Bench::scanned(Config::default(), &["a", "a"]);
    assert_eq!(bench.outputs(Input::Stop), []);
    assert_eq!(bench.acknowledge("a", 1), []);
    let outputs = bench.outputs(Input::Committed { lane: lane("a") });
    let (plugin, low) = (plugin(), seq(1));
    let expected = Output::CommitLow { plugin: plugin.clone(), low };
    assert_eq!(outputs, [expected]);
    let outputs = bench.outputs(Input::CommittedLow { plugin });
    assert_eq!(outputs, [Output::Stopped]);
}

// === All at once ===

fn each_seed(run: impl Fn(u64)) {
    let replay = std::env::var("GOSSAMER_SEED").ok();
    let replay = replay.map(|text| text.parse().expect("GOSSAMER_SEED is a number"));
    let seeds = replay.map_or(0..SEEDS, |seed| seed..seed + 1);
    for seed in seeds {
        let _named = Named(seed);
        run(seed);
    }
}

/// Says which seed it was when a run panics.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the failing seed; replay with GOSSAMER_SEED={}", self.0);
        }
    }
}

#[test]
fn without_faults_everything_is_delivered_exactly_once() {
    each_seed(|seed| {
        let mut sim = Sim::new(seed, Faults::NONE);
        sim.run();
        sim.everything_arrived();
        assert_eq!(sim.redelivered(), 0);
    });
}

#[test]
fn through_crashes_losses_and_delays_every_event_arrives_in_order() {
    each_seed(|seed| {
        let mut sim = Sim::new(seed, Faults::ALL);
        sim.run();
        sim.everything_arrived();
    });
}

#[test]
fn a_stopped_core_redelivers_nothing() {
    each_seed(|seed| {
        let mut sim = Sim::new(seed, Faults::NONE);
        sim.run_until_half();
        sim.stop_and_start();
        sim.run();
        sim.everything_arrived();
        assert_eq!(sim.redelivered(), 0);
    });
}
