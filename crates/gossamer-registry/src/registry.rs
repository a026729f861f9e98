//! The handle.

use std::sync::Arc;

use gossamer_events::Sequence;
use tokio::sync::watch;

use crate::{Config, Error};

/// The artifacts of one directory. Cheap to clone; all clones are the same registry.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    head: watch::Sender<Sequence>,
}

// === impl Registry ===

impl Registry {
    pub(crate) async fn open(_config: Config) -> Result<Self, Error> {
        Err(Error::Closed)
    }

    /// The sequence of the newest event. Changes after the event is durable.
    pub fn events_head(&self) -> watch::Receiver<Sequence> {
        self.inner.head.subscribe()
    }

    /// Stops taking changes, waits for those that were taken, and closes the catalog.
    /// Whatever is asked later fails with [`Error::Closed`].
    pub async fn close(&self) {}
}
