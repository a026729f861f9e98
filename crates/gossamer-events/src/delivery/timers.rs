//! What is due when.

use std::collections::BTreeSet;
use std::time::Instant;

use gossamer_oci::PluginName;

use crate::Lane;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The lane may try again.
    Retry(Lane),
    /// The lane's cursor may be written again.
    Recommit(Lane),
    /// The plugin's low-water mark has waited long enough.
    CommitLow(PluginName),
    /// The log may be scanned again.
    Scan,
}

/// Timers in the order of their deadlines. Each is set at most once at a time.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BTreeSet<(Instant, Timer)>,
    /// The deadline that the shell was last told.
    told: Option<Instant>,
}

// === impl Timers ===

impl Timers {
    pub(super) fn set(&mut self, deadline: Instant, timer: Timer) {
        self.queue.insert((deadline, timer));
    }

    pub(super) fn cancel(&mut self, deadline: Instant, timer: Timer) {
        self.queue.remove(&(deadline, timer));
    }

    /// The next timer that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Timer> {
        self.told = self.told.filter(|told| *told > now);
        let (deadline, _) = self.queue.first()?;
        if *deadline > now {
            return None;
        }
        self.queue.pop_first().map(|(_, timer)| timer)
    }

    /// The earliest deadline, if the shell does not know it yet.
    pub(super) fn changed(&mut self) -> Option<Instant> {
        let (deadline, _) = self.queue.first()?;
        if self.told == Some(*deadline) {
            return None;
        }
        self.told = Some(*deadline);
        self.told
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}
