//! How often a policy broke its evaluators, and how long it rests for it.

use std::time::{Duration, Instant};

/// Strikes within [`WINDOW`] that end in quarantine. One may be bad luck on a busy machine; three are not.
const STRIKES_MAX: u32 = 3;

/// How long a strike counts.
const WINDOW: Duration = Duration::from_secs(60);

/// The first quarantine. Each further one is twice as long, until the policy behaves for as long as it rested.
const REST_MIN: Duration = Duration::from_secs(10);

/// The longest quarantine: an operator who looks will have looked by then.
const REST_MAX: Duration = Duration::from_secs(600);

/// The record of one policy.
#[derive(Debug)]
pub(crate) struct Strikes {
    count: u32,
    /// When the first of the counted strikes fell.
    since: Option<Instant>,
    /// The end of the last quarantine and its length.
    rest: Option<(Instant, Duration)>,
}

// === impl Strikes ===

impl Strikes {
    pub(crate) fn none() -> Self {
        Self { count: 0, since: None, rest: None }
    }

    /// How much longer the policy rests; none if it may run.
    pub(crate) fn resting(&self, now: Instant) -> Option<Duration> {
        let (end, _) = self.rest?;
        end.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Counts a strike. The length of the quarantine if one begins with it.
    pub(crate) fn strike(&mut self, now: Instant) -> Option<Duration> {
        match self.since {
            Some(since) if now.saturating_duration_since(since) <= WINDOW => self.count += 1,
            Some(_) | None => (self.since, self.count) = (Some(now), 1),
        }
        if self.count < STRIKES_MAX {
            return None;
        }
        let length = match self.rest {
            Some((end, last)) if now.saturating_duration_since(end) <= last => (last * 2).min(REST_MAX),
            Some(_) | None => REST_MIN,
        };
        (self.count, self.since, self.rest) = (0, None, Some((now + length, length)));
        Some(length)
    }
}

#[cfg(test)]
mod tests;
