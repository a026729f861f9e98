//! Who is alive and what they say of themselves: the pure core. Owns no clock, socket or task.
//!
//! SWIM (foca) finds who is alive, its gossip carries news. Gossip loses a little and tells late joiners nothing of
//! the past, so every node also compares notes with one other every second, by [letters](Output::Letter) over a
//! stream; a join is the same exchange with a seed.

mod exchange;
mod greeter;
mod health;
mod judging;
mod letter;
mod lives;
mod presence;
mod records;
mod roster;
mod settling;
mod suspicions;
mod swim;
#[cfg(test)]
mod tests;
mod timers;
mod trials;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Instant};

use bytes::Bytes;
use foca::State::Down;
use gossamer_wire::{NodeId, Record, Role};
use rand::{Rng, RngExt, SeedableRng, seq::IteratorRandom};

pub use self::greeter::REMEMBERED_MAX;
pub use self::letter::LETTER_BYTES_MAX;
pub use self::presence::Presence;
pub use self::records::RECORD_BYTES_MAX;
pub use self::suspicions::{Outcome, Suspicion};
pub use self::swim::PACKET_BYTES_MAX;
use self::{
    greeter::Greeter,
    health::{Health, Storm},
    lives::Lives,
    records::{Rumour, Rumours},
    roster::Roster,
    settling::own_member,
    swim::{Expired, Glance, Swim},
};
use crate::{config::Tuning, view::View};

/// How many certified roles of nodes that are not members are kept: those who came and went since the last look.
const ROLES_MAX: usize = 1_024;

/// Who is alive, as far as this node knows.
pub struct Membership<R> {
    swim: Swim<R>,
    rumours: Rumours,
    roster: Roster,
    /// What certificates say of the nodes that we have met.
    roles: BTreeMap<NodeId, Role>,
    suspicions: suspicions::Log,
    greeter: Greeter,
    lives: Lives,
    health: Health,
    storm: Storm,
    tuning: Tuning,
    exchange_at: Instant,
    rng: R,
    started: Instant,
    view: Arc<View>,
    /// The view may no longer say what is known.
    stale: bool,
    left: bool,
    outbox: Vec<Output>,
}

/// Where a node begins.
pub struct Start {
    /// Its first presence; the address is the one that others dial.
    pub presence: Presence,
    pub record: Record,
    pub seeds: Vec<SocketAddr>,
    /// Members of an earlier life.
    pub remembered: BTreeMap<NodeId, SocketAddr>,
    pub tuning: Tuning,
}

/// What happens to a node. `from` is the peer that the connection's certificate proves.
#[derive(Debug)]
pub enum Input {
    Packet {
        from: NodeId,
        bytes: Bytes,
    },
    Letter {
        from: NodeId,
        bytes: Bytes,
    },
    /// A connection was made; `dialled` is the address if it was we who made it.
    Met {
        node: NodeId,
        role: Role,
        dialled: Option<SocketAddr>,
    },
    /// A member was seen at work, outside of this protocol: it answered a call or a request.
    Seen(NodeId),
    /// A peer said goodbye.
    Departed(NodeId),
    /// Our own record has changed.
    Publish(Record),
    /// [`Membership::deadline`] has come.
    Time,
    Leave,
}

/// What a node has to do.
#[derive(Debug)]
pub enum Output {
    /// Send over a datagram; may be lost. At most [`PACKET_BYTES_MAX`].
    Packet { to: Destination, bytes: Bytes },
    /// Send over a stream of its own. At most [`LETTER_BYTES_MAX`].
    Letter { to: Destination, bytes: Bytes },
    /// There is a new view.
    Changed(Arc<View>),
    /// Our own probe of this node failed; to be counted.
    Suspected(NodeId),
    /// This node did not answer, or lives at another address now: a connection to it may be dead without knowing it.
    Doubt(NodeId),
    /// Something was refused; to be counted.
    Fault(Fault),
}

/// Whom something is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    pub address: SocketAddr,
    /// Who must be there. `None` for a seed: whoever is.
    pub node: Option<NodeId>,
}

