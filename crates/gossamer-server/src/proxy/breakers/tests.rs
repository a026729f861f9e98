//! What instances are sent, given what became of earlier requests.

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

struct Room {
    breakers: Breakers,
    now: Instant,
}

fn life(node: u8) -> Life {
    Life { node: NodeId::from_bytes([node; 16]), generation: Generation::new(1) }
}

fn plugin() -> PluginName {
    "yum".parse().unwrap()
}

impl Room {
    fn new() -> Self {
        Self { breakers: Breakers::new(Config::default()), now: tokio::time::Instant::now().into_std() }
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    fn handle(&mut self, input: Input) -> Vec<Output> {
        self.breakers.handle(input, self.now)
    }

    fn request(&mut self, node: u8, outcome: Outcome) -> Vec<Output> {
        self.handle(Input::Began(life(node), plugin()));
        self.handle(Input::Ended(life(node), outcome))
    }

    fn standing(&self, node: u8) -> Standing {
        self.breakers.standing(life(node), self.now)
    }

    fn fail_until_ejected(&mut self, node: u8) -> Duration {
        for _ in 0..Config::default().failures_max {
            if let [Output::Ejected { pause, .. }] = self.request(node, Outcome::Failed)[..] {
                return pause;
            }
        }
        panic!("it was not ejected");
    }

    /// Lets the ejection pass and answers the probe.
    fn probe(&mut self, node: u8, is_alive: bool) {
        self.pass(Config::default().longest_ms);
        assert_eq!(self.handle(Input::Wanted(life(node))), [Output::Probe(life(node))]);
        self.handle(Input::Probed { life: life(node), is_alive });
    }
}

#[test]
fn failures_in_a_row_eject_and_an_answer_between_them_does_not() {
    let mut room = Room::new();
    for _ in 0..20 {
        assert_eq!(room.request(1, Outcome::Failed), []);
        room.request(1, Outcome::Failed);
        room.request(1, Outcome::Answered);
    }
    assert_eq!(room.standing(1), Standing::Well);
    assert_eq!(room.fail_until_ejected(1), Duration::from_secs(1));
    assert_eq!(room.standing(1), Standing::Ejected);
    assert_eq!(room.standing(2), Standing::Well);
}

#[test]
fn an_ejected_instance_is_probed_once_and_only_when_its_time_is_over_and_somebody_wants_it() {
    let mut room = Room::new();
    room.fail_until_ejected(1);
    room.pass(999);
    assert_eq!(room.handle(Input::Wanted(life(1))), []);
    room.pass(1);
    assert_eq!(room.handle(Input::Wanted(life(1))), [Output::Probe(life(1))]);
    assert_eq!(room.handle(Input::Wanted(life(1))), [], "one probe at a time");
    assert_eq!(room.standing(1), Standing::Ejected, "no request is risked on it meanwhile");
}

#[test]
fn a_probe_without_an_answer_doubles_the_ejection_up_to_the_longest() {
    let mut room = Room::new();
    room.fail_until_ejected(1);
    room.pass(1_000);
    for pause in [2_000, 4_000, 8_000, 10_000, 10_000] {
        assert_eq!(room.handle(Input::Wanted(life(1))), [Output::Probe(life(1))]);
        room.handle(Input::Probed { life: life(1), is_alive: false });
        room.pass(pause - 1);
        assert_eq!(room.handle(Input::Wanted(life(1))), [], "{pause}");
        room.pass(1);
    }
}

#[test]
fn on_trial_one_request_at_a_time_decides() {
    let mut room = Room::new();
    room.fail_until_ejected(1);
    room.probe(1, true);
    assert_eq!(room.standing(1), Standing::Well);
    room.handle(Input::Began(life(1), plugin()));
    assert_eq!(room.standing(1), Standing::Ejected, "another request waits for the verdict");
    let again = room.handle(Input::Ended(life(1), Outcome::Failed));
    assert!(matches!(again[..], [Output::Ejected { cause: Cause::Trial, .. }]), "{again:?}");

    room.probe(1, true);
    assert_eq!(room.request(1, Outcome::Answered), [Output::Restored { life: life(1), plugin: plugin() }]);
    assert_eq!(room.fail_until_ejected(1), Duration::from_secs(1), "an answer forgives the past");
}

#[test]
fn a_trial_that_the_client_gave_up_decides_nothing() {
    let mut room = Room::new();
    room.fail_until_ejected(1);
    room.probe(1, true);
    assert_eq!(room.request(1, Outcome::Abandoned), []);
    assert_eq!(room.standing(1), Standing::Well);
}

#[test]
fn who_holds_requests_in_silence_comes_last_and_an_answer_puts_it_right() {
    let mut room = Room::new();
    room.handle(Input::Began(life(1), plugin()));
    room.handle(Input::Began(life(1), plugin()));
    room.pass(999);
    assert_eq!(room.standing(1), Standing::Well);
    room.pass(1);
    assert_eq!(room.standing(1), Standing::Stalled);
    room.handle(Input::Ended(life(1), Outcome::Answered));
    assert_eq!(room.standing(1), Standing::Well);
}

#[test]
fn impatient_clients_do_not_hide_an_instance_that_hangs() {
    let mut room = Room::new();
    for _ in 0..Config::default().failures_max {
        room.handle(Input::Began(life(1), plugin()));
        room.pass(1_500);
        room.handle(Input::Ended(life(1), Outcome::Abandoned));
    }
    assert_eq!(room.standing(1), Standing::Ejected);
}

#[test]
fn impatient_clients_alone_are_no_sign_of_anything() {
    let mut room = Room::new();
    for _ in 0..100 {
        assert_eq!(room.request(1, Outcome::Abandoned), []);
        room.pass(10);
    }
    assert_eq!(room.standing(1), Standing::Well);
}

#[test]
fn an_instance_far_worse_than_its_peers_is_ejected() {
    let mut room = Room::new();
    let mut ejected = Vec::new();
    for round in 0..40 {
        for peer in [2, 3] {
            room.request(peer, Outcome::Answered);
        }
        ejected = room.request(1, if round % 4 == 0 { Outcome::Answered } else { Outcome::Erred });
        if !ejected.is_empty() {
            break;
        }
    }
    assert!(matches!(ejected[..], [Output::Ejected { cause: Cause::Outlier, .. }]), "{ejected:?}");
}

#[test]
fn what_all_instances_get_wrong_ejects_none() {
    let mut room = Room::new();
    for _ in 0..100 {
        for node in [1, 2, 3] {
            assert_eq!(room.request(node, Outcome::Erred), []);
        }
    }
}

#[test]
fn errors_of_long_ago_are_forgotten() {
    let mut room = Room::new();
    for _ in 0..19 {
        room.request(2, Outcome::Answered);
        room.request(1, Outcome::Erred);
    }
    room.pass(10_000);
    room.request(2, Outcome::Answered);
    assert_eq!(room.request(1, Outcome::Erred), []);
}

#[test]
fn the_next_life_of_a_node_starts_without_a_past() {
    let mut room = Room::new();
    room.fail_until_ejected(1);
    let reborn = Life { generation: Generation::new(2), ..life(1) };
    assert_eq!(room.breakers.standing(reborn, room.now), Standing::Well);
    room.handle(Input::Began(reborn, plugin()));
    room.handle(Input::Ended(life(1), Outcome::Failed)); // news of the old life
    assert_eq!(room.breakers.standing(reborn, room.now), Standing::Well);
}

/// Requests a second for a minute, one in hand per client, to instances of which one hangs for a while.
#[test]
fn one_that_hangs_costs_a_bounded_number_of_requests_and_is_used_again_afterwards() {
    for seed in 0..64 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut room = Room::new();
        let hangs = rng.random_range(1_000..20_000)..rng.random_range(25_000..40_000);
        let (mut held, mut wasted, mut used_again) = (Vec::new(), 0, false);
        for millis in 0..60_000_u64 {
            room.pass(1);
            let (late, waiting): (Vec<u64>, Vec<u64>) =
                held.into_iter().partition(|since| millis - since > 5_000);
            held = waiting;
            for _ in late {
                room.handle(Input::Ended(life(1), Outcome::Failed));
            }
            let probes = room.handle(Input::Wanted(life(1)));
            if !probes.is_empty() {
                room.handle(Input::Probed { life: life(1), is_alive: !hangs.contains(&millis) });
            }
            if millis % 10 != 0 || room.standing(1) != Standing::Well {
                continue; // its peers take the request
            }
            room.handle(Input::Began(life(1), plugin()));
            if hangs.contains(&millis) {
                wasted += 1;
                held.push(millis);
            } else {
                room.handle(Input::Ended(life(1), Outcome::Answered));
                used_again |= millis > hangs.end;
            }
        }
        assert!(wasted <= 110, "seed {seed}: {wasted} requests, more than those of the first second");
        assert!(used_again, "seed {seed}");
    }
}
