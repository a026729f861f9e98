//! From when to when a certificate holds.

use time::{Duration, OffsetDateTime};

/// How far a certificate is dated back, so that a peer whose clock is behind accepts it at once.
const BACKDATE_MAX: Duration = Duration::minutes(5);

/// A short life is dated back by this part of it at most, or its half life would already be past.
const BACKDATE_PART: i32 = 10;

/// The life of a certificate, both ends included, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub not_before: OffsetDateTime,
    pub not_after: OffsetDateTime,
}

impl Validity {
    /// A life that ends `lifetime` after `now`, and begins a little before it.
    pub fn starting(now: OffsetDateTime, lifetime: std::time::Duration) -> Self {
        let lifetime = Duration::try_from(lifetime).unwrap_or(Duration::MAX);
        let backdate = BACKDATE_MAX.min(lifetime / BACKDATE_PART);
        Self { not_before: now.saturating_sub(backdate), not_after: now.saturating_add(lifetime) }
    }

    pub fn lifetime(&self) -> Duration {
        self.not_after - self.not_before
    }

    pub fn contains(&self, now: OffsetDateTime) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}
