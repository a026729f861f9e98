//! The low-water mark of one plugin, and when it is written.

use crate::Sequence;

/// The low-water mark of one plugin, as far as it is durable.
#[derive(Debug, Default)]
pub(super) struct LowWater {
    durable: Sequence,
    writing: Option<Sequence>,
    /// A timer is set for the next write.
    armed: bool,
    /// The write before stopping was tried.
    last: bool,
}

// === impl LowWater ===

impl LowWater {
    pub(super) fn new(durable: Sequence) -> Self {
        Self { durable, ..Self::default() }
    }

    /// Whether a timer is to be set now.
    pub(super) fn arm(&mut self) -> bool {
        !std::mem::replace(&mut self.armed, true)
    }

    /// The timer has run out.
    pub(super) fn disarm(&mut self) {
        self.armed = false;
    }

    /// Begins to write `low`, if that says anything new.
    pub(super) fn write(&mut self, low: Sequence) -> bool {
        let news = low > self.durable && self.writing.is_none();
        if news {
            self.writing = Some(low);
        }
        news
    }

    /// As `write`, once and for all.
    pub(super) fn write_last(&mut self, low: Sequence) -> bool {
        !std::mem::replace(&mut self.last, true) && self.write(low)
    }

    pub(super) fn written(&mut self) {
        self.durable = self.writing.take().unwrap_or(self.durable);
    }

    pub(super) fn write_failed(&mut self) {
        self.writing = None;
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }
}
