//! Comparing notes with one other node: what is sent, and what is done with what comes back.

use std::{collections::BTreeMap, time::Instant};

use foca::Member;
use gossamer_wire::{NodeId, Record};
use rand::{Rng, SeedableRng};

use super::{
    Destination, Fault, Membership, Output,
    letter::{self, Body, Delta, LETTER_BYTES_MAX, Letter},
    presence::Presence,
    records::{Edition, Rumour, Verdict},
};

impl<R: Rng + SeedableRng> Membership<R> {
    /// Writes to somebody what we have, so that they say what we lack.
    pub(super) fn open_exchange(&mut self, to: Destination) {
        let body = {
            let heard = self.rumours.heard();
            let known = |presence: Presence| Some((presence, heard.records.edition(&presence.node())?));
            Body::Summary {
                roll: letter::roll(self.everybody().map(|member| *member.id())),
                record: heard.records.own().encode(),
                editions: self.swim.live().filter_map(|member| known(*member.id())).collect(),
            }
        };
        self.write(to, body);
    }

    /// Takes a letter of whatever kind, and answers as its kind demands.
    pub(super) fn read(&mut self, from: NodeId, bytes: &[u8], now: Instant) {
        let Ok(Letter { sender, body }) = Letter::decode(bytes) else {
            return self.fault(Fault::Malformed);
        };
        if sender.node() != from || from == self.swim.me().node() {
            return self.fault(Fault::Forged);
        }
        let was_alone = self.roster.len() == 0;
        self.lives.spoke(sender, &self.roster, self.swim.clock(now));
        self.admit(vec![Member::alive(sender)], true, now);
        match body {
            Body::Summary { roll, record, editions } => {
                self.take_record(from, &record, now);
                self.answer(&sender, roll, &editions);
            }
            Body::Answer(delta) => {
                let members = !delta.members.is_empty();
                let reply = self.take_delta(&sender, delta, now);
                let reply = if members { self.with_members(&sender, reply) } else { reply };
                if !reply.is_empty() {
                    self.write(Destination::of(&sender), Body::Return(reply));
                }
            }
            Body::Return(delta) => drop(self.take_delta(&sender, delta, now)),
        }
        if was_alone {
            // Three members hear of us now, and not when we come to probe them.
            let gossiped = self.swim.gossip(now);
            self.check(gossiped);
        }
    }

    /// Says what the sender of a summary lacks, and asks for what we lack. Always answers: it may be joining.
    fn answer(&mut self, sender: &Presence, roll: u64, theirs: &[(Presence, Edition)]) {
        let theirs: BTreeMap<_, _> =
            theirs.iter().map(|(presence, edition)| (presence.node(), (presence, *edition))).collect();
        let mut delta = Delta::default();
        {
            let heard = self.rumours.heard();
            let others =
                self.everybody().map(|member| member.id().node()).filter(|node| *node != sender.node());
            for record in others.filter_map(|node| heard.records.get(&node)) {
                if theirs.get(&record.node).is_none_or(|(_, edition)| *edition < Edition::of(record)) {
                    delta.records.push(record.encode());
                }
            }
            for (node, (presence, edition)) in &theirs {
                let ours = heard.records.edition(node);
                if *node != self.swim.me().node() && ours.is_none_or(|ours| ours < *edition) {
                    delta.wanted.push(**presence);
                }
            }
        }
        let differs = letter::roll(self.everybody().map(|member| *member.id())) != roll;
        if differs {
            delta = self.with_members(sender, delta);
        }
        self.write(Destination::of(sender), Body::Answer(delta));
    }

    /// Takes what a delta brings; returns the records that it asks for, and our word against what it gets wrong.
    fn take_delta(&mut self, sender: &Presence, delta: Delta, now: Instant) -> Delta {
        let Delta { members, records, wanted } = delta;
        let mut reply = Delta { members: self.corrections(&members), ..Delta::default() };
        let from = sender.node();
        let members = members.into_iter().filter_map(|member| self.weighed(from, member, now)).collect();
        self.admit(members, false, now);
        for record in &records {
            self.take_record(sender.node(), record, now);
        }
        let heard = self.rumours.heard();
        let asked = wanted.iter().filter_map(|presence| heard.records.get(&presence.node()));
        reply.records = asked.map(|record| record.encode()).collect();
        reply
    }

    /// Of the members in a list, those that we have seen die or live on: the reader must hear of it.
    fn corrections(&self, members: &[Member<Presence>]) -> Vec<Member<Presence>> {
        let listed: BTreeMap<_, _> =
            members.iter().map(|member| (member.id().node(), *member.id())).collect();
        let contradicts = |ours: &&Member<Presence>| {
            let theirs = listed.get(&ours.id().node());
            theirs.is_some_and(|theirs| {
                ours.id().outranks(theirs) || (ours.id() == theirs && ours.state() == foca::State::Down)
            })
        };
        self.swim.all().filter(contradicts).cloned().collect()
    }

    /// Adds all live members, and what became of the reader if we do not count it among them.
    fn with_members(&self, reader: &Presence, mut delta: Delta) -> Delta {
        let reader = [Member::alive(*reader)];
        delta.members.extend(self.corrections(&reader));
        delta.members.extend(self.everybody());
        delta
    }

    /// Takes members for true, except that nobody speaks for us and that there is an end to the room.
    fn admit(&mut self, members: Vec<Member<Presence>>, spread: bool, now: Instant) {
        let me = self.swim.me();
        let (ours, others): (Vec<_>, Vec<_>) =
            members.into_iter().partition(|member| member.id().node() == me.node());
        self.outbid_usurpers(ours.iter().map(|member| *member.id()), now);
        let about_us = ours.into_iter().filter(|member| *member.id() == self.swim.me()).collect::<Vec<_>>();
        let (known, mut strangers): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|member| self.roster.get(&member.id().node()).is_some());
        let room = self.swim.room();
        if strangers.len() > room {
            strangers.truncate(room);
            self.fault(Fault::Crowded);
        }
        let members = about_us.into_iter().chain(known).chain(strangers);
        let introduced = self.swim.introduce(members, spread, now);
        self.check(introduced);
        self.stale = true;
    }

    /// Takes a record for true if it is news. What its own node tells us, we tell others.
    fn take_record(&mut self, from: NodeId, bytes: &[u8], now: Instant) {
        let Ok(record) = Record::decode(bytes) else {
            return self.fault(Fault::Malformed);
        };
        let node = record.node;
        let rumour = Rumour::encode_record(&record);
        let verdict = self.rumours.heard().records.offer(record, from);
        match verdict {
            Verdict::News if node == from => {
                let spread = self.swim.spread(&rumour, now);
                self.check(spread);
            }
            Verdict::Absurd => self.fault(Fault::Absurd),
            Verdict::News | Verdict::Known => {}
        }
    }

    fn write(&mut self, to: Destination, body: Body) {
        let letter = Letter { sender: self.swim.me(), body };
        match letter.encode() {
            Ok(bytes) if bytes.len() <= LETTER_BYTES_MAX => self.outbox.push(Output::Letter { to, bytes }),
            Ok(_) => self.fault(Fault::Crowded),
            Err(_) => self.fault(Fault::Disordered),
        }
    }

    /// The live members and ourselves.
    fn everybody(&self) -> impl Iterator<Item = Member<Presence>> {
        let me = Member::alive(self.swim.me());
        self.swim.live().cloned().chain(std::iter::once(me))
    }
}
