//! Membership in virtual time: whatever is lost, cut or restarted, the survivors agree again.

use std::time::Duration;

use gossamer_cluster::membership::{Fault, Input};
use gossamer_tests::sim::{Network, Seeds, Sim};

/// How many seeds each run of the tests goes through.
const SEEDS: std::ops::Range<u64> = 0..256;

/// How many things happen in each run before the survivors are left in peace.
const TROUBLES: usize = 16;

/// The longest that survivors may disagree after the last fault.
const AGREEMENT: Duration = secs(60);

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn quiet(nodes: usize) -> Network {
    Network { nodes, loss: 0.0, latency: ms(1)..ms(5) }
}

fn noisy(nodes: usize) -> Network {
    Network { nodes, loss: 0.02, latency: ms(1)..ms(20) }
}

#[track_caller]
fn agreed(sim: &mut Sim, within: Duration) -> Duration {
    match sim.run_until_agreed(within) {
        Ok(took) => took,
        Err(why) => panic!("GOSSAMER_SEED={}: after {:?}: {why}", sim.seed(), sim.elapsed()),
    }
}

#[track_caller]
fn in_order(sim: &Sim) {
    let faults: Vec<Fault> = sim.faults().collect();
    assert_eq!(faults, [], "GOSSAMER_SEED={}", sim.seed());
}

#[test]
fn a_node_that_is_alone_is_its_own_cluster() {
    let mut sim = Sim::new(1, quiet(1));
    sim.join_all();
    sim.run_for(secs(60));
    assert_eq!(agreed(&mut sim, secs(0)), secs(0));
    in_order(&sim);
}

#[test]
fn small_clusters_agree_within_a_second_of_joining() {
    for nodes in [2, 3, 5] {
        let mut sim = Sim::new(1, quiet(nodes));
        sim.join_all();
        let took = agreed(&mut sim, secs(1));
        println!("{nodes} nodes agree after {took:?}");
        in_order(&sim);
    }
}

#[test]
fn news_of_one_node_reaches_small_clusters_at_once() {
    for nodes in [2, 3, 5] {
        let mut sim = Sim::new(1, quiet(nodes));
        sim.join_all();
        agreed(&mut sim, secs(1));
        sim.publish(nodes - 1);
        let took = agreed(&mut sim, ms(500));
        println!("{nodes} nodes have the news after {took:?}");
    }
}

#[test]
fn a_silent_death_is_seen_within_five_seconds() {
    for nodes in [2, 3, 5] {
        for seed in 0..16 {
            let mut sim = Sim::new(seed, quiet(nodes));
            sim.join_all();
            agreed(&mut sim, secs(1));
            sim.run_for(secs(3));
            sim.kill(nodes - 1);
            agreed(&mut sim, secs(5));
            assert!(sim.is_given_up(nodes - 1));
            in_order(&sim);
        }
    }
}

#[test]
fn a_goodbye_is_seen_at_once() {
    for nodes in [2, 3, 5] {
        let mut sim = Sim::new(1, quiet(nodes));
        sim.join_all();
        agreed(&mut sim, secs(1));
        sim.leave(nodes - 1);
        agreed(&mut sim, ms(100));
    }
}

#[test]
fn a_restart_on_the_same_address_is_taken_up_at_once() {
    for nodes in [2, 3, 5] {
        let mut sim = Sim::new(1, quiet(nodes));
        sim.join_all();
        agreed(&mut sim, secs(1));
        for host in 0..nodes {
            sim.kill(host);
            sim.start(host);
            sim.run_for(ms(20)); // others still believe in the earlier run
            agreed(&mut sim, secs(2));
        }
    }
}

#[test]
fn members_find_a_core_again_that_was_away_for_long() {
    let mut sim = Sim::new(1, quiet(3));
    sim.join_all();
    agreed(&mut sim, secs(1));
    sim.kill(0);
    sim.run_for(secs(4 * 3_600));
    sim.start(0);
    agreed(&mut sim, secs(10));
}

#[test]
fn two_that_lost_each_other_meet_again() {
    let mut sim = Sim::new(1, quiet(2));
    sim.join_all();
    agreed(&mut sim, secs(1));
    sim.partition(&[0], &[1]);
    sim.run_for(secs(60));
    assert_eq!(sim.host(0).others(), []);
    sim.heal();
    agreed(&mut sim, secs(10));
}

