//! The one queue of timers, so that none overtakes another.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    time::Instant,
};

/// Timers in the order of their deadlines; those of one deadline in the order that foca gives them, then as they came.
///
/// foca takes a late timer well and an overtaken one badly, so whoever is late drains this queue in order.
#[derive(Debug)]
pub(super) struct Timers<T> {
    queue: BinaryHeap<Reverse<Entry<T>>>,
    submitted: u64,
}

#[derive(Debug)]
struct Entry<T> {
    deadline: Instant,
    timer: T,
    submitted: u64,
}

// === impl Timers ===

impl<T: Ord> Timers<T> {
    pub(super) fn new() -> Self {
        Self { queue: BinaryHeap::new(), submitted: 0 }
    }

    pub(super) fn submit(&mut self, deadline: Instant, timer: T) {
        self.submitted += 1;
        let submitted = self.submitted;
        self.queue.push(Reverse(Entry { deadline, timer, submitted }));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse(entry)| entry.deadline)
    }

    /// The next timer whose deadline has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<T> {
        if self.deadline()? > now {
            return None;
        }
        self.queue.pop().map(|Reverse(entry)| entry.timer)
    }
}

// === impl Entry ===

impl<T: Ord> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.deadline
            .cmp(&other.deadline)
            .then_with(|| self.timer.cmp(&other.timer))
            .then_with(|| self.submitted.cmp(&other.submitted))
    }
}

impl<T: Ord> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Ord> Eq for Entry<T> {}
