//! One part of the index: its entries, and which of them goes when there are too many.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Key, Value};

/// Places of entries that are gone, beyond which the queue is swept.
const QUEUE_SLACK: usize = 64;

/// Entries under one lock.
pub(super) struct Shard {
    pub(super) slots: HashMap<Key, Slot>,
    /// Filled entries, oldest first, by key and number; a number that is not the entry's is left over.
    queue: VecDeque<(Key, u64)>,
    filled: u64,
    bytes: usize,
    bytes_max: usize,
}

/// The state of an entry. One that is not there is unknown.
pub(super) enum Slot {
    Ready(Ready),
    /// A reader is asking the catalog.
    Leased(u64),
    /// A writer is committing.
    Changing,
}

/// A known value.
pub(super) struct Ready {
    pub(super) value: Value,
    number: u64,
    /// Whether it was asked for since the queue last came by.
    used: AtomicBool,
}

// === impl Shard ===

impl Shard {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { slots: HashMap::new(), queue: VecDeque::new(), filled: 0, bytes: 0, bytes_max }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Value> {
        match self.slots.get(key)? {
            Slot::Ready(ready) => {
                ready.used.store(true, Ordering::Relaxed);
                Some(ready.value.clone())
            }
            Slot::Leased(_) | Slot::Changing => None,
        }
    }

    pub(super) fn has_lease(&self, key: &Key, number: u64) -> bool {
        matches!(self.slots.get(key), Some(Slot::Leased(found)) if *found == number)
    }

    pub(super) fn put(&mut self, key: Key, slot: Slot) {
        let old = self.slots.insert(key, slot);
        self.forget(old);
    }

    pub(super) fn remove(&mut self, key: &Key) {
        let old = self.slots.remove(key);
        self.forget(old);
    }

    /// Makes the value known, and others unknown until it fits.
    pub(super) fn fill(&mut self, key: Key, value: Value) {
        let cost = value.cost();
        if cost > self.bytes_max {
            return self.remove(&key);
        }
        self.filled += 1;
        let number = self.filled;
        self.put(key.clone(), Slot::Ready(Ready { value, number, used: AtomicBool::new(false) }));
        self.bytes += cost;
        self.queue.push_back((key, number));
        while self.bytes > self.bytes_max && self.evict_one() {}
        self.sweep_queue();
    }

    /// Looks at the oldest place: drops its entry, or gives it another round if it was asked for.
    fn evict_one(&mut self) -> bool {
        let Some((key, number)) = self.queue.pop_front() else { return false };
        if let Some(ready) = self.ready(&key, number) {
            if ready.used.swap(false, Ordering::Relaxed) {
                self.queue.push_back((key, number));
            } else {
                self.remove(&key);
            }
        }
        true
    }

    fn ready(&self, key: &Key, number: u64) -> Option<&Ready> {
        match self.slots.get(key)? {
            Slot::Ready(ready) if ready.number == number => Some(ready),
            Slot::Ready(_) | Slot::Leased(_) | Slot::Changing => None,
        }
    }

    /// Drops the places of entries that are gone, once they are as many as those that are there.
    fn sweep_queue(&mut self) {
        if self.queue.len() > 2 * self.slots.len() + QUEUE_SLACK {
            let mut queue = std::mem::take(&mut self.queue);
            queue.retain(|(key, number)| self.ready(key, *number).is_some());
            self.queue = queue;
        }
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.queue.len()
    }

    fn forget(&mut self, slot: Option<Slot>) {
        if let Some(Slot::Ready(ready)) = slot {
            self.bytes = self.bytes.saturating_sub(ready.value.cost());
        }
    }
}
