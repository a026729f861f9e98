//! Who is given up, and when: SWIM's suspicion with what else is known of the accused and of the accuser.
//!
//! A member is given up by those whose own probe failed, and by those whom these tell. Both are made to wait:
//!
//! | cluster | who can confirm | our own failed probe gives up after (in suspicions) |
//! |---|---|---|
//! | 1 | – | there is nobody |
//! | 2 | nobody: our word alone decides | 1; 3 if the other was heard of since |
//! | 3 | the third node | 1 once it confirms, else 2; 3 if the accused was heard of since |
//! | more | any of the others | the same |
//!
//! A suspicion is `Tuning::suspicion`, longer while our own health is bad or many join at once. What others say of a
//! death is not believed while the dead shows signs of life, unless two of them have told us themselves.

use std::time::{Duration, Instant};

use foca::{Member, State};
use gossamer_wire::NodeId;
use rand::{Rng, SeedableRng};

use super::{
    Fault, Membership, presence::Presence, records::Rumour, suspicions::Accusation, swim::Glance,
    trials::Trial,
};

/// How many suspicions a member has that nobody else accuses, if somebody else could.
const UNCONFIRMED: u32 = 2;

/// How many suspicions a member has that nobody else accuses and that was heard of since. Then it may still be
/// unable to hear us, which for us is as good as dead.
const ALIBI: u32 = 3;

/// How many must say themselves that a member is dead which we have just heard of.
const WITNESSES: usize = 2;

impl<R: Rng + SeedableRng> Membership<R> {
    /// How long the accused of a trial has, from its beginning.
    pub(super) fn patience(&self, trial: &Trial, now: Instant) -> Duration {
        let members = self.roster.len() + 1;
        let suspicion = self.tuning.suspicion(members).mul_f64(self.slack(now));
        let confirmed =
            self.rumours.heard().accusations.is_confirmed(&trial.accused, trial.incarnation, &self.swim.me());
        if confirmed {
            suspicion
        } else if self.lives.lived_after(&trial.accused.node(), trial.missed) {
            suspicion * ALIBI
        } else if members > 2 {
            suspicion * UNCONFIRMED
        } else {
            suspicion
        }
    }

    /// How much longer than usual everything may take now.
    pub(super) fn slack(&self, now: Instant) -> f64 {
        self.health.factor() * self.storm.factor(now)
    }

    /// Tells the others that our own probe failed. Those who suspect the same member have it confirmed.
    pub(super) fn accuse(&mut self, accused: Presence, incarnation: u16, now: Instant) {
        let me = self.swim.me();
        let is_current = |member: &Member<Presence>| {
            *member.id() == accused && member.incarnation() == incarnation && member.state() == State::Suspect
        };
        let said = self.rumours.heard().accusations.names(&accused, incarnation, &me);
        if said || !self.swim.live().any(is_current) {
            return;
        }
        if let Ok(rumour) = Rumour::encode_accusation(&Accusation::new(accused, incarnation, me)) {
            let spread = self.swim.spread(&rumour, now);
            self.check(spread);
        }
    }

    /// The packet with what its sender may say of others; `None` if that is all of it.
    pub(super) fn censored(&mut self, glance: &mut Glance<'_>, now: Instant) -> Option<Vec<u8>> {
        let from = glance.sender.node();
        let count = glance.updates.len();
        let mut changed = false;
        let mut kept = Vec::with_capacity(count);
        for update in std::mem::take(&mut glance.updates) {
            let weighed = self.weighed(from, update.clone(), now);
            changed |= weighed.as_ref() != Some(&update);
            kept.extend(weighed);
        }
        glance.updates = kept;
        changed.then(|| glance.rebuilt()).flatten()
    }

    /// What of one node's word about a member is believed. `None` if nothing is.
    pub(super) fn weighed(
        &mut self,
        from: NodeId,
        update: Member<Presence>,
        now: Instant,
    ) -> Option<Member<Presence>> {
        let presence = *update.id();
        let (node, me) = (presence.node(), self.swim.me());
        if node == from {
            return Some(update);
        }
        if node == me.node() {
            if presence.leaps_beyond(Some(&me)) {
                self.fault(Fault::Absurd);
                return None;
            }
            if presence == me && update.state() == State::Suspect {
                self.health.accused(me, update.incarnation());
            }
            return Some(update);
        }
        if self.lives.is_absurd(&presence) {
            self.fault(Fault::Absurd);
            return None;
        }
        let dead = update.state() == State::Down;
        if dead && self.is_alive_for_all_we_know(&presence, update.incarnation(), now) {
            return Some(Member::new(presence, update.incarnation(), State::Suspect));
        }
        Some(update)
    }

    /// Whether we have it from a member itself that it lives, and from fewer than two others that it does not. Signs
    /// of life must be younger than the shortest suspicion: they came while whoever gave the member up suspected it.
    fn is_alive_for_all_we_know(&self, presence: &Presence, incarnation: u16, now: Instant) -> bool {
        let node = presence.node();
        let is_member = self.roster.get(&node).is_some_and(|seen| seen.presence == *presence);
        if !is_member || self.swim.is_on_trial(presence) {
            return false;
        }
        let lives = self.lives.lived_within(&node, self.tuning.suspicion(1), self.swim.clock(now));
        let heard = self.rumours.heard();
        let leaving = heard.records.get(&node).is_some_and(|record| record.leaving);
        lives && !leaving && heard.accusations.witnesses(presence, incarnation) < WITNESSES
    }
}

#[cfg(test)]
mod tests;
