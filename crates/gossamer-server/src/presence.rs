//! What this core says of itself in gossip, and the one way to change it.

use std::sync::{Arc, Mutex, PoisonError};

use gossamer_cluster::Cluster;
use gossamer_wire::Record;
use tracing::debug;

/// This core's own record. Cheap to clone; all clones change the same one.
#[derive(Clone)]
pub struct Presence {
    cluster: Cluster,
    record: Arc<Mutex<Record>>,
}

// === impl Presence ===

impl Presence {
    /// `record` is the one that this core joined with.
    pub fn new(cluster: Cluster, record: Record) -> Self {
        Self { cluster, record: Arc::new(Mutex::new(record)) }
    }

    /// The cluster that hears of it.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Changes the record and gossips it.
    pub fn change(&self, change: impl FnOnce(&mut Record)) {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut record);
        // Published under the lock, so that no older record overtakes a newer one.
        if let Err(error) = self.cluster.publish(record.clone()) {
            debug!(%error, "Nobody hears of a change of this core");
        }
    }
}
