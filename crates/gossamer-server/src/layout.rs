//! What lies where in a core's data directory.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Only the core's own user may look: keys and tokens are inside.
const MODE: u32 = 0o700;

/// The parts of one data directory.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

// === impl Layout ===

impl Layout {
    /// Makes the directory if it is missing, for its owner only.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(MODE).create(root)?;
        Ok(Self { root: root.to_owned() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// CA key and certificate, node key and chain, token ledger.
    pub(crate) fn identity(&self) -> PathBuf {
        self.root.join("identity")
    }

    /// The members of the last run.
    pub(crate) fn cluster(&self) -> PathBuf {
        self.root.join("cluster")
    }

    /// The port of the last run, where the configuration leaves it open.
    pub(crate) fn cluster_port(&self) -> PathBuf {
        self.root.join("cluster.port")
    }

    /// Blobs, uploads and the catalog.
    pub(crate) fn registry(&self) -> PathBuf {
        self.root.join("registry")
    }

    /// Verified announcements.
    pub(crate) fn announcements(&self) -> PathBuf {
        self.root.join("announcements")
    }

    /// What operators want of the versions of plugins.
    pub(crate) fn rollouts(&self) -> PathBuf {
        self.root.join("rollouts.json")
    }

    /// The administrator's token.
    pub(crate) fn admin_token(&self) -> PathBuf {
        self.root.join("admin.token")
    }

    /// The number of this core's life.
    pub(crate) fn generation(&self) -> PathBuf {
        self.root.join("generation")
    }
}
