//! Takes committed events to the plugins that they are for.
//!
//! [`gossamer_events::delivery`] decides what goes next; the [`Courier`] is the one task that does
//! it: reads the log, posts to the owner of each lane, writes down how far it has come. A plugin
//! that is slow, absent or failing costs its own lanes; a push never waits for any.

mod courier;
mod destinations;
mod errand;
mod measures;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use gossamer_events::delivery::{self, Progress};
use gossamer_events::{EventLog, Sequence};
use tokio::sync::watch;

pub use self::courier::Courier;
pub use self::destinations::Destinations;
pub use self::transport::Transport;

/// Where events come from, who gets them, and how.
pub struct Config<L, D, T> {
    pub log: L,
    /// The end of the log; a change is what wakes the courier.
    pub head: watch::Receiver<Sequence>,
    pub destinations: watch::Receiver<Arc<D>>,
    pub transport: T,
    pub delivery: delivery::Config,
    /// How long what is in flight may take once the courier is told to stop.
    pub grace: Duration,
}

/// How far delivery is. Cheap to clone; all clones read the same snapshots.
#[derive(Clone, Debug)]
pub struct Fanout {
    progress: watch::Receiver<Arc<[Progress]>>,
}

// === impl Config ===

impl<L: EventLog, D: Destinations, T: Transport> Config<L, D, T> {
    /// Nothing is delivered until the courier runs, as a task.
    pub fn open(self) -> (Fanout, Courier<L, D, T>) {
        let (publish, progress) = watch::channel(Arc::from([]));
        (Fanout { progress }, Courier::new(self, publish))
    }
}

// === impl Fanout ===

impl Fanout {
    /// Every plugin that events are delivered to, some seconds ago at most.
    pub fn progress(&self) -> Arc<[Progress]> {
        Arc::clone(&self.progress.borrow())
    }
}

#[cfg(test)]
mod tests;
