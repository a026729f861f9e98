//! The one place where this crate reads a clock.

use std::time::Instant;

/// For time limits, quarantines and the duration in a trail. Nothing that a policy sees depends on it.
#[expect(clippy::disallowed_methods, reason = "the shell's clock; the cores take `now`")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
