//! Records in the order in which they came, the oldest giving way. In parts, so that threads seldom wait for each other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{DecisionId, Record};

/// One kind of records. As ids take turns among the parts, the parts fill evenly.
#[derive(Debug)]
pub(super) struct Ring {
    parts: Vec<Mutex<Part>>,
    /// Records of one part.
    places: usize,
    /// Bytes of one part.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Part {
    records: VecDeque<(usize, Arc<Record>)>,
    bytes: usize,
}

// === impl Ring ===

impl Ring {
    /// Keeps `max` records that take `bytes` together, each rounded up to a multiple of the parts.
    pub(super) fn new(max: usize, bytes: usize) -> Self {
        Self {
            parts: (0..DecisionId::PLACES).map(|_| Mutex::default()).collect(),
            places: max.div_ceil(DecisionId::PLACES).max(1),
            bytes: bytes.div_ceil(DecisionId::PLACES),
        }
    }

    pub(super) fn keep(&self, record: Arc<Record>) {
        let bytes = record.bytes();
        let Some(mut part) = self.part(record.id) else { return };
        part.bytes += bytes;
        part.records.push_back((bytes, record));
        let mut forgotten = None;
        while part.records.len() > self.places || (part.bytes > self.bytes && part.records.len() > 1) {
            forgotten = part.records.pop_front();
            part.bytes -= forgotten.as_ref().map_or(0, |(bytes, _)| *bytes);
        }
        drop(part); // before the last one that was forgotten, which takes longer to clear away
        drop(forgotten);
    }

    pub(super) fn get(&self, id: DecisionId) -> Option<Arc<Record>> {
        let part = self.part(id)?;
        part.records.iter().rev().find(|(_, record)| record.id == id).map(|(_, record)| Arc::clone(record))
    }

    /// What `pick` takes of the newest records, about `max` of them, as many of each part.
    pub(super) fn newest<T>(&self, max: usize, pick: impl Fn(&Record) -> Option<T>) -> Vec<T> {
        let each = max.div_ceil(self.parts.len().max(1));
        let mut picked = Vec::new();
        for part in &self.parts {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            picked.extend(part.records.iter().rev().filter_map(|(_, record)| pick(record)).take(each));
        }
        picked
    }

    fn part(&self, id: DecisionId) -> Option<MutexGuard<'_, Part>> {
        Some(self.parts.get(id.place())?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
