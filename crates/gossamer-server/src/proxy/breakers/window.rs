//! How many of the last answers were errors: two spans of five seconds, of which the older is dropped as a whole.

use std::time::{Duration, Instant};

const SPAN: Duration = Duration::from_secs(5);

/// The answers of the last five to ten seconds.
#[derive(Clone, Debug)]
pub(super) struct Window {
    began: Instant,
    current: Counts,
    before: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    answers: u32,
    errors: u32,
}

// === impl Window ===

impl Window {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, current: Counts::default(), before: Counts::default() }
    }

    pub(super) fn count(&mut self, is_error: bool, now: Instant) {
        *self = self.at(now);
        self.current.add(Counts { answers: 1, errors: u32::from(is_error) });
    }

    /// The sum of several, as of now; none for none.
    pub(super) fn together<'a>(windows: impl Iterator<Item = &'a Self>, now: Instant) -> Option<Self> {
        windows.map(|window| window.at(now)).reduce(|mut sum, window| {
            sum.current.add(window.current);
            sum.before.add(window.before);
            Self { began: now, ..sum }
        })
    }

    /// Errors per hundred answers, if there were at least `answers_min` of those.
    pub(super) fn errors_percent(&self, answers_min: u32, now: Instant) -> Option<u32> {
        let Self { current, before, .. } = self.at(now);
        let answers = current.answers.saturating_add(before.answers);
        let errors = current.errors.saturating_add(before.errors);
        (answers >= answers_min.max(1)).then(|| errors.saturating_mul(100) / answers)
    }

    fn at(&self, now: Instant) -> Self {
        let passed = now.saturating_duration_since(self.began);
        if passed < SPAN {
            self.clone()
        } else if passed < 2 * SPAN {
            Self { began: self.began + SPAN, current: Counts::default(), before: self.current }
        } else {
            Self::new(now)
        }
    }
}

// === impl Counts ===

impl Counts {
    fn add(&mut self, other: Self) {
        self.answers = self.answers.saturating_add(other.answers);
        self.errors = self.errors.saturating_add(other.errors);
    }
}