/// Why something was refused. Nothing of it was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It claims to come from somebody else than the peer who sent it.
    Forged,
    Malformed,
    /// There are more members, or more of something, than this node has room for.
    Crowded,
    /// A record claims another role than the certificate of its node.
    Impostor,
    /// What it says of another is so far ahead of what that one says that only that one could be believed.
    Absurd,
    /// foca was used out of order: a bug.
    Disordered,
}

// === impl Membership ===

impl<R: Rng + SeedableRng> Membership<R> {
    pub fn new(start: Start, mut rng: R, now: Instant) -> Self {
        let Start { presence, record, seeds, remembered, tuning } = start;
        let rumours = Rumours::new(record);
        let own = own_member(&presence, &rumours, now);
        Self {
            swim: Swim::new(presence, &tuning, rumours.clone(), rng.fork(), now),
            roster: Roster::default(),
            roles: BTreeMap::new(),
            suspicions: suspicions::Log::default(),
            greeter: Greeter::new(seeds, remembered, &tuning, now),
            lives: Lives::default(),
            health: Health::default(),
            storm: Storm::new(now),
            exchange_at: now + tuning.exchange(),
            view: Arc::new(View::new(presence.node(), vec![own], Arc::new([]))),
            outbox: Vec::new(),
            started: now,
            stale: true,
            left: false,
            rumours,
            tuning,
            rng,
        }
    }

