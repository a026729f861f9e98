//! Who is in the cluster, at one moment: an immutable snapshot.

use std::{cmp::Reverse, collections::BTreeSet, net::SocketAddr, sync::Arc, time::Instant};

use gossamer_wire::{NodeId, Record, Role};

use crate::{
    membership::Suspicion,
    rendezvous::{scramble, weight},
};

/// The live members as one node sees them, itself included, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    me: NodeId,
    members: Vec<Arc<Member>>,
    suspicions: Arc<[Suspicion]>,
}

/// A live member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub node: NodeId,
    /// Where its QUIC endpoint listens.
    pub address: SocketAddr,
    pub state: State,
    /// What it says of itself. `None` until that has reached us. Gossip is a hint: see [`Member::role`] for the role.
    pub record: Option<Arc<Record>>,
    /// The role in its certificate. `None` until it has shown us that.
    pub certified: Option<Role>,
    /// When this life of the member came into our view.
    pub since: Instant,
}

/// How live a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Alive,
    /// Did not answer a probe, and has a moment to defend itself. Counts as live until then.
    Suspect,
}

// === impl View ===

impl View {
    /// `members` must be in the order of their ids.
    pub(crate) fn new(me: NodeId, members: Vec<Arc<Member>>, suspicions: Arc<[Suspicion]>) -> Self {
        Self { me, members, suspicions }
    }

    /// The node whose view this is.
    pub fn me(&self) -> NodeId {
        self.me
    }

    /// All live members, ourselves included.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.iter()
    }

    /// The same view without these nodes.
    pub(crate) fn without(self: Arc<Self>, nodes: &BTreeSet<NodeId>) -> Arc<Self> {
        if !self.members.iter().any(|member| nodes.contains(&member.node)) {
            return self;
        }
        let mut view = Self::clone(&self);
        view.members.retain(|member| !nodes.contains(&member.node));
        Arc::new(view)
    }

    /// All live members but ourselves.
    pub fn others(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.iter().filter(|member| member.node != self.me)
    }

    pub fn get(&self, node: NodeId) -> Option<&Arc<Member>> {
        let index = self.members.binary_search_by_key(&node, |member| member.node).ok()?;
        self.members.get(index)
    }

    /// The members of this role, as far as is known.
    pub fn having(&self, role: &Role) -> impl Iterator<Item = &Arc<Member>> {
        self.members.iter().filter(move |member| member.role() == Some(role))
    }

    /// The members of a role in the order in which they are responsible for `key`; those about to leave come last.
    pub fn ranked(&self, role: &Role, key: &str) -> Vec<Arc<Member>> {
        let key = scramble(key.as_bytes());
        let mut ranked: Vec<_> = self.having(role).cloned().collect();
        ranked.sort_by_cached_key(|member| rank(key, member));
        ranked
    }

    /// The member of a role that is responsible for `key`.
    pub fn owner(&self, role: &Role, key: &str) -> Option<&Arc<Member>> {
        let key = scramble(key.as_bytes());
        self.having(role).min_by_key(|member| rank(key, member))
    }

    /// Who was suspected by whom of late, the newest last.
    pub fn suspicions(&self) -> &[Suspicion] {
        &self.suspicions
    }
}

// === impl Member ===

impl Member {
    /// The role that the member's certificate names. Until that is known the role that its record claims: whoever
    /// acts on it checks the certificate of the peer.
    pub fn role(&self) -> Option<&Role> {
        self.certified.as_ref().or_else(|| self.record.as_ref().map(|record| &record.role))
    }

    /// Whether the member has said that it is about to stop.
    pub fn is_leaving(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.leaving)
    }
}

fn rank(key: u64, member: &Member) -> (bool, Reverse<(u64, NodeId)>) {
    (member.is_leaving(), Reverse((weight(key, &member.node), member.node)))
}

#[cfg(test)]
mod tests;
