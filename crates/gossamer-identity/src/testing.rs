//! A throw-away mesh for this crate's tests: an authority in a temporary directory, and nodes of it.

use std::time::Duration;

use gossamer_wire::Role;
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::{Authority, Grant, Identity, NodeKey};

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);

pub(crate) struct TestMesh {
    pub(crate) authority: Authority,
    pub(crate) directory: TempDir,
}

// === impl TestMesh ===

impl TestMesh {
    pub(crate) fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(directory.path(), &name.parse().unwrap()).unwrap();
        Self { authority, directory }
    }

    pub(crate) fn node(&self, role: Role) -> Identity {
        self.node_with(&Grant::role(role), OffsetDateTime::now_utc())
    }

    /// A node whose certificate was issued at `issued`, for an hour.
    pub(crate) fn node_with(&self, grant: &Grant, issued: OffsetDateTime) -> Identity {
        self.authority.enrol(NodeKey::generate().unwrap(), grant, HOUR, issued).unwrap()
    }
}

pub(crate) fn plugin(name: &str) -> Role {
    Role::Plugin(name.parse().unwrap())
}
