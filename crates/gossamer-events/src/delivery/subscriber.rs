//! One plugin: how far its part of the log was scanned, and its lanes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use gossamer_oci::{PluginName, RepositoryName};
use rand::Rng;

use super::lane::{LaneState, Phase};
use super::low_water::LowWater;
use super::{Config, Effects, Failure, Output, Progress, Routed, Stopping, Timer, backoff};
use crate::{Cursors, DeadLetter, Lane, Sequence};

/// One plugin that events are delivered to.
#[derive(Debug)]
pub(super) struct Subscriber {
    name: PluginName,
    attached: bool,
    /// The log was scanned for this plugin up to here: what is up to here and not delivered is in
    /// `lanes`.
    position: Sequence,
    /// Only lanes that have something to do.
    lanes: BTreeMap<RepositoryName, LaneState>,
    /// Queued lanes, in the order of their turns.
    ready: VecDeque<RepositoryName>,
    in_flight: usize,
    /// What was delivered ahead of the low-water mark before the last restart. Forgotten once the
    /// scan is past all of it.
    delivered: BTreeMap<RepositoryName, Sequence>,
    low: LowWater,
}

// === impl Subscriber ===

impl Subscriber {
    pub(super) fn new(name: PluginName, cursors: Cursors) -> Self {
        let Cursors { low, lanes } = cursors;
        Self {
            name,
            attached: false,
            position: low,
            lanes: BTreeMap::new(),
            ready: VecDeque::new(),
            in_flight: 0,
            delivered: lanes.into_iter().collect(),
            low: LowWater::new(low),
        }
    }

    pub(super) fn position(&self) -> Sequence {
        self.position
    }

    /// Whether a scan of `limit` heads may be taken in: each could be a lane of its own.
    pub(super) fn has_room(&self, config: &Config, limit: usize) -> bool {
        self.attached && self.lanes.len() <= config.lanes_max.saturating_sub(limit)
    }

    /// Everything up to here was delivered or is not for this plugin.
    fn low(&self) -> Sequence {
        let lanes = self.lanes.values().filter_map(LaneState::done_through);
        lanes.min().unwrap_or(self.position)
    }

    pub(super) fn progress(&self, head: Sequence) -> Progress {
        let low = self.low();
        let waiting = |state: &&LaneState| matches!(state.phase, Phase::Waiting(_));
        Progress {
            plugin: self.name.clone(),
            attached: self.attached,
            low,
            lag: head.get().saturating_sub(low.get()),
            lanes: self.lanes.len(),
            held: self.lanes.values().map(LaneState::held).sum(),
            in_flight: self.in_flight,
            waiting: self.lanes.values().filter(waiting).count(),
        }
    }

    // === Coming and going ===

    /// Somebody new may do better: nobody waits any longer.
    pub(super) fn attach<R: Rng>(&mut self, effects: &mut Effects<R>) {
        self.attached = true;
        let repositories: Vec<_> = self.lanes.keys().cloned().collect();
        for repository in repositories {
            let lane = self.lane(&repository);
            if let Some(state) = self.lanes.get_mut(&repository)
                && let Phase::Waiting(deadline) = state.phase
            {
                effects.timers.cancel(deadline, Timer::Retry(lane));
                state.phase = Phase::Idle;
            }
            self.settle(effects, &repository);
        }
        self.dispatch(effects);
    }

    pub(super) fn detach(&mut self) {
        self.attached = false;
    }

    // === Reading the log ===

    /// Takes in the heads after its position, and stands at `through` then.
    pub(super) fn scanned<R: Rng>(
        &mut self,
        effects: &mut Effects<R>,
        heads: &[Routed],
        through: Sequence,
        now: Instant,
    ) {
        for head in heads {
            let sequence = head.sequence;
            let repository = &head.repository;
            let delivered = self.delivered.get(repository);
            let wanted = head.plugin.as_ref() == Some(&self.name)
                && sequence > self.position
                && delivered.is_none_or(|cursor| sequence > *cursor);
            if wanted {
                self.lanes
                    .entry(repository.clone())
                    .or_insert_with(|| LaneState::new(sequence.previous()))
                    .push(sequence, effects.config.window_max);
                self.settle(effects, repository);
            }
        }
        self.position = through;
        if self.delivered.values().all(|cursor| *cursor <= through) {
            self.delivered.clear();
        }
        self.arm_low(effects, now);
    }

