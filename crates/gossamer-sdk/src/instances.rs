//! The instances of the same plugin, and how to tell that they have changed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use gossamer_cluster::Cluster;
use gossamer_wire::Role;

/// The live instances of this plugin, this one included. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Instances {
    /// None in a process without a mesh, which is always alone.
    cluster: Option<(Cluster, Role)>,
}

/// A name for one set of live instances, in their present lives.
///
/// Events of a repository go to the instance that owns it, and owners change with the set. So a plugin that finds
/// another epoch than before may have missed what another instance was told. Epochs mean nothing after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(u64);

// === impl Instances ===

impl Instances {
    pub(crate) fn of(cluster: Cluster, role: Role) -> Self {
        Self { cluster: Some((cluster, role)) }
    }

    pub(crate) fn alone() -> Self {
        Self { cluster: None }
    }

    /// The present set.
    pub fn epoch(&self) -> Epoch {
        let mut hasher = DefaultHasher::new();
        if let Some((cluster, role)) = &self.cluster {
            // In the order of their ids.
            for member in cluster.view().having(role) {
                let generation = member.record.as_ref().map(|record| record.generation);
                (member.node, generation, member.is_leaving()).hash(&mut hasher);
            }
        }
        Epoch(hasher.finish())
    }
}
