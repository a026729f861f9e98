//! Which lanes run, wait their turn or sleep. Pure: it knows neither tasks nor a clock.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use gossamer_oci::RepositoryName;

/// The first wait after a handler asked to retry; it doubles up to `RETRY_MAX`.
const RETRY_FIRST: Duration = Duration::from_millis(100);

/// The longest wait between two attempts: an operator who mended something should not wait much longer.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// How a turn of a lane ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing is left.
    Done,
    /// Something is left; others first.
    More,
    /// The same event again, after this or after the usual wait. `progress`: others were handled before it.
    Retry { after: Option<Duration>, progress: bool },
}

/// Every lane that has something to do, in one of three states.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    lanes: HashMap<RepositoryName, Lane>,
    ready: VecDeque<RepositoryName>,
    sleeping: BinaryHeap<Reverse<(Instant, RepositoryName)>>,
    running: usize,
}

#[derive(Debug, Default)]
struct Lane {
    state: State,
    attempts: u32,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ready,
    Running {
        woken: bool,
    },
    Sleeping,
}

// === impl Schedule ===

impl Schedule {
    /// Something arrived. A lane that sleeps goes on sleeping: what arrived is behind what it waits for.
    pub(super) fn wake(&mut self, repository: RepositoryName) {
        match self.lanes.get_mut(&repository) {
            Some(Lane { state: State::Running { woken }, .. }) => *woken = true,
            Some(Lane { state: State::Ready | State::Sleeping, .. }) => {}
            None => {
                self.lanes.insert(repository.clone(), Lane::default());
                self.ready.push_back(repository);
            }
        }
    }

    /// The lane whose turn it is, if fewer than `limit` run. It runs until `finished`.
    pub(super) fn start_next(&mut self, limit: usize) -> Option<RepositoryName> {
        if self.running >= limit {
            return None;
        }
        let repository = self.ready.pop_front()?;
        let lane = self.lanes.entry(repository.clone()).or_default();
        lane.state = State::Running { woken: false };
        self.running += 1;
        Some(repository)
    }

    pub(super) fn finished(&mut self, repository: RepositoryName, turn: Turn, now: Instant) {
        let Some(lane) = self.lanes.get_mut(&repository) else { return };
        let woken = lane.state == State::Running { woken: true };
        self.running = self.running.saturating_sub(1);
        match turn {
            Turn::Done if !woken => {
                self.lanes.remove(&repository);
            }
            Turn::Done | Turn::More => {
                *lane = Lane::default();
                self.ready.push_back(repository);
            }
            Turn::Retry { after, progress } => {
                lane.attempts = if progress { 1 } else { lane.attempts.saturating_add(1) };
                lane.state = State::Sleeping;
                let wait = after.unwrap_or_else(|| backoff(lane.attempts));
                self.sleeping.push(Reverse((now + wait, repository)));
            }
        }
    }

    /// When the next sleeper wants to be woken.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.sleeping.peek().map(|Reverse((deadline, _))| *deadline)
    }

    /// Makes every lane ready that has slept long enough.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            let Some(Reverse((_, repository))) = self.sleeping.pop() else { return };
            if let Some(lane) = self.lanes.get_mut(&repository) {
                lane.state = State::Ready;
                self.ready.push_back(repository);
            }
        }
    }
}

fn backoff(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_MAX)
}

#[cfg(test)]
mod tests;
