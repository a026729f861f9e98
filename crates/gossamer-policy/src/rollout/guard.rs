//! Whether a canary does worse than the version beside it: counts in a sliding window, and limits.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use semver::Version;
use serde::{Deserialize, Serialize};

use super::plan::Canary;

/// When a canary ends by itself. Shares are compared with those of the active version in the same window, so that a
/// registry or a plugin that fails everybody does not end it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// How far back requests count, in milliseconds.
    pub window_ms: u64,
    /// Fewer requests of the canary than this say nothing.
    pub requests_min: u64,
    /// How many percent of evaluations may fail more than the active version's.
    pub evaluation_failures_percent_max: u8,
    /// How many percent of answers may be a 5xx more than the active version's.
    pub server_errors_percent_max: u8,
    /// After this long without being ended the canary is promoted; by hand only if absent. In milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promote_after_ms: Option<u64>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Good,
    /// The policy gave no decision.
    EvaluationFailed,
    /// The policy decided, and the answer was a 5xx.
    ServerError,
}

/// What was counted of one version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub requests: u64,
    pub evaluation_failures: u64,
    pub server_errors: u64,
}

/// One canary while it is watched.
#[derive(Debug)]
pub(super) struct Trial {
    guard: Guard,
    version: Version,
    began: Instant,
    slots: VecDeque<Slot>,
}

/// What is to become of a canary, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    Good(String),
    Bad(String),
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    began: Instant,
    canary: Tally,
    active: Tally,
}

/// The window slides in steps of a tenth: ten slots are little memory, and a tenth is early enough.
const SLOTS: u32 = 10;

// === impl Guard ===

impl Default for Guard {
    fn default() -> Self {
        Self {
            window_ms: 60_000,
            requests_min: 20,
            evaluation_failures_percent_max: 1,
            server_errors_percent_max: 5,
            promote_after_ms: None,
        }
    }
}

// === impl Tally ===

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        self.requests += 1;
        match outcome {
            Outcome::Good => {}
            Outcome::EvaluationFailed => self.evaluation_failures += 1,
            Outcome::ServerError => self.server_errors += 1,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            evaluation_failures: self.evaluation_failures + other.evaluation_failures,
            server_errors: self.server_errors + other.server_errors,
        }
    }
}

// === impl Trial ===

impl Trial {
    pub(super) fn begin(canary: &Canary, now: Instant) -> Self {
        let Canary { version, guard, percent: _ } = canary.clone();
        Self { guard, version, began: now, slots: VecDeque::new() }
    }

    /// Counts a request of the canary, or of what decides for the other repositories.
    pub(super) fn count(&mut self, version: &Version, outcome: Outcome, now: Instant) {
        let is_canary = *version == self.version;
        self.slide(now);
        if let Some(slot) = self.slots.back_mut() {
            if is_canary { slot.canary.count(outcome) } else { slot.active.count(outcome) }
        }
    }

    /// The canary's tally and the active version's.
    pub(super) fn tallies(&mut self, now: Instant) -> (Tally, Tally) {
        self.slide(now);
        let start = (Tally::default(), Tally::default());
        self.slots
            .iter()
            .fold(start, |(canary, active), slot| (canary.plus(slot.canary), active.plus(slot.active)))
    }

    pub(super) fn judge(&mut self, now: Instant) -> Option<Judgement> {
        let (canary, active) = self.tallies(now);
        let Guard { requests_min, evaluation_failures_percent_max, server_errors_percent_max, .. } =
            self.guard;
        if canary.requests < requests_min.max(1) {
            return None;
        }
        let failures = (canary.evaluation_failures, active.evaluation_failures);
        let errors = (canary.server_errors, active.server_errors);
        let limits = [
            ("evaluations failed", failures, evaluation_failures_percent_max),
            ("answers were a 5xx", errors, server_errors_percent_max),
        ];
        for (what, (of_canary, of_active), percent_max) in limits {
            if exceeds((of_canary, canary.requests), (of_active, active.requests), percent_max) {
                return Some(Judgement::Bad(format!(
                    "{of_canary} of {} {what}, against {of_active} of {} by the active version",
                    canary.requests, active.requests
                )));
            }
        }
        let after = Duration::from_millis(self.guard.promote_after_ms?);
        let is_due = now.saturating_duration_since(self.began) >= after;
        is_due.then(|| Judgement::Good(format!("no guard objected to {} requests", canary.requests)))
    }

    /// Drops what is too old, and begins a new slot if the last one is full.
    fn slide(&mut self, now: Instant) {
        let window = Duration::from_millis(self.guard.window_ms.max(u64::from(SLOTS)));
        let age = |slot: &Slot| now.saturating_duration_since(slot.began);
        while self.slots.front().is_some_and(|slot| age(slot) > window) {
            self.slots.pop_front();
        }
        if self.slots.back().is_none_or(|slot| age(slot) >= window / SLOTS) {
            self.slots.push_back(Slot { began: now, canary: Tally::default(), active: Tally::default() });
        }
    }
}

/// Whether the share of the canary is more than `percent_max` points above that of the active version.
fn exceeds((bad, of): (u64, u64), (bad_active, of_active): (u64, u64), percent_max: u8) -> bool {
    let (of, of_active) = (u128::from(of.max(1)), u128::from(of_active.max(1)));
    let allowed = u128::from(bad_active) * 100 * of + u128::from(percent_max) * of * of_active;
    u128::from(bad) * 100 * of_active > allowed
}
