//! One lane: what comes next in it, and how far it has come.

use std::collections::VecDeque;
use std::time::Instant;

use crate::Sequence;

/// One lane that has something to do.
#[derive(Debug)]
pub(super) struct LaneState {
    pub(super) phase: Phase,
    pub(super) cursor: Cursor,
    /// How often the first of the window was offered in vain.
    pub(super) failures: u32,
    /// How often of these somebody may have heard it.
    pub(super) heard: u32,
    /// The next events, in order. The first may be in flight.
    window: VecDeque<Sequence>,
    /// The repository's heads were taken in up to here.
    read: Sequence,
    /// The last event that the window had no room for: to be read again from `read` on.
    unread: Option<Sequence>,
}

/// What a lane is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    /// Waits for its turn.
    Queued,
    InFlight,
    /// Reads again, in a log that is known to reach at least this far.
    Loading {
        through: Sequence,
    },
    Parking,
    /// Waits for another try, with a timer set.
    Waiting(Instant),
}

/// How far a lane has come, and how much of that is durable.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    acknowledged: Sequence,
    /// Acknowledged and not durable.
    ahead: u32,
    /// How many of these the write under way covers.
    writing: Option<u32>,
    /// A write failed, and a timer is set for the next try.
    waiting: bool,
}

// === impl LaneState ===

impl LaneState {
    /// A lane whose heads up to and including `read` are of no interest.
    pub(super) fn new(read: Sequence) -> Self {
        Self {
            phase: Phase::Idle,
            cursor: Cursor::default(),
            failures: 0,
            heard: 0,
            window: VecDeque::new(),
            read,
            unread: None,
        }
    }

    /// Takes in the next event of the lane, or remembers that there is one.
    pub(super) fn push(&mut self, sequence: Sequence, window_max: usize) {
        if self.unread.is_some() || self.window.len() >= window_max {
            self.unread = Some(sequence);
        } else if sequence > self.read {
            self.window.push_back(sequence);
            self.read = sequence;
        }
    }

    /// Takes in what was read again: `heads` follow `read`, and there are no others up to
    /// `through`. What is after `unread` is left to the scan that will find it.
    pub(super) fn refill(
        &mut self,
        heads: impl Iterator<Item = (Sequence, bool)>,
        through: Sequence,
        window_max: usize,
    ) {
        let Some(unread) = self.unread else { return };
        for (sequence, wanted) in heads {
            if sequence > unread {
                break;
            }
            if wanted && self.window.len() >= window_max {
                return; // still unread
            }
            if wanted {
                self.window.push_back(sequence);
            }
            self.read = sequence;
        }
        self.read = self.read.max(through.min(unread));
        if self.read == unread {
            self.unread = None;
        }
    }

    /// The event at the front, whatever its state.
    pub(super) fn first(&self) -> Option<Sequence> {
        self.window.front().copied()
    }

    /// Is done with the event at the front.
    pub(super) fn advance(&mut self) {
        self.window.pop_front();
        self.failures = 0;
        self.heard = 0;
    }

    /// The range to read again, if that is what comes next: after the first, through the second.
    pub(super) fn to_load(&self) -> Option<(Sequence, Sequence)> {
        let unread = self.unread.filter(|_| self.window.is_empty())?;
        Some((self.read, unread))
    }

    /// No event up to and including this one is undelivered; `None` if the lane has none at all.
    pub(super) fn done_through(&self) -> Option<Sequence> {
        let unread = self.unread.map(|_| self.read);
        self.first().map(Sequence::previous).or(unread)
    }

    pub(super) fn is_finished(&self) -> bool {
        self.done_through().is_none() && self.cursor.is_durable() && self.phase == Phase::Idle
    }

    pub(super) fn held(&self) -> usize {
        self.window.len()
    }
}

// === impl Cursor ===

impl Cursor {
    pub(super) fn acknowledge(&mut self, sequence: Sequence) {
        self.acknowledged = sequence;
        self.ahead = self.ahead.saturating_add(1);
    }

    /// The event was parked: that made everything up to it durable.
    pub(super) fn park(&mut self, sequence: Sequence) {
        self.acknowledged = sequence;
        self.ahead = 0;
        self.writing = self.writing.map(|_| 0);
    }

    /// The cursor to write now, if there is one and no write is under way.
    pub(super) fn write(&mut self) -> Option<Sequence> {
        if self.writing.is_some() || self.waiting || self.ahead == 0 {
            return None;
        }
        self.writing = Some(self.ahead);
        Some(self.acknowledged)
    }

    pub(super) fn written(&mut self) {
        let covered = self.writing.take().unwrap_or_default();
        self.ahead = self.ahead.saturating_sub(covered);
    }

    /// Whether a timer is to be set now.
    pub(super) fn write_failed(&mut self) -> bool {
        self.writing = None;
        !std::mem::replace(&mut self.waiting, true)
    }

    pub(super) fn may_write_again(&mut self) {
        self.waiting = false;
    }

    pub(super) fn ahead(&self) -> u32 {
        self.ahead
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    fn is_durable(&self) -> bool {
        self.ahead == 0 && self.writing.is_none()
    }
}
