//! Our own suspicions until they are decided: foca's timer that gives a member up, held back while there is doubt.

use std::time::{Duration, Instant};

use foca::Timer;

use super::presence::Presence;

/// Suspicions that follow from our own failed probes. One for each life, incarnation and run of foca's timers.
#[derive(Debug, Default)]
pub(super) struct Trials(Vec<Trial>);

/// One suspicion of ours.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) accused: Presence,
    pub(super) incarnation: u16,
    /// When our first probe failed.
    began: Instant,
    /// When our last probe failed.
    pub(super) missed: Instant,
    timer: Timer<Presence>,
}

// === impl Trials ===

impl Trials {
    /// Notes a failed probe, of which foca tells by this timer. Says whether the timer is wanted: foca sets one for
    /// each failed probe, and the first decides.
    pub(super) fn open(&mut self, timer: &Timer<Presence>, now: Instant) -> bool {
        let Some((accused, incarnation)) = defendant(timer) else { return true };
        match self.0.iter_mut().find(|trial| trial.timer == *timer) {
            Some(trial) => {
                trial.missed = now;
                false
            }
            None => {
                let timer = timer.clone();
                self.0.push(Trial { accused, incarnation, began: now, missed: now, timer });
                true
            }
        }
    }

    /// The trial that this timer would end.
    pub(super) fn of(&self, timer: &Timer<Presence>) -> Option<&Trial> {
        self.0.iter().find(|trial| trial.timer == *timer)
    }

    /// Whether we ourselves suspect this life.
    pub(super) fn is_on(&self, accused: &Presence) -> bool {
        self.0.iter().any(|trial| trial.accused == *accused)
    }

    pub(super) fn close(&mut self, timer: &Timer<Presence>) {
        self.0.retain(|trial| trial.timer != *timer);
    }
}

// === impl Trial ===

impl Trial {
    /// What is left of the time that the accused has to defend itself.
    pub(super) fn rest(&self, patience: Duration, now: Instant) -> Duration {
        patience.saturating_sub(now.saturating_duration_since(self.began))
    }
}

/// Whom foca's timer would give up.
pub(super) fn defendant(timer: &Timer<Presence>) -> Option<(Presence, u16)> {
    match timer {
        Timer::ChangeSuspectToDown { member_id, incarnation, token: _ } => Some((*member_id, *incarnation)),
        Timer::ProbeRandomMember(_)
        | Timer::SendIndirectProbe { .. }
        | Timer::PeriodicAnnounce(_)
        | Timer::PeriodicAnnounceDown(_)
        | Timer::PeriodicGossip(_)
        | Timer::RemoveDown(_) => None,
    }
}
