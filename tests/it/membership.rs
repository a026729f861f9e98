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
        let took: Vec<_> = (0..16).map(|seed| death(Sim::new(seed, quiet(nodes)), secs(5))).collect();
        println!("{nodes} nodes have given up the dead one after {:?}", took.iter().max());
    }
}

/// Kills the last node, and says how long the others take to give it up.
fn death(mut sim: Sim, within: Duration) -> Duration {
    let dead = sim.len() - 1;
    sim.join_all();
    agreed(&mut sim, secs(5));
    sim.run_for(secs(10)); // past the storm of joins
    sim.kill(dead);
    let took = agreed(&mut sim, within);
    assert!(sim.is_given_up(dead));
    in_order(&sim);
    took
}

// === small clusters, each on purpose: whom a node can ask when another does not answer ===

/// Nobody to lose, nobody to ask: whatever happens to its timers, it stays whole.
#[test]
fn one_node_never_gives_itself_up() {
    let mut sim = Sim::new(1, lossy(1));
    sim.join_all();
    sim.starve(0, secs(2));
    sim.run_for(secs(600));
    assert_eq!(sim.host(0).others(), []);
    assert_eq!((sim.false_deaths(), sim.disagreement()), (0, None));
}

/// Two: nobody can confirm. A probe fails as often as a packet or its answer is lost, and only the other's own word
/// refutes that; the dead are given up after one suspicion.
#[test]
fn two_nodes_bear_a_tenth_of_loss_and_see_a_death() {
    bears_loss(2, secs(5));
}

/// Three: the third confirms, or else waits twice as long, and carries the word of those who do not reach each other.
#[test]
fn three_nodes_bear_a_tenth_of_loss_and_see_a_death() {
    bears_loss(3, secs(6));
}

/// Five: three of the others are asked before anybody is suspected.
#[test]
fn five_nodes_bear_a_tenth_of_loss_and_see_a_death() {
    bears_loss(5, secs(6));
}

fn lossy(nodes: usize) -> Network {
    Network { nodes, loss: 0.1, latency: ms(1)..ms(20) }
}

/// Ten packets of a hundred are lost: nobody who lives is given up, and who dies is.
fn bears_loss(nodes: usize, within: Duration) {
    Seeds::from_env(0..6).each(|seed| {
        let mut sim = Sim::new(seed, lossy(nodes));
        sim.join_all();
        sim.run_for(secs(180));
        assert_eq!(sim.false_deaths(), 0, "GOSSAMER_SEED={seed}");
        let took = death(Sim::new(seed, lossy(nodes)), within);
        println!("{nodes} nodes, a tenth lost: seen dead after {took:?}");
    });
}

// === who cannot be trusted to judge ===

#[test]
fn a_starved_observer_gives_nobody_up() {
    for (nodes, lag) in [(2, ms(700)), (3, secs(2)), (5, ms(700)), (5, secs(5))] {
        let mut sim = Sim::new(1, noisy(nodes));
        sim.join_all();
        agreed(&mut sim, secs(5));
        sim.starve(0, lag);
        sim.run_for(secs(120));
        assert!(sim.host(0).health() > 0, "it knows that it is slow");
        assert_eq!(sim.false_deaths(), 0, "{nodes} nodes, timers {lag:?} late");
        in_order(&sim);
    }
}

/// One word against what a node has seen itself: only the one who is mistaken is without the member.
#[test]
fn a_member_that_serves_is_not_given_up_on_the_word_of_one() {
    for seed in 0..8 {
        let mut sim = Sim::new(seed, noisy(5));
        sim.join_all();
        agreed(&mut sim, secs(5));
        sim.run_for(secs(10));
        for host in [0, 3, 4] {
            sim.see(host, 2);
        }
        let mistaken = Input::Departed(sim.host(2).node);
        assert_eq!(sim.forge(1, mistaken), []);
        sim.run_for(secs(5));
        assert_eq!(sim.false_deaths(), 1, "GOSSAMER_SEED={seed}");
        agreed(&mut sim, secs(5));
    }
}

#[test]
fn a_node_that_does_not_hear_one_other_takes_nobody_with_it() {
    for nodes in [3, 5] {
        let mut sim = Sim::new(1, noisy(nodes));
        sim.join_all();
        agreed(&mut sim, secs(5));
        sim.silence(1, &[0]); // the first must ask others for the second, and they answer
        sim.run_for(secs(300));
        for host in 2..nodes {
            assert_eq!(sim.host(host).others().len(), nodes - 1, "host {host} of {nodes}");
        }
        sim.heal();
        agreed(&mut sim, secs(10));
    }
}

#[test]
fn fifty_that_join_at_one_moment_give_nobody_up() {
    Seeds::from_env(0..1).each(|seed| {
        let mut sim = Sim::new(seed, noisy(50));
        (0..50).for_each(|host| sim.start(host));
        let took = agreed(&mut sim, secs(10));
        println!("50 nodes agree {took:?} after they all have started");
        sim.run_for(secs(20));
        assert_eq!(sim.false_deaths(), 0, "GOSSAMER_SEED={seed}");
        in_order(&sim);
    });
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
            let took = agreed(&mut sim, ms(500));
            println!("{nodes} nodes know the second life {took:?} later");
        }
    }
}

#[test]
fn members_find_a_core_again_that_was_away_for_long() {
    let mut sim = Sim::new(1, quiet(3));
    sim.join_all();
    agreed(&mut sim, secs(1));
    sim.kill(0);
    sim.run_for(secs(2 * 3_600 + 600)); // the dead are forgotten after two hours
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
    Seeds::from_env(0..16).each(|seed| {
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
    let hours: Vec<_> = [2, 3, 5, 10].into_iter().map(|nodes| (nodes, secs(360))).collect();
    stay_whole(&hours);
}

/// Run by `tests/benches/node-hours`, which prints what it took.
#[test]
#[ignore = "a thousand node-hours take some minutes"]
fn nobody_is_given_up_for_a_little_loss_in_a_thousand_hours() {
    let runs = [(2, 25), (3, 20), (5, 10), (10, 4)]; // node-hours each: 50, 60, 50, 40
    let hours: Vec<_> =
        (0..5).flat_map(|_| runs).map(|(nodes, hours)| (nodes, secs(3_600 * hours))).collect();
    stay_whole(&hours);
}

/// Nobody is taken for dead while two packets of a hundred are lost.
fn stay_whole(runs: &[(usize, Duration)]) {
    Seeds::from_env(0..runs.len() as u64).each(|seed| {
        let (nodes, duration) = runs[usize::try_from(seed).unwrap()];
        let mut sim = Sim::new(seed, noisy(nodes));
        sim.join_all();
        sim.run_for(duration);
        assert_eq!(sim.false_deaths(), 0, "GOSSAMER_SEED={seed}");
        in_order(&sim);
    });
    let seconds: u64 = runs.iter().map(|(nodes, duration)| *nodes as u64 * duration.as_secs()).sum();
    println!("{} node-hours at 2 % loss, 0 false deaths", seconds / 3_600);
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
