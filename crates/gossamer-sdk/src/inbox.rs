//! The inbox: events are acknowledged once they are on disk here, and worked off in order per repository.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gossamer_events::{Event, LogId, Position};
use gossamer_oci::{Digest, RepositoryName};
use metrics::{counter, gauge};
use tokio::sync::{broadcast, mpsc};
use tokio_util::task::TaskTracker;

use crate::Effect;
use crate::database::{Database, DatabaseError};

mod lanes;
mod schedule;
mod table;

pub(crate) use lanes::{Handler, Lanes};

#[cfg(test)]
mod tests;

/// Events that may wait to be handled. Beyond it the core keeps them, in its log.
const PENDING_MAX: u64 = 100_000;

/// Wake-ups on their way to the lanes. When it is full, whoever delivers waits.
const ARRIVALS_MAX: usize = 1024;

/// Handled sequences that a slow waiter may fall behind before it looks into the table again.
const SETTLED_MAX: usize = 1024;

/// The inbox of one plugin process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Inbox {
    database: Database,
    arrivals: mpsc::Sender<RepositoryName>,
    settled: broadcast::Sender<Position>,
    pending: Arc<AtomicU64>,
    storing: TaskTracker,
}

/// Repositories for which something arrived; the lanes take them from here.
pub(crate) type Arrivals = mpsc::Receiver<RepositoryName>;

/// Why an event was not taken. It was not stored.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    #[error("{PENDING_MAX} events are waiting already")]
    Full,
    #[error("the inbox cannot be written")]
    Database(#[from] DatabaseError),
}

/// Why waiting for an event ended without it.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    #[error("event {0} was not handled in time")]
    TimedOut(Position),
    #[error("the inbox cannot be read")]
    Database(#[from] DatabaseError),
}

// === impl Inbox ===

impl Inbox {
    /// Makes the inbox's tables if they are not there, and finds what was left to do.
    pub(crate) async fn open(database: Database) -> Result<(Self, Arrivals), DatabaseError> {
        database.write(table::create).await?;
        let pending = database.read(table::count_pending).await?;
        let (arrivals, arrived) = mpsc::channel(ARRIVALS_MAX);
        let (settled, _) = broadcast::channel(SETTLED_MAX);
        let inbox = Self {
            database,
            arrivals,
            settled,
            pending: Arc::new(AtomicU64::new(pending)),
            storing: TaskTracker::new(),
        };
        inbox.gauge();
        Ok((inbox, arrived))
    }

    /// Stores an event. `Ok` means that it is on disk, now or since an earlier delivery.
    ///
    /// An event is known by its log and its sequence in that: cores with separate catalogs number theirs alike.
    /// `encoded` is the event as it came; it tells a second delivery from another event at the same position, which a
    /// core may send whose log was restored from a backup.
    ///
    /// Runs to its end even if the caller goes away meanwhile, as it does when the core that delivers dies: an event
    /// that is stored but of which the lanes never hear would wait for the next start.
    pub(crate) async fn enqueue(
        &self,
        log: LogId,
        event: &Event,
        encoded: Bytes,
    ) -> Result<(), EnqueueError> {
        if self.pending.load(Ordering::Relaxed) >= PENDING_MAX {
            return Err(EnqueueError::Full);
        }
        let position = Position { log, sequence: event.sequence };
        let storing = self.clone().store(position, event.repository.clone(), encoded);
        self.storing.spawn(storing).await.unwrap_or(Err(DatabaseError::Closed.into()))
    }

    async fn store(
        self,
        position: Position,
        repository: RepositoryName,
        encoded: Bytes,
    ) -> Result<(), EnqueueError> {
        let fingerprint = Digest::sha256(&encoded);
        let lane = repository.clone();
        let store = move |c: &_| table::insert(c, position, &lane, &fingerprint, &encoded);
        match self.database.write(store).await? {
            table::Stored::Known => return Ok(()),
            table::Stored::Replaced => {}
            table::Stored::New => {
                self.pending.fetch_add(1, Ordering::Relaxed);
            }
        }
        counter!("gossamer_inbox_events_total").increment(1);
        self.gauge();
        // A closed channel means that the lanes have stopped; the event is worked off at the next start.
        self.arrivals.send(repository).await.ok();
        Ok(())
    }

    /// Waits until this event has been handled here, or for `within` at most.
    ///
    /// An event that another instance of the plugin handles is never seen here.
    pub async fn handled(&self, event: Position, within: Duration) -> Result<(), WaitError> {
        let waiting = tokio::time::timeout(within, self.wait_for(event));
        waiting.await.map_err(|_| WaitError::TimedOut(event))?
    }

    async fn wait_for(&self, event: Position) -> Result<(), WaitError> {
        let mut settled = self.settled.subscribe();
        loop {
            if self.database.read(move |c| table::is_handled(c, event)).await? {
                return Ok(());
            }
            loop {
                match settled.recv().await {
                    Ok(handled) if handled == event => return Ok(()),
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => break, // it may have been among those: look
                    Err(broadcast::error::RecvError::Closed) => return Err(DatabaseError::Closed.into()),
                }
            }
        }
    }

    /// Repositories with something to do, as the last run left them.
    async fn waiting(&self) -> Result<Vec<RepositoryName>, DatabaseError> {
        self.database.read(table::waiting).await
    }

    /// The oldest event of a repository that has not been handled.
    async fn next(&self, repository: &RepositoryName) -> Result<Option<table::Pending>, DatabaseError> {
        let repository = repository.clone();
        self.database.read(move |c| table::next(c, &repository)).await
    }

    /// Commits an effect together with the mark that its event was handled.
    async fn settle(&self, event: Position, effect: Effect) -> Result<(), DatabaseError> {
        let settle = move |c: &_| {
            effect.apply(c)?;
            table::mark_handled(c, event)
        };
        self.database.write(settle).await?;
        self.pending.fetch_sub(1, Ordering::Relaxed);
        counter!("gossamer_inbox_handled_total").increment(1);
        self.gauge();
        self.settled.send(event).ok(); // nobody need be waiting
        Ok(())
    }

    fn gauge(&self) {
        let pending = u32::try_from(self.pending.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        gauge!("gossamer_inbox_pending_events").set(f64::from(pending));
    }
}
