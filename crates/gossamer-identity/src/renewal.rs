//! When to renew a certificate: a pure core. It is told the time and answers what to do next.

use gossamer_wire::NodeId;
use time::{Duration, OffsetDateTime};

use crate::Validity;

/// A shell asks again after at most this long: a wall clock may jump, and a machine may sleep.
const WAIT_MAX: Duration = Duration::minutes(1);

/// After the certificate has ended, for how long the node may still prove itself with its stored key.
pub const GRACE: Duration = Duration::days(7);

/// The part of its life after which a certificate is renewed.
const RENEW_AFTER: f64 = 0.5;

/// Nodes that joined together renew apart: up to this part of a life earlier.
const SPREAD: f64 = 0.1;

/// No certificate is renewed in less than this part of its life, or a wrong clock would make a storm.
const RENEW_NEVER_BEFORE: f64 = 0.1;

/// After the first failure, wait this part of a life; twice as long after each further one.
const RETRY_FIRST: f64 = 0.005;

/// Keeps at least ten attempts between half life and the end.
const RETRY_LAST: f64 = 0.05;

/// However short the life, issuers are not asked more often.
const RETRY_MIN: Duration = Duration::SECOND;

/// Doublings after which the wait no longer grows.
const DOUBLINGS_MAX: u32 = 8;

/// The renewal of one node's certificate. Owns no clock, timer or connection.
#[derive(Clone, Debug)]
pub struct Renewal {
    validity: Validity,
    /// When it was received by this node's clock, which may differ from the issuer's.
    received: Option<OffsetDateTime>,
    /// In `0.0..1.0`, this node's own.
    spread: f64,
    failures: u32,
    not_before: Option<OffsetDateTime>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing for so long; then ask again.
    Wait(std::time::Duration),
    /// Ask a core for the next certificate, over the mesh.
    Renew,
    /// The certificate has ended: peers refuse it, but a core may still know its key.
    Reattest,
    /// Too late for that as well: the node needs a new token.
    Rejoin,
}

/// The spread of this node, in `0.0..1.0`: its own, and the same at every start.
pub fn spread(node: NodeId) -> f64 {
    let [first, second, ..] = *node.as_bytes();
    f64::from(u16::from_be_bytes([first, second])) / 65_536.0
}

// === impl Renewal ===

impl Renewal {
    /// Of a certificate that was stored at some time before: for `spread`, see [`spread`].
    pub fn stored(validity: Validity, spread: f64) -> Self {
        Self { validity, received: None, spread: spread.clamp(0.0, 1.0), failures: 0, not_before: None }
    }

    /// Of a certificate that was received just `now`.
    pub fn received(validity: Validity, spread: f64, now: OffsetDateTime) -> Self {
        Self { received: Some(now), ..Self::stored(validity, spread) }
    }

    /// What to do at the time `now`.
    pub fn next(&self, now: OffsetDateTime) -> Step {
        let at = self.not_before.map_or(self.due(), |retry| retry.max(self.due()));
        if now < at {
            return Step::Wait((at - now).min(WAIT_MAX).unsigned_abs());
        }
        if now <= self.validity.not_after {
            Step::Renew
        } else if now <= self.validity.not_after.saturating_add(GRACE) {
            Step::Reattest
        } else {
            Step::Rejoin
        }
    }

    /// An attempt failed; wait before the next one.
    pub fn failed(&mut self, now: OffsetDateTime) {
        let doublings = f64::from(2_u32.pow(self.failures.min(DOUBLINGS_MAX)));
        let wait = self.part((RETRY_FIRST * doublings).min(RETRY_LAST)).max(RETRY_MIN);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now.saturating_add(wait));
    }

    /// A new certificate was received.
    pub fn renewed(&mut self, validity: Validity, now: OffsetDateTime) {
        *self = Self::received(validity, self.spread, now);
    }

    /// When the certificate is to be renewed, by this node's clock: at half life, seen both from the
    /// dates that the issuer wrote and from the moment of receipt, whichever comes first.
    fn due(&self) -> OffsetDateTime {
        let half = self.part(RENEW_AFTER - SPREAD * self.spread);
        let by_dates = self.validity.not_before.saturating_add(half);
        match self.received {
            Some(received) => by_dates
                .min(received.saturating_add(half))
                .max(received.saturating_add(self.part(RENEW_NEVER_BEFORE))),
            None => by_dates,
        }
    }

    fn part(&self, part: f64) -> Duration {
        let lifetime = self.validity.lifetime().as_seconds_f64().max(0.0);
        Duration::checked_seconds_f64(lifetime * part).unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests;
