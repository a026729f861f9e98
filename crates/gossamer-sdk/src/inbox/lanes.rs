//! The task that works the inbox off: one event at a time per repository, many repositories side by side.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gossamer_events::Event;
use gossamer_oci::RepositoryName;
use metrics::counter;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span, warn};

use super::schedule::{Schedule, Turn};
use super::{Arrivals, Inbox, table};
use crate::{Effect, Retry};

/// Lanes that run at the same time: each holds one event, at most a manifest of 4 MiB.
const RUNNING_MAX: usize = 64;

/// Events of one lane in one turn, so that a busy repository does not keep the others waiting.
const TURN_EVENTS: usize = 32;

/// What is done about one event.
pub(crate) type Handler = Arc<dyn Fn(Arc<Event>) -> BoxFuture<'static, Result<Effect, Retry>> + Send + Sync>;

/// The owner of the schedule and of the tasks that run lanes.
pub(crate) struct Lanes {
    inbox: Inbox,
    handler: Handler,
    arrivals: Arrivals,
    schedule: Schedule,
    running: JoinSet<(RepositoryName, Turn)>,
}

// === impl Lanes ===

impl Lanes {
    pub(crate) fn new(inbox: Inbox, arrivals: Arrivals, handler: Handler) -> Self {
        Self { inbox, handler, arrivals, schedule: Schedule::default(), running: JoinSet::new() }
    }

    /// Works off what was left, then what arrives; once told to stop, ends the events in hand and returns.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        match self.inbox.waiting().await {
            Ok(waiting) => waiting.into_iter().for_each(|repository| self.schedule.wake(repository)),
            Err(error) => warn!(%error, "Cannot read what the last run left in the inbox"),
        }
        loop {
            self.start_ready(&shutdown);
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(repository) = self.arrivals.recv() => self.schedule.wake(repository),
                Some(ended) = self.running.join_next() => self.finished(ended),
                () = sleep_until(self.schedule.deadline()) => {}
            }
            self.schedule.expire(now());
        }
        while self.running.join_next().await.is_some() {}
    }

    fn start_ready(&mut self, shutdown: &CancellationToken) {
        while let Some(repository) = self.schedule.start_next(RUNNING_MAX) {
            let span = info_span!("lane", %repository);
            let (inbox, handler) = (self.inbox.clone(), Arc::clone(&self.handler));
            let turn = run_turn(inbox, handler, repository, shutdown.clone());
            self.running.spawn(turn.instrument(span));
        }
    }

    fn finished(&mut self, ended: Result<(RepositoryName, Turn), tokio::task::JoinError>) {
        match ended {
            Ok((repository, turn)) => self.schedule.finished(repository, turn, now()),
            Err(error) => warn!(%error, "A lane ended by accident"),
        }
    }
}

async fn run_turn(
    inbox: Inbox,
    handler: Handler,
    repository: RepositoryName,
    shutdown: CancellationToken,
) -> (RepositoryName, Turn) {
    for handled in 0..TURN_EVENTS {
        if shutdown.is_cancelled() {
            break;
        }
        match run_next(&inbox, &handler, &repository).await {
            Ok(true) => {}
            Ok(false) => return (repository, Turn::Done),
            Err(Retry { reason, after }) => {
                counter!("gossamer_inbox_retries_total").increment(1);
                warn!(error = reason, "Handling an event failed, will retry");
                return (repository, Turn::Retry { after, progress: handled > 0 });
            }
        }
    }
    (repository, Turn::More)
}

/// Handles the next event of a lane; false if there is none.
async fn run_next(inbox: &Inbox, handler: &Handler, repository: &RepositoryName) -> Result<bool, Retry> {
    let Some(table::Pending { position, encoded }) = inbox.next(repository).await.map_err(Retry::later)?
    else {
        return Ok(false);
    };
    let (_, event) = gossamer_wire::event::decode(&encoded).map_err(Retry::later)?;
    let handling = async { handler(Arc::new(event)).await };
    let effect = AssertUnwindSafe(handling).catch_unwind().await;
    let effect =
        effect.unwrap_or_else(|_| Err(Retry::later(format_args!("handling {position} panicked"))))?;
    inbox.settle(position, effect).await.map_err(Retry::later)?;
    Ok(true)
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
