//! What nodes say of themselves, as far as it has reached us; and the rumours that carry it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{BufMut, Bytes, BytesMut};
use gossamer_wire::{Generation, InvalidMessage, NodeId, Record};
use serde::{Deserialize, Serialize};

use super::suspicions::{Accusation, Accusations};

/// The longest record that gossip carries, in bytes: three fit into one packet beside its header.
pub const RECORD_BYTES_MAX: usize = 300;

/// How many records of nodes that are not members now we keep: enough for the hosts of one mesh to come back.
const ABSENT_MAX: usize = 1_024;

/// Which of two records of one node is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Edition {
    generation: u64,
    revision: u64,
}

/// The newest record of each node, present or not.
#[derive(Debug)]
pub(super) struct Records {
    own: Arc<Record>,
    held: BTreeMap<NodeId, Held>,
    /// Counts arrivals, for forgetting the oldest first.
    arrivals: u64,
    /// An edition that somebody holds of our own record and that wins over it.
    challenge: Option<Edition>,
    changed: bool,
}

#[derive(Debug)]
struct Held {
    record: Arc<Record>,
    arrival: u64,
    present: bool,
}

/// Whether an offered record was worth telling others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    News,
    Known,
}

// === impl Edition ===

impl Edition {
    pub(super) fn of(record: &Record) -> Self {
        Self { generation: record.generation.get(), revision: record.revision }
    }
}

// === impl Records ===

impl Records {
    pub(super) fn new(own: Record) -> Self {
        Self { own: Arc::new(own), held: BTreeMap::new(), arrivals: 0, challenge: None, changed: false }
    }

    pub(super) fn own(&self) -> &Arc<Record> {
        &self.own
    }

    pub(super) fn get(&self, node: &NodeId) -> Option<&Arc<Record>> {
        if *node == self.own.node {
            return Some(&self.own);
        }
        self.held.get(node).map(|held| &held.record)
    }

    pub(super) fn edition(&self, node: &NodeId) -> Option<Edition> {
        self.get(node).map(|record| Edition::of(record))
    }

    /// Takes a record from anywhere. The newest edition wins, except that only we speak for ourselves.
    pub(super) fn offer(&mut self, record: Record) -> Verdict {
        let edition = Edition::of(&record);
        if record.node == self.own.node {
            if edition > Edition::of(&self.own) {
                self.challenge = self.challenge.max(Some(edition));
            }
            return Verdict::Known;
        }
        if self.edition(&record.node).is_some_and(|held| held >= edition) {
            return Verdict::Known;
        }
        self.arrivals += 1;
        let present = self.held.get(&record.node).is_some_and(|held| held.present);
        let held = Held { arrival: self.arrivals, present, record: Arc::new(record) };
        self.changed |= present;
        self.held.insert(held.record.node, held);
        self.forget_one_if_crowded();
        Verdict::News
    }

    /// Replaces our own record by one that wins over every edition of it that we have heard of.
    pub(super) fn publish(&mut self, mut record: Record) -> Arc<Record> {
        let beaten = Some(Edition::of(&self.own)).max(self.challenge.take());
        if let Some(beaten) = beaten.filter(|beaten| *beaten >= Edition::of(&record)) {
            record.generation = Generation::new(beaten.generation);
            record.revision = beaten.revision.saturating_add(1);
        }
        self.own = Arc::new(record);
        self.changed = true;
        Arc::clone(&self.own)
    }

    /// Whether somebody holds a record of ours that we did not write, or no longer remember.
    pub(super) fn is_challenged(&self) -> bool {
        self.challenge.is_some()
    }

    /// Says whether a node is a member now. The record of one that is not is kept, but not for ever.
    pub(super) fn set_present(&mut self, node: &NodeId, present: bool) {
        if let Some(held) = self.held.get_mut(node) {
            held.present = present;
        }
    }

    /// Whether what a view shows has changed since this was last asked.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    fn forget_one_if_crowded(&mut self) {
        let absent = || self.held.iter().filter(|(_, held)| !held.present);
        if absent().count() <= ABSENT_MAX {
            return;
        }
        let oldest = absent().min_by_key(|(_, held)| held.arrival).map(|(node, _)| *node);
        if let Some(node) = oldest {
            self.held.remove(&node);
        }
    }
}

/// One item of gossip.
#[derive(Debug)]
pub(super) enum Rumour {
    Record(Record),
    Accusation(Accusation),
}

/// A rumour that cannot be read, or is longer than a rumour may be.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidRumour {
    #[error("a rumour of {0} bytes is too long")]
    TooLong(usize),
    #[error("a rumour of an unknown kind")]
    UnknownKind,
    #[error("a rumour holds an unreadable record")]
    Record(#[source] InvalidMessage),
    #[error("a rumour holds an unreadable accusation")]
    Accusation(#[source] postcard::Error),
}

const KIND_RECORD: u8 = 1;
const KIND_ACCUSATION: u8 = 2;

// === impl Rumour ===

impl Rumour {
    pub(super) fn encode_record(record: &Record) -> Bytes {
        let body = record.encode();
        let mut bytes = BytesMut::with_capacity(body.len() + 1);
        bytes.put_u8(KIND_RECORD);
        bytes.put_slice(&body);
        bytes.freeze()
    }

    pub(super) fn encode_accusation(accusation: &Accusation) -> Result<Bytes, postcard::Error> {
        postcard::to_extend(accusation, vec![KIND_ACCUSATION]).map(Bytes::from)
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidRumour> {
        if bytes.len() > RECORD_BYTES_MAX + 1 {
            return Err(InvalidRumour::TooLong(bytes.len()));
        }
        match bytes.split_first() {
            Some((&KIND_RECORD, body)) => {
                Record::decode(body).map(Self::Record).map_err(InvalidRumour::Record)
            }
            Some((&KIND_ACCUSATION, body)) => {
                postcard::from_bytes(body).map(Self::Accusation).map_err(InvalidRumour::Accusation)
            }
            Some(_) | None => Err(InvalidRumour::UnknownKind),
        }
    }
}

/// What foca's gossip and the anti-entropy exchange both write to.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) records: Records,
    pub(super) accusations: Accusations,
}

/// The two ends of what was heard: one inside foca, one in the membership that owns that foca. Never contended.
#[derive(Clone, Debug)]
pub(super) struct Rumours(Arc<Mutex<Heard>>);

/// What a rumour is about, so that news replaces what is still queued.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Record(NodeId),
    Accusation(NodeId),
}

// === impl Rumours ===

impl Rumours {
    pub(super) fn new(own: Record) -> Self {
        Self(Arc::new(Mutex::new(Heard { records: Records::new(own), accusations: Accusations::default() })))
    }

    pub(super) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> foca::BroadcastHandler<T> for Rumours {
    type Key = Topic;
    type Error = InvalidRumour;

    /// Asked for rumours of others and, with no sender, for our own, which are always news.
    fn receive_item(&mut self, data: &[u8], sender: Option<&T>) -> Result<Option<Topic>, InvalidRumour> {
        let ours = sender.is_none();
        let mut heard = self.heard();
        Ok(match Rumour::decode(data)? {
            Rumour::Record(record) => {
                let topic = Topic::Record(record.node);
                (heard.records.offer(record) == Verdict::News || ours).then_some(topic)
            }
            Rumour::Accusation(accusation) => {
                let topic = Topic::Accusation(accusation.accused());
                (heard.accusations.hear(accusation) || ours).then_some(topic)
            }
        })
    }
}

impl foca::Invalidates for Topic {
    fn invalidates(&self, other: &Self) -> bool {
        self == other
    }
}