    /// The one way in. Inputs of a node must come with a `now` that never goes back.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Output> {
        if self.left {
            return Vec::new();
        }
        if self.swim.overslept(now) {
            self.health.overslept();
        }
        let mut witness = self.swim.me().node();
        match input {
            Input::Packet { from, bytes } => {
                witness = from;
                self.receive(from, &bytes, now);
            }
            Input::Letter { from, bytes } => {
                witness = from;
                self.read(from, &bytes, now);
            }
            Input::Met { node, role, dialled } => self.meet(node, role, dialled),
            Input::Seen(node) => self.lives.seen(node, &self.roster, self.swim.clock(now)),
            Input::Departed(node) => self.see_off(node, now),
            Input::Publish(record) => self.publish(record, now),
            Input::Time => self.expire(now),
            Input::Leave => self.leave(now),
        }
        self.settle(witness, now);
        std::mem::take(&mut self.outbox)
    }

    /// When [`Input::Time`] is due next.
    pub fn deadline(&self) -> Instant {
        let own = self.greeter.deadline().min(self.exchange_at);
        self.swim.deadline().map_or(own, |swim| swim.min(own))
    }

    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// How little this node trusts its own judgement of others: 0 is healthy, 8 the worst.
    pub fn health(&self) -> u32 {
        self.health.score()
    }

    /// The addresses to begin with after a restart.
    pub fn remembered(&self) -> &BTreeMap<NodeId, SocketAddr> {
        self.greeter.remembered()
    }

    fn receive(&mut self, from: NodeId, packet: &[u8], now: Instant) {
        let Some(mut glance) = Glance::at(packet) else {
            return self.fault(Fault::Malformed);
        };
        if glance.sender.node() != from {
            return self.fault(Fault::Forged);
        }
        let named = glance.updates.iter().map(|update| update.id().node()).chain([from]);
        if named.filter(|node| self.roster.get(node).is_none()).count() > self.swim.room() {
            return self.fault(Fault::Crowded);
        }
        self.lives.spoke(glance.sender, &self.roster, self.swim.clock(now));
        let censored = self.censored(&mut glance, now);
        let received = self.swim.receive(censored.as_deref().unwrap_or(packet), now);
        self.check(received);
        let about_suspects =
            || glance.updates.iter().any(|update| self.roster.is_suspect(&update.id().node()));
        self.stale |= glance.suspects() || self.roster.is_suspect(&from) || about_suspects();
        self.outbid_usurpers(glance.updates.iter().map(|update| *update.id()), now);
    }

    /// Goes on in a later life if somebody goes round with ours: an earlier run that we forgot, or a forger.
    fn outbid_usurpers(&mut self, presences: impl Iterator<Item = Presence>, now: Instant) {
        for presence in presences {
            let me = self.swim.me();
            if presence.node() == me.node() && presence.outranks(&me) {
                let outbid = self.swim.outbid(&presence, now);
                self.check(outbid);
            }
        }
    }

    fn meet(&mut self, node: NodeId, role: Role, dialled: Option<SocketAddr>) {
        if let Some(address) = dialled {
            self.greeter.met(address, node);
        }
        if self.roles.len() >= ROLES_MAX.saturating_add(self.roster.len()) {
            self.roles.retain(|node, _| self.roster.get(node).is_some());
        }
        self.stale |= self.roles.insert(node, role.clone()) != Some(role);
    }

    fn see_off(&mut self, node: NodeId, now: Instant) {
        if let Some(seen) = self.roster.get(&node) {
            let gone = foca::Member::new(seen.presence, seen.incarnation, Down);
            let introduced = self.swim.introduce(std::iter::once(gone), true, now);
            self.check(introduced);
        }
    }

    fn publish(&mut self, record: Record, now: Instant) {
        let record = self.rumours.heard().records.publish(record);
        let spread = self.swim.spread(&Rumour::encode_record(&record), now);
        self.check(spread);
    }

    fn expire(&mut self, now: Instant) {
        self.swim.slow_down(self.slack(now));
        while let Some(timer) = self.swim.due(now) {
            let rest = self
                .swim
                .trial(&timer)
                .map(|trial| trial.rest(self.patience(trial, now), self.swim.clock(now)));
            match rest.filter(|rest| !rest.is_zero()) {
                Some(rest) => self.swim.hold(timer, rest, now),
                None => self.fire(timer, now),
            }
        }
        if self.exchange_at <= now {
            let jitter = self.rng.random_range(0.9..1.1);
            self.exchange_at = now + self.tuning.exchange().mul_f64(jitter);
            let doubted = self.rumours.heard().records.take_doubted();
            let doubted = doubted.and_then(|node| self.roster.get(&node)).map(|seen| seen.presence);
            let anybody = self.roster.iter().map(|(_, seen)| seen.presence);
            let partner = doubted.or_else(|| anybody.choose(&mut self.rng));
            if let Some(partner) = partner {
                self.open_exchange(Destination::of(&partner));
            }
        }
        let live = self.roster.nodes();
        for address in self.greeter.due(&live, &self.swim.me(), &mut self.rng, now) {
            self.open_exchange(Destination { address, node: None });
        }
    }

    fn fire(&mut self, timer: foca::Timer<Presence>, now: Instant) {
        let Expired { was_probe, missed, result } = self.swim.fire(timer, now);
        self.stale |= was_probe;
        self.check(result);
        if was_probe && missed.is_empty() {
            self.health.answered();
        }
        for (accused, incarnation) in missed {
            self.health.missed(accused.node());
            self.accuse(accused, incarnation, now);
        }
    }

    fn leave(&mut self, now: Instant) {
        let left = self.swim.leave(now);
        self.check(left);
        self.left = true;
    }

    fn check(&mut self, result: Result<(), foca::Error>) {
        if let Err(error) = result {
            self.fault(Fault::from(&error));
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.outbox.push(Output::Fault(fault));
    }
}

// === impl Destination ===

impl Destination {
    fn of(presence: &Presence) -> Self {
        Self { address: presence.address(), node: Some(presence.node()) }
    }
}

// === impl Fault ===

impl Fault {
    /// The name of the fault, for a metric.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::Malformed => "malformed",
            Self::Crowded => "crowded",
            Self::Impostor => "impostor",
            Self::Absurd => "absurd",
            Self::Disordered => "disordered",
        }
    }
}

impl From<&foca::Error> for Fault {
    fn from(error: &foca::Error) -> Self {
        match error {
            foca::Error::DataFromOurselves => Self::Forged,
            foca::Error::DataTooBig
            | foca::Error::IndirectForOurselves
            | foca::Error::MalformedPacket
            | foca::Error::Decode(_)
            | foca::Error::CustomBroadcast(_) => Self::Malformed,
            foca::Error::NotUndead
            | foca::Error::SameIdentity
            | foca::Error::NotConnected
            | foca::Error::IncompleteProbeCycle
            | foca::Error::Encode(_)
            | foca::Error::InvalidConfig => Self::Disordered,
        }
    }
}
