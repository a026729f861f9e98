//! The place of an event in the log of its mesh.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The place of an event in the log: dense enough to count by, strictly growing in commit order.
///
/// As a cursor it means "everything up to and including this".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(u64);

// === impl Sequence ===

impl Sequence {
    /// Before the first event. No event has it; as a cursor it means "nothing yet".
    pub const ZERO: Self = Self(0);

    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sequence after this one. The last of all stays where it is.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The sequence before this one. `ZERO` stays where it is.
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
