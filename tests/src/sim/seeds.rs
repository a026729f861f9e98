//! Which runs of a simulation to make.

use std::{
    num::NonZeroUsize, ops::Range, sync::atomic::AtomicUsize, sync::atomic::Ordering::Relaxed, thread,
};

/// The variable that replays one run.
const VARIABLE: &str = "GOSSAMER_SEED";

/// The seeds of a test.
pub struct Seeds(Vec<u64>);

// === impl Seeds ===

impl Seeds {
    /// The given seeds or, if `GOSSAMER_SEED` is set, that one.
    pub fn from_env(usual: Range<u64>) -> Self {
        Self(match std::env::var(VARIABLE) {
            Ok(seed) => vec![seed.parse().expect("GOSSAMER_SEED is a number")],
            Err(_) => usual.collect(),
        })
    }

    /// Makes one run for each seed, as many at a time as there are processors. A run that panics fails the test.
    pub fn each(self, run: impl Fn(u64) + Sync) {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(seed) = self.0.get(next.fetch_add(1, Relaxed)) {
                run(*seed);
            }
        };
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, NonZeroUsize::get) {
                scope.spawn(work);
            }
        });
    }
}