#[test]
fn both_halves_agree_again_after_a_partition() {
    Seeds::from_env(0..32).each(|seed| {
        let mut sim = Sim::new(seed, noisy(7));
        sim.join_all();
        agreed(&mut sim, secs(10));
        sim.partition(&[0, 1, 2], &[3, 4, 5, 6]);
        sim.run_for(secs(60));
        sim.publish(1);
        sim.publish(5);
        sim.heal();
        agreed(&mut sim, AGREEMENT);
        in_order(&sim);
    });
}

#[test]
fn survivors_always_agree_again() {
    Seeds::from_env(SEEDS).each(|seed| {
        let mut sim = troubled(seed);
        agreed(&mut sim, AGREEMENT);
        in_order(&sim);
    });
}

/// A minute or so in which everything happens that can.
fn troubled(seed: u64) -> Sim {
    let nodes = [2, 3, 5, 7][usize::try_from(seed % 4).unwrap()];
    let loss = [0.0, 0.02, 0.1][usize::try_from(seed / 4 % 3).unwrap()];
    let mut sim = Sim::new(seed, Network { nodes, loss, latency: ms(1)..ms(20) });
    sim.join_all();
    for _ in 0..TROUBLES {
        let wait = secs(sim.pick(10) as u64);
        let host = sim.pick(nodes);
        match sim.pick(6) {
            0 => {
                let cut = sim.pick(nodes);
                let (left, right): (Vec<_>, Vec<_>) = (0..nodes).partition(|host| *host < cut);
                sim.partition(&left, &right);
            }
            1 | 2 => sim.heal(),
            3 if sim.is_running(host) => sim.kill(host),
            4 if sim.is_running(host) => sim.leave(host),
            3 | 4 => sim.start(host),
            _ if sim.is_running(host) => sim.publish(host),
            _ => sim.start(host),
        }
        sim.run_for(wait);
    }
    sim.heal();
    if !sim.is_running(0) {
        sim.start(0); // newcomers are sent there; one that never met anybody cannot know where else to go
    }
    sim
}

#[test]
fn nobody_is_given_up_for_a_little_loss() {
    Seeds::from_env(0..8).each(|seed| stays_whole(seed, 5, secs(900)));
}

#[test]
#[ignore = "a thousand node-hours take half an hour"]
fn nobody_is_given_up_for_a_little_loss_in_a_thousand_hours() {
    Seeds::from_env(0..20).each(|seed| stays_whole(seed, 10, secs(5 * 3_600)));
}

/// Nobody is taken for dead while two packets of a hundred are lost.
fn stays_whole(seed: u64, nodes: usize, duration: Duration) {
    let mut sim = Sim::new(seed, noisy(nodes));
    sim.join_all();
    sim.run_for(duration);
    assert_eq!(sim.false_deaths(), 0, "GOSSAMER_SEED={seed}");
    in_order(&sim);
}

#[test]
fn fifty_that_start_at_once_agree_within_seconds() {
    let mut sim = Sim::new(1, noisy(50));
    sim.join_all();
    let took = agreed(&mut sim, secs(5));
    println!("50 nodes agree {took:?} after the last has started");
    sim.publish(17);
    let took = agreed(&mut sim, secs(3));
    println!("50 nodes have the news after {took:?}");
    sim.kill(30);
    let took = agreed(&mut sim, secs(10));
    println!("50 nodes have given up the dead one after {took:?}");
    assert_eq!(sim.false_deaths(), 0);
    in_order(&sim);
}

#[test]
fn what_does_not_come_from_whom_it_names_is_refused() {
    let mut sim = Sim::new(1, quiet(2));
    sim.join_all();
    agreed(&mut sim, secs(1));
    let from = sim.host(1).node;
    let noise = Input::Packet { from, bytes: bytes::Bytes::from_static(b"no packet") };
    assert_eq!(sim.forge(0, noise), [Fault::Malformed]);
    let noise = Input::Letter { from, bytes: bytes::Bytes::from_static(b"no letter") };
    assert_eq!(sim.forge(0, noise), [Fault::Malformed]);
}
