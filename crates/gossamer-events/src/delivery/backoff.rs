//! How long to wait after a failure.

use std::time::Duration;

use rand::{Rng, RngExt};

use super::Config;

/// A pause after `failures` in a row (from 1): anything up to a limit that doubles each time.
///
/// Full jitter, so that the lanes of a plugin that comes back do not all ask at once.
pub(super) fn pause(rng: &mut impl Rng, config: &Config, failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    let limit = config.backoff_min.saturating_mul(doubled).min(config.backoff_max);
    rng.random_range(Duration::ZERO..=limit)
}
