//! Where the log is read next, for all plugins together.

use std::time::Instant;

use gossamer_oci::PluginName;

use super::{Effects, Routed, Timer};
use crate::Sequence;

/// Where the log is read next. One read at a time serves everybody who stands within it; plugins
/// that stand elsewhere take turns, so that one which catches up does not hold up the others.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    state: State,
    /// Whose turn it was.
    last: Option<PluginName>,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Idle,
    Reading {
        after: Sequence,
        /// The end of the log when the read began: a short answer reaches at least this far.
        head: Sequence,
    },
    /// The log failed; a timer is set.
    Waiting,
}

// === impl Scanner ===

impl Scanner {
    /// Where to read from, if somebody is hungry and no read is under way. `hungry` comes in the
    /// order of names, with the position of each.
    pub(super) fn next<'a>(
        &mut self,
        hungry: impl Iterator<Item = (&'a PluginName, Sequence)>,
        head: Sequence,
    ) -> Option<Sequence> {
        let State::Idle = self.state else { return None };
        let last = self.last.clone();
        let has_turn = |name: &PluginName| last.as_ref().is_none_or(|last| name > last);
        let (name, after) = hungry.min_by_key(|(name, _)| !has_turn(name))?; // the first of equals
        self.last = Some(name.clone());
        self.state = State::Reading { after, head };
        Some(after)
    }

    /// The range that was read: after the first, through the second. `None` if nothing was asked.
    pub(super) fn finished(&mut self, heads: &[Routed], limit: usize) -> Option<(Sequence, Sequence)> {
        let State::Reading { after, head } = self.state else {
            return None;
        };
        self.state = State::Idle;
        let last = heads.last().map_or(after, |routed| routed.sequence);
        let ended = heads.len() < limit;
        Some((after, if ended { last.max(head) } else { last }))
    }

    pub(super) fn failed<R>(&mut self, effects: &mut Effects<R>, now: Instant) {
        if let State::Reading { .. } = self.state {
            self.state = State::Waiting;
            let deadline = now + effects.config.log_retry;
            effects.timers.set(deadline, Timer::Scan);
        }
    }

    pub(super) fn retry(&mut self) {
        if let State::Waiting = self.state {
            self.state = State::Idle;
        }
    }
}
