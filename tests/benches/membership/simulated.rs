//! Whole membership cores in virtual time: a hundred and a thousand of them, with loss, slow members and links that
//! work one way only.

use std::time::{Duration, Instant};

use gossamer_tests::sim::{Network, Seeds, Sim, Traffic};

use crate::{head, row};

const MEMBERS: &[usize] = &[100, 1_000];
const LOSS: &[f64] = &[0.0, 0.02, 0.05, 0.1];

/// Between two starts: a rack that is switched on.
const APART: Duration = Duration::from_millis(2);

/// How long traffic is counted, and false deaths with it.
const WATCHED: Duration = Duration::from_secs(60);

/// The longest that anything may take before the run gives up on it.
const PATIENCE: Duration = Duration::from_secs(180);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// How late the timers of slow members run.
const SLOW: Duration = Duration::from_millis(200);

/// The hours of the long run: as many as there are, by ten nodes each.
const RUNS: u64 = 50;
const NODES: usize = 10;
const HOURS_EACH: u64 = 2;

/// A table of detection, false deaths, convergence and traffic.
pub(crate) fn run() {
    head(&[
        "members",
        "loss %",
        "slow",
        "one-way",
        "joined s",
        "news s",
        "first s",
        "all s",
        "false",
        "packets/s",
        "bytes/s",
        "wall s",
    ]);
    for members in MEMBERS {
        for loss in LOSS {
            measure(*members, *loss, 0);
        }
        measure(*members, 0.02, members / 20);
    }
}

/// One row. `troubled` is the number of slow members, and of links that work one way only.
fn measure(members: usize, loss: f64, troubled: usize) {
    let begin = Instant::now();
    let latency = Duration::from_millis(1)..Duration::from_millis(20);
    let mut sim = Sim::new(1, Network { nodes: members, loss, latency });
    for host in 0..members {
        sim.start(host);
        sim.run_for(APART);
    }
    let joined = sim.run_until(LOOK, PATIENCE, |sim| sim.sees_all());
    for host in 1..=troubled {
        sim.starve(host, SLOW);
        sim.silence(members - host, &[members / 2 - host]);
    }
    sim.publish(members / 3);
    let news = sim.run_until(LOOK, PATIENCE, |sim| sim.have_news_of(members / 3));
    let before = (sim.traffic(), sim.false_deaths());
    sim.run_for(WATCHED);
    let Traffic { packets, bytes } = sim.traffic() - before.0;
    let false_deaths = sim.false_deaths() - before.1;
    let victim = members / 2 + 1;
    sim.kill(victim);
    let first = sim.run_until(LOOK, PATIENCE, |sim| sim.seen_by(victim) < members - 1);
    let rest = sim.run_until(LOOK, PATIENCE, |sim| sim.seen_by(victim) == 0);
    let per_second = |count: u64| format!("{:.0}", count as f64 / members as f64 / WATCHED.as_secs_f64());
    row(&[
        members.to_string(),
        format!("{:.0}", loss * 100.0),
        troubled.to_string(),
        troubled.to_string(),
        seconds(joined),
        seconds(news),
        seconds(first),
        seconds(first.and_then(|first| rest.map(|rest| first + rest))),
        false_deaths.to_string(),
        per_second(packets),
        per_second(bytes),
        format!("{:.0}", begin.elapsed().as_secs_f64()),
    ]);
}

/// A thousand node-hours at two percent of loss: nobody may be taken for dead.
pub(crate) fn hours() {
    let hours = RUNS * HOURS_EACH * NODES as u64;
    Seeds::from_env(0..RUNS).each(|seed| {
        let latency = Duration::from_millis(1)..Duration::from_millis(20);
        let mut sim = Sim::new(seed, Network { nodes: NODES, loss: 0.02, latency });
        sim.join_all();
        sim.run_for(Duration::from_secs(HOURS_EACH * 3_600));
        assert_eq!(sim.false_deaths(), 0, "GOSSAMER_SEED={seed}");
    });
    println!("{hours} node-hours at 2 % loss: 0 false deaths");
}

fn seconds(took: Option<Duration>) -> String {
    took.map_or_else(|| "never".to_owned(), |took| format!("{:.1}", took.as_secs_f64()))
}