    pub(super) fn loaded<R: Rng>(&mut self, effects: &mut Effects<R>, lane: &Lane, heads: &[Routed]) {
        let limit = effects.config.load_limit;
        if let Some(state) = self.lanes.get_mut(&lane.repository)
            && let Phase::Loading { through } = state.phase
        {
            state.phase = Phase::Idle;
            // Without an owner nobody knows whose the events are: they are read again later.
            if self.attached {
                let ours = |head: &Routed| head.plugin.as_ref() == Some(&lane.plugin);
                let ended = heads.len() < limit;
                let reached = if ended { through } else { Sequence::ZERO };
                let heads = heads.iter().map(|head| (head.sequence, ours(head)));
                state.refill(heads, reached, effects.config.window_max);
            }
        }
        self.settle(effects, &lane.repository);
    }

    pub(super) fn load_failed<R: Rng>(&mut self, effects: &mut Effects<R>, lane: &Lane, now: Instant) {
        if let Some(state) = self.lanes.get_mut(&lane.repository)
            && let Phase::Loading { .. } = state.phase
        {
            let deadline = now + effects.config.log_retry;
            wait(effects, state, lane, deadline);
        }
    }

    // === Delivering ===

    /// Lets queued lanes go while there is room, each in its turn.
    pub(super) fn dispatch<R: Rng>(&mut self, effects: &mut Effects<R>) {
        let allowed = self.attached && effects.stopping == Stopping::No;
        while allowed && self.in_flight < effects.config.in_flight_max {
            let Some(repository) = self.ready.pop_front() else {
                return;
            };
            let lane = self.lane(&repository);
            if let Some(state) = self.lanes.get_mut(&repository)
                && let Some(sequence) = state.first()
            {
                state.phase = Phase::InFlight;
                self.in_flight = self.in_flight.saturating_add(1);
                let attempt = state.failures.saturating_add(1);
                effects.outbox.push(Output::Deliver { lane, sequence, attempt });
            }
        }
    }

    pub(super) fn acknowledged<R: Rng>(
        &mut self,
        effects: &mut Effects<R>,
        lane: &Lane,
        sequence: Sequence,
        now: Instant,
    ) {
        let Some(state) = in_phase(&mut self.lanes, lane, sequence, Phase::InFlight) else {
            return;
        };
        state.cursor.acknowledge(sequence);
        state.advance();
        state.phase = Phase::Idle;
        self.in_flight = self.in_flight.saturating_sub(1);
        self.settle(effects, &lane.repository);
        self.arm_low(effects, now);
    }

    pub(super) fn failed<R: Rng>(
        &mut self,
        effects: &mut Effects<R>,
        lane: &Lane,
        (sequence, failure): (Sequence, Failure),
        now: Instant,
    ) {
        let Some(state) = in_phase(&mut self.lanes, lane, sequence, Phase::InFlight) else {
            return;
        };
        self.in_flight = self.in_flight.saturating_sub(1);
        state.failures = state.failures.saturating_add(1);
        let given_up = match failure {
            Failure::Unreachable => None,
            Failure::Refused { reason } => Some(reason),
            Failure::Retry { reason } => {
                state.heard = state.heard.saturating_add(1);
                let attempts_max = effects.config.attempts_max;
                attempts_max.is_some_and(|max| state.heard >= max.get()).then_some(reason)
            }
        };
        if let Some(reason) = given_up {
            state.phase = Phase::Parking;
            effects.outbox.push(Output::Park(DeadLetter {
                lane: lane.clone(),
                sequence,
                attempts: state.failures,
                reason,
            }));
        } else {
            let pause = backoff::pause(&mut effects.rng, &effects.config, state.failures);
            wait(effects, state, lane, now + pause);
        }
    }

    pub(super) fn retry<R: Rng>(&mut self, effects: &mut Effects<R>, lane: &Lane) {
        if let Some(state) = self.lanes.get_mut(&lane.repository)
            && let Phase::Waiting(_) = state.phase
        {
            state.phase = Phase::Idle;
        }
        self.settle(effects, &lane.repository);
    }

    pub(super) fn parked<R: Rng>(
        &mut self,
        effects: &mut Effects<R>,
        lane: &Lane,
        sequence: Sequence,
        now: Instant,
    ) {
        if let Some(state) = in_phase(&mut self.lanes, lane, sequence, Phase::Parking) {
            state.cursor.park(sequence);
            state.advance();
            state.phase = Phase::Idle;
        }
        self.settle(effects, &lane.repository);
        self.arm_low(effects, now);
    }

    /// The event is offered once more, and refused or given up once more.
    pub(super) fn park_failed<R: Rng>(
        &mut self,
        effects: &mut Effects<R>,
        lane: &Lane,
        sequence: Sequence,
        now: Instant,
    ) {
        if let Some(state) = in_phase(&mut self.lanes, lane, sequence, Phase::Parking) {
            let deadline = now + effects.config.log_retry;
            wait(effects, state, lane, deadline);
        }
    }

