//! What nodes say of themselves, as far as it has reached us; and the rumours that carry it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{BufMut, Bytes, BytesMut};
use gossamer_wire::{Generation, InvalidMessage, NodeId, Record};
use serde::{Deserialize, Serialize};

use super::{
    presence::{LEAP, Presence},
    suspicions::{Accusation, Accusations},
};

/// The longest record that gossip carries, in bytes: three fit into one packet beside its header.
pub const RECORD_BYTES_MAX: usize = 300;

/// How many records of nodes that are not members now we keep: enough for the hosts of one mesh to come back.
const ABSENT_MAX: usize = 1_024;

/// How many nodes wait to be asked for their record: some seconds of asking.
const DOUBTED_MAX: usize = 16;

/// Which of two records of one node is newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// Nodes of which others say what only they themselves can confirm.
    doubted: BTreeSet<NodeId>,
    changed: bool,
}

#[derive(Debug)]
struct Held {
    record: Arc<Record>,
    /// The newest edition that its own node has told us of.
    vouched: Edition,
    arrival: u64,
    present: bool,
}

/// Whether an offered record was worth telling others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    News,
    Known,
    /// So far ahead of what its node itself has said that nobody else is believed.
    Absurd,
}

// === impl Edition ===

impl Edition {
    pub(super) fn of(record: &Record) -> Self {
        Self { generation: record.generation.get(), revision: record.revision }
    }

    /// Whether this is further ahead of what is known for sure than a node can have come.
    fn leaps_beyond(self, known: Self) -> bool {
        let revision = if self.generation == known.generation { known.revision } else { 0 };
        self.generation > known.generation.saturating_add(LEAP)
            || self.revision > revision.saturating_add(LEAP)
    }
}

// === impl Records ===

impl Records {
    pub(super) fn new(own: Record) -> Self {
        Self {
            own: Arc::new(own),
            held: BTreeMap::new(),
            arrivals: 0,
            challenge: None,
            doubted: BTreeSet::new(),
            changed: false,
        }
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

    /// Takes a record from anywhere. The newest edition wins, except that only we speak for ourselves, and that
    /// nobody but its node may be far ahead of what its node has said.
    pub(super) fn offer(&mut self, record: Record, teller: NodeId) -> Verdict {
        let edition = Edition::of(&record);
        if record.node == self.own.node {
            return self.offer_own(edition);
        }
        let vouched = self.held.get(&record.node).map(|held| held.vouched).unwrap_or_default();
        let is_own_word = teller == record.node;
        if !is_own_word && edition.leaps_beyond(vouched) {
            if self.doubted.len() < DOUBTED_MAX {
                self.doubted.insert(record.node);
            }
            return Verdict::Absurd;
        }
        let vouched = if is_own_word { vouched.max(edition) } else { vouched };
        if let Some(held) = self.held.get_mut(&record.node) {
            held.vouched = vouched;
        }
        if self.edition(&record.node).is_some_and(|held| held >= edition) {
            return Verdict::Known;
        }
        self.arrivals += 1;
        let present = self.held.get(&record.node).is_some_and(|held| held.present);
        let held = Held { vouched, arrival: self.arrivals, present, record: Arc::new(record) };
        self.changed |= present;
        self.held.insert(held.record.node, held);
        self.forget_one_if_crowded();
        Verdict::News
    }

    /// Others do not believe what is absurd, so that it need not be outbid.
    fn offer_own(&mut self, edition: Edition) -> Verdict {
        let own = Edition::of(&self.own);
        if edition.leaps_beyond(own) {
            return Verdict::Absurd;
        }
        if edition > own {
            self.challenge = self.challenge.max(Some(edition));
        }
        Verdict::Known
    }

    /// A node that should be asked what it says of itself.
    pub(super) fn take_doubted(&mut self) -> Option<NodeId> {
        self.doubted.pop_first()
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
    /// Of whom, by whom.
    Accusation(NodeId, NodeId),
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

impl foca::BroadcastHandler<Presence> for Rumours {
    type Key = Topic;
    type Error = InvalidRumour;

    /// Asked for rumours of others and, with no sender, for our own, which are always news.
    fn receive_item(
        &mut self,
        data: &[u8],
        sender: Option<&Presence>,
    ) -> Result<Option<Topic>, InvalidRumour> {
        let mut heard = self.heard();
        let teller = sender.map(Presence::node);
        Ok(match Rumour::decode(data)? {
            Rumour::Record(record) => {
                let topic = Topic::Record(record.node);
                let Some(teller) = teller else { return Ok(Some(topic)) };
                (heard.records.offer(record, teller) == Verdict::News).then_some(topic)
            }
            Rumour::Accusation(accusation) => {
                let topic = Topic::Accusation(accusation.accused(), accusation.accuser());
                let is_news = heard.accusations.hear(accusation, teller);
                (is_news || teller.is_none()).then_some(topic)
            }
        })
    }
}

impl foca::Invalidates for Topic {
    fn invalidates(&self, other: &Self) -> bool {
        self == other
    }
}
