//! How many requests may be sent a second time, so that trouble is not multiplied. Pure: owns no clock.

#[cfg(test)]
mod tests;

use std::time::Instant;

use serde::Deserialize;

/// The `[proxy.retries]` table. A request that was certainly not processed goes on to the next instance without
/// asking the budget; this is for those that may have been.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Second attempts per hundred requests.
    pub percent: u32,
    /// Second attempts per second that are free, so that a plugin with few requests has some too.
    pub per_second_min: u32,
    /// Instances that one request is sent to, the first included.
    pub attempts_max: u32,
}

/// What happened to a plugin's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// There is one more.
    Request,
    /// One would like to be sent again.
    Retry,
}

/// Whether a request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Granted,
    Refused,
}

/// The budget of one plugin, in hundredths of a second attempt.
#[derive(Clone, Debug)]
pub struct Budget {
    config: Config,
    saved: u64,
    counted: Instant,
}

/// What one second attempt costs.
const PRICE: u64 = 100;

/// Seconds of the free second attempts, and as many hundreds of requests, that can be saved up: a quiet day must
/// not pay for a storm.
const SAVED_SECONDS_MAX: u64 = 10;

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self { percent: 20, per_second_min: 10, attempts_max: 3 }
    }
}

// === impl Budget ===

impl Budget {
    pub fn new(config: Config, now: Instant) -> Self {
        let saved = PRICE * u64::from(config.per_second_min);
        Self { config, saved, counted: now }
    }

    /// Counts a request, or says whether one may be sent again.
    pub fn handle(&mut self, input: Input, now: Instant) -> Output {
        self.refill(now);
        match input {
            Input::Request => {
                self.save(u64::from(self.config.percent));
                Output::Granted
            }
            Input::Retry => match self.saved.checked_sub(PRICE) {
                Some(left) => {
                    self.saved = left;
                    Output::Granted
                }
                None => Output::Refused,
            },
        }
    }

    /// Time too short to earn anything is not lost: it counts the next time.
    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.counted).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX).min(SAVED_SECONDS_MAX * 1_000);
        let earned = passed * u64::from(self.config.per_second_min) * PRICE / 1_000;
        if earned > 0 {
            self.counted = now;
            self.save(earned);
        }
    }

    fn save(&mut self, earned: u64) {
        let per_second = u64::from(self.config.per_second_min).max(u64::from(self.config.percent));
        let most = SAVED_SECONDS_MAX * PRICE * per_second;
        self.saved = self.saved.saturating_add(earned).min(most);
    }
}
