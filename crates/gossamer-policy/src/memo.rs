//! Remembered decisions, each valid exactly as long as the registry answers its lookups as before.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gossamer_oci::Digest;
use metrics::counter;

use crate::{Answer, Decision, Lookup, Lookups};

/// Independent parts, so that threads seldom wait for each other.
const SHARDS: usize = 16;

/// Longest key, in bytes, that is worth remembering. Longer paths are no repeated ones.
const KEY_BYTES_MAX: usize = 2048;

/// Most answers that a remembered decision may rest on: they are all asked again on every hit.
const LOOKUPS_MAX: usize = 8;

/// A policy and everything of the input that it was shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    policy: Digest,
    input: Arc<str>,
}

/// A decision, and what it rests on.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    pub(crate) decision: Decision,
    pub(crate) lookups: Arc<[(Lookup, Answer)]>,
}

/// A bounded cache with a clock hand: what was used since the hand last passed stays.
pub(crate) struct Memo {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
}

#[derive(Default)]
struct Shard {
    places: HashMap<Key, usize>,
    slots: Vec<Slot>,
    hand: usize,
    capacity: usize,
}

struct Slot {
    key: Key,
    remembered: Remembered,
    used: bool,
}

// === impl Key ===

impl Key {
    /// `input` is the JSON text that the policy is shown. None if it is too long to be worth remembering.
    pub(crate) fn new(policy: Digest, input: &str) -> Option<Self> {
        (input.len() <= KEY_BYTES_MAX).then(|| Self { policy, input: input.into() })
    }
}

// === impl Memo ===

impl Memo {
    /// Remembers about `entries` decisions, rounded up to a multiple of the shards; none for 0.
    pub(crate) fn new(entries: usize) -> Self {
        let shard = || Mutex::new(Shard { capacity: entries.div_ceil(SHARDS), ..Shard::default() });
        Self { shards: (0..SHARDS).map(|_| shard()).collect(), hasher: RandomState::new() }
    }

    /// The decision for `key`, if every answer that it rests on is still the registry's answer.
    pub(crate) fn recall(&self, key: &Key, lookups: &dyn Lookups) -> Option<Remembered> {
        let Some(remembered) = self.shard(key)?.find(key) else {
            counter!("gossamer_policy_memo_misses_total").increment(1);
            return None;
        };
        let holds = |(lookup, answer): &(Lookup, Answer)| lookups.answer(lookup).as_ref() == Ok(answer);
        if remembered.lookups.iter().all(holds) {
            counter!("gossamer_policy_memo_hits_total").increment(1);
            Some(remembered)
        } else {
            counter!("gossamer_policy_memo_stale_total").increment(1);
            None
        }
    }

    /// Keeps a decision that depended on nothing but the key and `lookups`.
    pub(crate) fn remember(&self, key: Key, remembered: Remembered) {
        if remembered.lookups.len() > LOOKUPS_MAX {
            return;
        }
        if let Some(mut shard) = self.shard(&key)
            && shard.keep(key, remembered)
        {
            counter!("gossamer_policy_memo_evictions_total").increment(1);
        }
    }

    fn shard(&self, key: &Key) -> Option<MutexGuard<'_, Shard>> {
        // The remainder fits, whatever the width of the hash.
        let index = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        Some(self.shards.get(index)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Shard ===

impl Shard {
    fn find(&mut self, key: &Key) -> Option<Remembered> {
        let slot = self.slots.get_mut(*self.places.get(key)?)?;
        slot.used = true;
        Some(slot.remembered.clone())
    }

    /// Whether another decision had to go.
    fn keep(&mut self, key: Key, remembered: Remembered) -> bool {
        if let Some(slot) = self.places.get(&key).and_then(|place| self.slots.get_mut(*place)) {
            slot.remembered = remembered;
            return false;
        }
        let slot = Slot { key: key.clone(), remembered, used: false };
        if self.slots.len() < self.capacity {
            self.places.insert(key, self.slots.len());
            self.slots.push(slot);
            return false;
        }
        let Some(place) = self.victim() else { return false };
        if let Some(old) = self.slots.get_mut(place) {
            self.places.remove(&old.key);
            *old = slot;
            self.places.insert(key, place);
        }
        true
    }

    /// The first slot from the hand on that was not used since the hand last passed; none without slots.
    fn victim(&mut self) -> Option<usize> {
        loop {
            let place = self.hand;
            let slots = self.slots.len();
            let slot = self.slots.get_mut(place)?;
            self.hand = (place + 1) % slots;
            if !std::mem::take(&mut slot.used) {
                return Some(place);
            }
        }
    }
}

#[cfg(test)]
mod tests;
