//! One machine of the simulation: what it is, what its disk remembers, and its core while it runs.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use gossamer_cluster::{
    Tuning, View,
    membership::{Fault, Input, Membership, Output, Presence, Start},
};
use gossamer_wire::{Generation, NodeId, Record, Role};
use rand::{RngExt, rngs::StdRng};

/// One machine.
pub struct Host {
    pub node: NodeId,
    pub address: SocketAddr,
    pub core: Option<Membership<StdRng>>,
    pub faults: Vec<Fault>,
    /// Counts starts.
    pub(super) run: u64,
    /// The earliest wake-up that is queued.
    pub(super) wake: Option<Instant>,
    /// How late its timers run, beside the usual.
    pub(super) lag: Duration,
    /// What it says of itself.
    record: Record,
    remembered: BTreeMap<NodeId, SocketAddr>,
}

// === impl Host ===

impl Host {
    pub(super) fn new(index: usize, rng: &mut StdRng) -> Self {
        let node = NodeId::from_bytes(rng.random());
        let address = super::address(index);
        let role = if index == 0 { Role::Core } else { Role::Agent };
        Self {
            node,
            address,
            core: None,
            faults: Vec::new(),
            run: 0,
            wake: None,
            lag: Duration::ZERO,
            record: record(node, role),
            remembered: BTreeMap::new(),
        }
    }

    pub fn role(&self) -> Role {
        self.record.role.clone()
    }

    /// What the core holds of its own record while it runs.
    pub fn own_record(&self) -> Option<Record> {
        let view = self.core.as_ref()?.view();
        view.get(self.node)?.record.as_deref().cloned()
    }

    /// The members that it sees beside itself.
    pub fn others(&self) -> Vec<NodeId> {
        let view = self.core.as_ref().map(Membership::view);
        view.into_iter().flat_map(|view| view.others()).map(|member| member.node).collect()
    }

    /// How little it trusts its own judgement: 0 is healthy.
    pub fn health(&self) -> u32 {
        self.core.as_ref().map(Membership::health).unwrap_or_default()
    }

    pub(super) fn view(&self) -> Option<Arc<View>> {
        self.core.as_ref().map(|core| Arc::clone(core.view()))
    }

    pub(super) fn start(&mut self, seeds: Vec<SocketAddr>, rng: StdRng, now: Instant) {
        self.run += 1;
        self.wake = None;
        self.lag = Duration::ZERO;
        self.record.generation = Generation::new(self.run);
        self.record.revision = 1;
        let start = Start {
            presence: Presence::new(self.node, self.address, self.run),
            record: self.record.clone(),
            seeds,
            remembered: self.remembered.clone(),
            tuning: Tuning::default(),
        };
        self.core = Some(Membership::new(start, rng, now));
    }

    pub(super) fn kill(&mut self) {
        if let Some(core) = self.core.take() {
            self.remembered = core.remembered().clone();
        }
        self.wake = None;
    }

    pub(super) fn handle(&mut self, input: Input, now: Instant) -> Vec<Output> {
        self.core.as_mut().map(|core| core.handle(input, now)).unwrap_or_default()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.core.as_ref().map(Membership::deadline)
    }

    pub(super) fn next_record(&mut self) -> Record {
        let Record { service, .. } = &mut self.record;
        let port = service.map_or(1, |service| service.port() + 1);
        *service = Some(SocketAddr::new(self.address.ip(), port));
        self.record.clone()
    }

    /// What this host sees otherwise than it is.
    pub(super) fn disagreement(&self, running: &[&Self]) -> Option<String> {
        let view = self.core.as_ref()?.view();
        for peer in running {
            let Some(member) = view.get(peer.node) else {
                return Some(format!("{} does not see {}, which runs", self.address, peer.address));
            };
            if member.record.as_deref() != peer.own_record().as_ref() {
                let (has, should) = (&member.record, peer.own_record());
                return Some(format!("{} has {has:?} of {}, not {should:?}", self.address, peer.address));
            }
        }
        let stranger = view.members().find(|member| running.iter().all(|peer| peer.node != member.node));
        stranger.map(|member| format!("{} still sees {}, which is gone", self.address, member.address))
    }
}

fn record(node: NodeId, role: Role) -> Record {
    Record {
        node,
        revision: 1,
        generation: Generation::new(1),
        role,
        version: None,
        service: None,
        announcement: None,
        route_table: None,
        leaving: false,
    }
}
