//! Ten thousand members in a coarse model: the protocol's pace without its bytes, for sizes at which whole cores with
//! whole member lists do not fit into the memory of one machine.
//!
//! Time goes by in rounds of gossip. Every member probes one random other each half second, directly and then through
//! three; a suspicion waits as long as the tuning says for the size; whoever has news passes it to three random members
//! a round, twelve times.

use std::time::Duration;

use gossamer_cluster::Tuning;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use crate::{head, row};

const MEMBERS: &[usize] = &[1_000, 10_000];
const LOSS: &[f64] = &[0.0, 0.02, 0.05, 0.1];

/// Of these many runs the mean is printed.
const RUNS: u64 = 5;

/// Members that hear of each piece of news in each round, as foca is configured.
const FAN_OUT: usize = 3;

/// Members that are asked to probe when a direct probe failed.
const INDIRECT: usize = 3;

/// The share of members whose answers come too late for every direct and every indirect probe.
const SLOW: f64 = 0.001;

/// Rounds after which a run is given up.
const ROUNDS_MAX: u32 = 10_000;

/// What one run took.
#[derive(Clone, Copy, Default)]
struct Outcome {
    first_suspected: f64,
    all_know: f64,
    suspicions_per_hour: f64,
    packets: f64,
}

pub(crate) fn run() {
    head(&["members", "loss %", "suspect s", "all know s", "suspicions/h", "packets/s"]);
    for members in MEMBERS {
        for loss in LOSS {
            let runs: Vec<_> = (0..RUNS).map(|seed| one(seed, *members, *loss)).collect();
            let mean = |value: fn(&Outcome) -> f64| {
                format!("{:.1}", runs.iter().map(value).sum::<f64>() / RUNS as f64)
            };
            row(&[
                members.to_string(),
                format!("{:.0}", loss * 100.0),
                mean(|run| run.first_suspected),
                mean(|run| run.all_know),
                mean(|run| run.suspicions_per_hour),
                mean(|run| run.packets),
            ]);
        }
    }
}

fn one(seed: u64, members: usize, loss: f64) -> Outcome {
    let (mut rng, tuning) = (StdRng::seed_from_u64(seed), Tuning::default());
    let round = Duration::from_millis(tuning.gossip_ms).as_secs_f64();
    let suspicion = tuning.suspicion_ms as f64 / 1_000.0 * (members as f64).log10().max(1.0);
    // The first probe that meets the dead one: each member chooses one of all others each period.
    let per_round = members as f64 * round / (tuning.probe_ms as f64 / 1_000.0);
    let mut rounds = 0_u32;
    while rounds < ROUNDS_MAX && !(0..per_round as usize).any(|_| rng.random_range(0..members) == 0) {
        rounds += 1;
    }
    let first_suspected = f64::from(rounds) * round + tuning.probe_ms as f64 / 1_000.0;
    let (spread, packets) = spread(&mut rng, members, loss, usize::from(tuning.transmissions));
    // A probe of a live member fails if the direct one and all indirect ones do: two and four packets each.
    let direct = 1.0 - (1.0 - loss).powi(2) * (1.0 - SLOW);
    let indirect = (1.0 - (1.0 - loss).powi(4) * (1.0 - SLOW)).powi(i32::try_from(INDIRECT).unwrap());
    let probes_per_hour = members as f64 * 3_600.0 / (tuning.probe_ms as f64 / 1_000.0);
    Outcome {
        first_suspected,
        all_know: first_suspected + suspicion + f64::from(spread) * round,
        suspicions_per_hour: probes_per_hour * direct * indirect,
        packets: 2.0 * 1_000.0 / tuning.probe_ms as f64
            + packets as f64 / members as f64 / (f64::from(spread) * round),
    }
}

/// How many rounds it takes until everybody has the news, and how many packets carry it.
fn spread(rng: &mut impl Rng, members: usize, loss: f64, transmissions: usize) -> (u32, usize) {
    let mut left = vec![None; members];
    left[0] = Some(transmissions);
    let (mut informed, mut packets, mut rounds) = (1, 0, 0);
    while informed < members && rounds < ROUNDS_MAX {
        rounds += 1;
        let tellers: Vec<usize> =
            (0..members).filter(|member| left[*member].is_some_and(|left| left > 0)).collect();
        if tellers.is_empty() {
            // The last ones hear of it when they compare notes, one in each second.
            informed += ((members - informed) / 10).max(1);
            continue;
        }
        for teller in tellers {
            for _ in 0..FAN_OUT {
                packets += 1;
                let listener = rng.random_range(0..members);
                if left[listener].is_none() && !rng.random_bool(loss) {
                    left[listener] = Some(transmissions);
                    informed += 1;
                }
            }
            left[teller] = left[teller].map(|left| left.saturating_sub(FAN_OUT));
        }
    }
    (rounds, packets)
}
