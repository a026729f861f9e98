//! What follows from every input: the roster, the suspicions and the view are brought up to date.

use std::{sync::Arc, time::Instant};

use gossamer_wire::{NodeId, Record};
use rand::{Rng, SeedableRng};

use super::{
    Destination, Fault, Membership, Output,
    presence::Presence,
    records::Rumours,
    roster::{Changes, Seen},
    suspicions::{Outcome, Suspicion},
    swim::Settled,
};
use crate::view::{Member, State, View};

impl<R: Rng + SeedableRng> Membership<R> {
    /// Brings everything that hangs on the members up to date. `witness` told us what is new.
    pub(super) fn settle(&mut self, witness: NodeId, now: Instant) {
        let challenged = self.rumours.heard().records.is_challenged();
        if challenged && !self.left {
            let own = Record::clone(self.rumours.heard().records.own());
            self.publish(own, now);
        }
        match self.swim.settle() {
            Ok(Settled { stirred, renewed }) => {
                self.stale |= stirred;
                if renewed {
                    self.health.given_up();
                    self.answer_for_ourselves(witness);
                }
            }
            Err(error) => self.check(Err(error)),
        }
        self.stale |= self.rumours.heard().records.take_changed();
        if std::mem::take(&mut self.stale) {
            let changes = self.roster.look(self.swim.live(), now);
            self.follow(&changes, witness, now);
            let fitted = self.swim.fit_to_size();
            self.check(fitted);
            self.show();
        }
        for (to, bytes) in self.swim.take_packets() {
            self.outbox.push(Output::Packet { to: Destination::of(&to), bytes });
        }
    }

    /// Writes to who brought word of our death: it hears of our new life at once and, if it knows of a later one of
    /// ours that we forgot, says so at once. Packets alone would climb there one life at a time.
    fn answer_for_ourselves(&mut self, witness: NodeId) {
        let teller = self.swim.all().map(|member| *member.id()).find(|presence| presence.node() == witness);
        if let Some(teller) = teller {
            self.open_exchange(Destination::of(&teller));
        }
    }

    fn follow(&mut self, changes: &Changes, witness: NodeId, now: Instant) {
        for node in &changes.gone {
            self.suspicions.close(*node, Outcome::Confirmed);
            let mut heard = self.rumours.heard();
            heard.accusations.forget(node);
            heard.records.set_present(node, false);
        }
        for node in &changes.cleared {
            self.suspicions.close(*node, Outcome::Refuted);
        }
        self.storm.came(changes.came.len(), now);
        for node in &changes.came {
            self.rumours.heard().records.set_present(node, true);
        }
        for seen in &changes.suspected {
            self.suspect(seen, witness, now);
        }
        let remembered = self.greeter.remembered();
        let has_moved = |seen: &&Seen| {
            remembered.get(&seen.presence.node()).is_some_and(|address| *address != seen.presence.address())
        };
        let moved = self.roster.iter().map(|(_, seen)| seen).filter(has_moved);
        self.outbox.extend(moved.map(|seen| Output::Doubt(seen.presence.node())));
        self.greeter.observe(self.roster.iter().map(|(_, seen)| seen.presence), now);
    }

    fn suspect(&mut self, seen: &Seen, witness: NodeId, now: Instant) {
        let me = self.swim.me();
        let accused = seen.presence.node();
        let accuser = if witness == me.node() {
            self.outbox.extend([Output::Suspected(accused), Output::Doubt(accused)]);
            me.node()
        } else {
            self.rumours.heard().accusations.accuser_of(&accused).unwrap_or(witness)
        };
        self.suspicions.open(Suspicion { accused, accuser, at: now, outcome: Outcome::Open });
    }

    /// Makes the view that the present state deserves, and shows it if it differs.
    fn show(&mut self) {
        let me = self.swim.me();
        let seen: Vec<_> = self.roster.iter().map(|(_, seen)| *seen).collect();
        let mut members: Vec<_> = seen.iter().map(|seen| self.member(seen)).collect();
        members.push(own_member(&me, &self.rumours, self.started));
        members.sort_unstable_by_key(|member| member.node);
        let view = View::new(me.node(), members, self.suspicions.to_vec().into());
        if view != *self.view {
            self.view = Arc::new(view);
            self.outbox.push(Output::Changed(Arc::clone(&self.view)));
        }
    }

    fn member(&mut self, seen: &Seen) -> Arc<Member> {
        let Seen { presence, state, since, incarnation: _ } = *seen;
        let node = presence.node();
        let record = self.rumours.heard().records.get(&node).cloned();
        let certified = self.roles.get(&node).cloned();
        if let (Some(claimed), Some(certified)) = (&record, &certified)
            && claimed.role != *certified
        {
            self.fault(Fault::Impostor);
        }
        Arc::new(Member { node, address: presence.address(), state, record, certified, since })
    }
}

/// Ourselves, as our own view shows us.
pub(super) fn own_member(me: &Presence, rumours: &Rumours, since: Instant) -> Arc<Member> {
    let record = Some(Arc::clone(rumours.heard().records.own()));
    let (node, address) = (me.node(), me.address());
    Arc::new(Member { node, address, state: State::Alive, record, certified: None, since })
}
