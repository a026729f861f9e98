//! One thing that the courier has done for it, and what it is told afterwards.

use std::error::Error;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use gossamer_events::delivery::{Failure, Input};
use gossamer_events::{Cursors, DeadLetter, EventLog, Head, Lane, Sequence};
use gossamer_oci::PluginName;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::destinations::Destinations;
use super::measures;
use super::transport::Transport;
use crate::chain::Chain;

/// The pause before a plugin's cursors are read again.
const CURSORS_RETRY: Duration = Duration::from_secs(1);

/// The end of an errand.
#[derive(Debug)]
pub(super) enum Done {
    /// What the core is told as it is.
    Input(Input),
    /// A plugin may start from here; `None` if nobody knows from where.
    Started {
        plugin: PluginName,
        cursors: Option<Cursors>,
    },
    /// Heads, still to be routed.
    Scanned(Vec<Head>),
    Loaded {
        lane: Lane,
        heads: Vec<Head>,
    },
}

/// What every errand needs. Cheap to clone.
pub(super) struct Means<L, T> {
    pub(super) log: Arc<L>,
    pub(super) transport: T,
}

// === impl Means ===

impl<L, T: Clone> Clone for Means<L, T> {
    fn clone(&self) -> Self {
        Self { log: Arc::clone(&self.log), transport: self.transport.clone() }
    }
}

impl<L: EventLog, T: Transport> Means<L, T> {
    /// How far the plugin has come; asked until it is answered.
    pub(super) async fn start(self, plugin: PluginName) -> Done {
        loop {
            match self.log.cursors(&plugin).await {
                Ok(cursors) => {
                    info!(%plugin, low = %cursors.low, "Events are delivered from here");
                    return Done::Started { plugin, cursors: Some(cursors) };
                }
                Err(error) => warn_log(&error, format_args!("read the cursors of {plugin}")),
            }
            sleep(CURSORS_RETRY).await;
        }
    }

    pub(super) async fn scan(self, after: Sequence, limit: usize) -> Done {
        match self.log.heads(after, limit).await {
            Ok(heads) => Done::Scanned(heads),
            Err(error) => {
                warn_log(&error, "scan the log");
                Done::Input(Input::ScanFailed)
            }
        }
    }

    pub(super) async fn load(self, lane: Lane, after: Sequence, limit: usize) -> Done {
        match self.log.lane_heads(&lane.repository, after, limit).await {
            Ok(heads) => Done::Loaded { lane, heads },
            Err(error) => {
                warn_log(&error, format_args!("read {lane}"));
                Done::Input(Input::LoadFailed { lane })
            }
        }
    }

    /// Posts one event to the owner of its lane, and to nobody else: the next in order would take
    /// it while the owner may still be at work on the one before.
    pub(super) async fn deliver(
        self,
        lane: Lane,
        sequence: Sequence,
        attempt: u32,
        destinations: Arc<impl Destinations>,
    ) -> Done {
        let began = Instant::now();
        let result = self.post(&lane, sequence, destinations).await;
        measures::attempt(&lane.plugin, began.elapsed(), &result);
        Done::Input(match result {
            Ok(()) => Input::Acknowledged { lane, sequence },
            Err(failure) => {
                warn_delivery(&lane, sequence, attempt, &failure);
                Input::Failed { lane, sequence, failure }
            }
        })
    }

    async fn post(
        &self,
        lane: &Lane,
        sequence: Sequence,
        destinations: Arc<impl Destinations>,
    ) -> Result<(), Failure> {
        let owner = destinations.owner(lane).ok_or(Failure::Unreachable)?;
        let read = self.log.read_lane(&lane.repository, sequence.previous(), 1).await;
        let events = read.map_err(|error| {
            warn_log(&error, format_args!("read event {sequence} of {lane}"));
            Failure::Unreachable
        })?;
        let found = events.into_iter().find(|event| event.sequence == sequence);
        let gone = || Failure::Refused { reason: "the log has it no more".into() };
        let event = found.ok_or_else(gone)?;
        let encoded = gossamer_wire::event::encode(self.log.id(), &event);
        self.transport.post(&owner, encoded).await?;
        measures::arrived(&lane.plugin, &event);
        Ok(())
    }

    pub(super) async fn park(self, letter: DeadLetter) -> Done {
        let parked = self.log.park(&letter).await;
        let DeadLetter { lane, sequence, attempts, reason } = letter;
        Done::Input(match parked {
            Ok(()) => {
                warn!(plugin = %lane.plugin, repository = %lane.repository, %sequence, attempts, reason,
                    "Event is a dead letter now");
                measures::dead_letter(&lane.plugin);
                Input::Parked { lane, sequence }
            }
            Err(error) => {
                warn_log(&error, format_args!("park event {sequence} of {lane}"));
                Input::ParkFailed { lane, sequence }
            }
        })
    }

    pub(super) async fn commit(self, lane: Lane, cursor: Sequence) -> Done {
        Done::Input(match self.log.commit(&lane, cursor).await {
            Ok(()) => Input::Committed { lane },
            Err(error) => {
                warn_log(&error, format_args!("write the cursor of {lane}"));
                Input::CommitFailed { lane }
            }
        })
    }

    pub(super) async fn commit_low(self, plugin: PluginName, low: Sequence) -> Done {
        Done::Input(match self.log.commit_low(&plugin, low).await {
            Ok(()) => Input::CommittedLow { plugin },
            Err(error) => {
                warn_log(&error, format_args!("write the low-water mark of {plugin}"));
                Input::CommitLowFailed { plugin }
            }
        })
    }
}

fn warn_log(error: &(dyn Error + 'static), doing: impl Display) {
    warn!(error = %Chain(error), "Cannot {doing}, will try again");
}

/// The first failure of an event is a warning; that it goes on is for the metrics.
fn warn_delivery(lane: &Lane, sequence: Sequence, attempt: u32, failure: &Failure) {
    let (plugin, repository) = (&lane.plugin, &lane.repository);
    let reason = match failure {
        Failure::Unreachable => "nobody could be reached",
        Failure::Retry { reason } | Failure::Refused { reason } => reason,
    };
    if attempt == 1 {
        warn!(%plugin, %repository, %sequence, reason, "Event was not delivered at once");
    } else {
        debug!(%plugin, %repository, %sequence, attempt, reason, "Event was not delivered again");
    }
}