    // === Writing down ===

    pub(super) fn committed<R: Rng>(&mut self, effects: &mut Effects<R>, lane: &Lane) {
        if let Some(state) = self.lanes.get_mut(&lane.repository) {
            state.cursor.written();
        }
        self.settle(effects, &lane.repository);
    }

    pub(super) fn commit_failed<R: Rng>(&mut self, effects: &mut Effects<R>, lane: &Lane, now: Instant) {
        if let Some(state) = self.lanes.get_mut(&lane.repository)
            && state.cursor.write_failed()
        {
            let deadline = now + effects.config.log_retry;
            effects.timers.set(deadline, Timer::Recommit(lane.clone()));
        }
    }

    pub(super) fn recommit<R: Rng>(&mut self, effects: &mut Effects<R>, lane: &Lane) {
        if let Some(state) = self.lanes.get_mut(&lane.repository) {
            state.cursor.may_write_again();
        }
        self.settle(effects, &lane.repository);
    }

    /// The low-water mark has waited long enough for company.
    pub(super) fn commit_low<R: Rng>(&mut self, effects: &mut Effects<R>, now: Instant) {
        self.low.disarm();
        let low = self.low();
        if self.low.is_writing() {
            self.arm_low(effects, now);
        } else if self.low.write(low) {
            let plugin = self.name.clone();
            effects.outbox.push(Output::CommitLow { plugin, low });
        }
    }

    pub(super) fn committed_low(&mut self) {
        self.low.written();
    }

    pub(super) fn commit_low_failed<R: Rng>(&mut self, effects: &mut Effects<R>, now: Instant) {
        self.low.write_failed();
        self.arm_low(effects, now);
    }

    pub(super) fn commit_last_low<R: Rng>(&mut self, effects: &mut Effects<R>) {
        let low = self.low();
        if self.low.write_last(low) {
            let plugin = self.name.clone();
            effects.outbox.push(Output::CommitLow { plugin, low });
        }
    }

    /// Whether no answer is awaited that anything durable hangs on.
    pub(super) fn is_quiet(&self) -> bool {
        let quiet = |state: &LaneState| {
            let awaiting = matches!(state.phase, Phase::InFlight | Phase::Parking);
            !awaiting && !state.cursor.is_writing()
        };
        !self.low.is_writing() && self.lanes.values().all(quiet)
    }

    fn arm_low<R: Rng>(&mut self, effects: &mut Effects<R>, now: Instant) {
        if self.low.arm() {
            let deadline = now + effects.config.low_delay;
            let timer = Timer::CommitLow(self.name.clone());
            effects.timers.set(deadline, timer);
        }
    }

    // === A lane's next step ===

    /// Does with a lane what follows from its state: writes its cursor, lets it queue or read
    /// again, or forgets it.
    fn settle<R: Rng>(&mut self, effects: &mut Effects<R>, repository: &RepositoryName) {
        let lane = self.lane(repository);
        let Some(state) = self.lanes.get_mut(repository) else {
            return;
        };
        if let Some(cursor) = state.cursor.write() {
            let lane = lane.clone();
            effects.outbox.push(Output::Commit { lane, cursor });
        }
        if state.phase != Phase::Idle {
            return;
        }
        if state.first().is_some() {
            if state.cursor.ahead() < effects.config.ahead_max {
                state.phase = Phase::Queued;
                self.ready.push_back(repository.clone());
            }
        } else if let Some((after, through)) = state.to_load() {
            if self.attached && effects.stopping == Stopping::No {
                state.phase = Phase::Loading { through };
                let limit = effects.config.load_limit;
                effects.outbox.push(Output::Load { lane, after, limit });
            }
        } else if state.is_finished() {
            self.lanes.remove(repository);
        }
    }

    fn lane(&self, repository: &RepositoryName) -> Lane {
        Lane { plugin: self.name.clone(), repository: repository.clone() }
    }
}

/// The lane, if `sequence` is its first event and it is in that phase; anything else is an answer
/// to a question that was not asked.
fn in_phase<'a>(
    lanes: &'a mut BTreeMap<RepositoryName, LaneState>,
    lane: &Lane,
    sequence: Sequence,
    phase: Phase,
) -> Option<&'a mut LaneState> {
    let state = lanes.get_mut(&lane.repository)?;
    (state.phase == phase && state.first() == Some(sequence)).then_some(state)
}

fn wait<R>(effects: &mut Effects<R>, state: &mut LaneState, lane: &Lane, deadline: Instant) {
    state.phase = Phase::Waiting(deadline);
    let timer = Timer::Retry(lane.clone());
    effects.timers.set(deadline, timer);
}
