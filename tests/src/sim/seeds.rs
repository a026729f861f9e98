//! Which runs of a simulation to make.

use std::ops::Range;

/// The variable that replays one run.
const VARIABLE: &str = "GOSSAMER_SEED";

/// The seeds of a test.
pub struct Seeds;

// === impl Seeds ===

impl Seeds {
    /// The given seeds or, if `GOSSAMER_SEED` is set, that one.
    pub fn from_env(usual: Range<u64>) -> Vec<u64> {
        match std::env::var(VARIABLE) {
            Ok(seed) => vec![seed.parse().expect("GOSSAMER_SEED is a number")],
            Err(_) => usual.collect(),
        }
    }
}
