//! The handle on a node's place in its cluster, and how it comes to be.

use std::sync::Arc;

use bytes::Bytes;
use gossamer_identity::Identity;
use gossamer_wire::{NodeId, Record};
use rand::{SeedableRng, rngs::StdRng};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::info;

use crate::{
    cache,
    calls::Calls,
    config::Config,
    error::{CallError, PublishError, StartError},
    membership::{Membership, Presence, RECORD_BYTES_MAX, Start},
    shell::{self, Ends, Shell, calling::Calling, quic},
    sightings::{SIGHTINGS_MAX, Sightings},
    view::View,
};

/// A node's place in its cluster. Cheap to clone.
///
/// When the last clone is dropped the node falls silent, as if it had been killed; [`Cluster::leave`] says goodbye.
#[derive(Clone, Debug)]
pub struct Cluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    address: std::net::SocketAddr,
    node: NodeId,
    views: watch::Receiver<Arc<View>>,
    records: watch::Sender<Record>,
    calling: Calling,
    sightings: Sightings,
    leave: CancellationToken,
    left: CancellationToken,
}

// === impl Config ===

impl Config {
    /// Takes a place in the cluster. Returns as soon as the socket is bound: whether anybody is there is for the view
    /// to say. `record` is what this node says of itself, `calls` what it answers.
    pub async fn join(
        self,
        identity: Identity,
        record: Record,
        calls: impl Calls,
    ) -> Result<Cluster, StartError> {
        self.tuning.check()?;
        if record.node != identity.node() {
            return Err(StartError::ForeignRecord);
        }
        check_length(&record)?;
        let remembered = cache::load(&self.directory).map_err(StartError::Directory)?;
        let endpoint = quic::bind(self.bind, &identity)?;
        let bound =
            endpoint.local_addr().map_err(|source| StartError::Bind { address: self.bind, source })?;
        let address = self.advertised(bound)?;
        let Self { bind: _, advertise: _, seeds, directory, tuning } = self;

        let presence = Presence::new(record.node, address, record.generation.get());
        let start = Start { presence, record: record.clone(), seeds, remembered: remembered.clone(), tuning };
        let core = Membership::new(start, StdRng::from_rng(&mut rand::rng()), shell::now());

        let (views, view) = watch::channel(Arc::clone(core.view()));
        let (remembered, to_keep) = watch::channel(Arc::new(remembered));
        let (records, to_publish) = watch::channel(record);
        let (leave, left) = (CancellationToken::new(), CancellationToken::new());
        let (to_core, seen) = mpsc::channel(SIGHTINGS_MAX);
        let sightings = Sightings::new(to_core);
        let ends =
            Ends { records: to_publish, seen, views, remembered, leave: leave.clone(), left: left.clone() };
        let node = identity.node();
        let (shell, calling) = Shell::new(core, endpoint, &identity, calls, ends);
        let tasks = TaskTracker::new();
        tasks.spawn(cache::keep(directory, to_keep));
        tasks.spawn(shell.run());
        info!(%node, %address, "Taking a place in the cluster");
        Ok(Cluster {
            inner: Arc::new(Inner { address, node, views: view, records, calling, sightings, leave, left }),
        })
    }
}

// === impl Cluster ===

impl Cluster {
    pub fn node(&self) -> NodeId {
        self.inner.node
    }

    /// The address that others dial.
    pub fn local_addr(&self) -> std::net::SocketAddr {
        self.inner.address
    }

    /// Who is in the cluster now.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.inner.views.borrow())
    }

    /// Follows who is in the cluster.
    pub fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.inner.views.clone()
    }

    /// Says something new of this node. The revision is seen to; the last of several quick ones is what is told.
    pub fn publish(&self, record: Record) -> Result<(), PublishError> {
        check_length(&record)?;
        if record.node != self.inner.node {
            return Err(PublishError::Foreign);
        }
        if self.inner.leave.is_cancelled() {
            return Err(PublishError::Left);
        }
        self.inner.records.send(record).map_err(|_| PublishError::Left)
    }

    /// Asks a member. Whoever answers has proved to be that member.
    pub async fn call(&self, node: NodeId, method: &str, request: Bytes) -> Result<Bytes, CallError> {
        let member = self.view().get(node).cloned().ok_or(CallError::Unknown(node))?;
        let answer = self.inner.calling.call(&member, method, &request).await;
        if matches!(answer, Ok(_) | Err(CallError::Refused(_))) {
            self.seen(node);
        }
        answer
    }

    /// Says that a member was seen at work: it has just answered a request, over whatever protocol. One that serves
    /// is not given up because somebody else could not reach it. Cheap enough to say for every request.
    pub fn seen(&self, node: NodeId) {
        self.inner.sightings.add(node, shell::now());
    }

    /// Says goodbye, so that the others know at once, and stops. May be called again.
    pub async fn leave(&self) {
        self.inner.leave.cancel();
        self.inner.left.cancelled().await;
    }
}

fn check_length(record: &Record) -> Result<(), PublishError> {
    let bytes = record.encode().len();
    if bytes > RECORD_BYTES_MAX { Err(PublishError::TooLong { bytes }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
