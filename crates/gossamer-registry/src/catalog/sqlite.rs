//! The embedded catalog: one SQLite file, one writer thread, a few readers.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use futures::FutureExt;
use futures::future::BoxFuture;
use gossamer_events::{Cursors, DeadLetter, Event, Head, LogId, Sequence};
use gossamer_oci::{Descriptor, Digest, PluginName, Reference, RepositoryName, Tag};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::info;

use super::{Applied, Catalog, Change, EventsQuery, ManifestRow, ReferrersQuery, UploadRow};
use crate::Error;
use crate::index::Index;

mod apply;
mod column;
mod fault;
mod migrate;
mod read;
mod readers;
mod writer;

use fault::Fault;
use readers::Readers;
use writer::{Job, Order, Totals, Writer};

/// Changes that wait for the writer; who comes later waits to be let in.
const QUEUE_MAX: usize = 1_024;

/// Prepared statements kept by each connection; more than there are.
const STATEMENTS_MAX: usize = 128;

/// Pages of the journal after which a commit moves them into the database: 16 MiB, so that a burst
/// of pushes pays for it rarely.
const CHECKPOINT_PAGES: u32 = 4_096;

/// The embedded catalog.
pub(crate) struct Sqlite {
    orders: mpsc::Sender<Order>,
    writer: Mutex<Option<JoinHandle<Totals>>>,
    readers: Arc<Readers>,
    log: LogId,
    head: watch::Receiver<Sequence>,
}

// === impl Sqlite ===

impl Sqlite {
    /// Opens or makes the catalog at `path` and starts its writer, which keeps `index` exact.
    pub(crate) fn open(path: &Path, index: Arc<Index>) -> Result<Self, Error> {
        let mut connection = connect(path)?;
        migrate::migrate(&mut connection)?;
        let readers = Arc::new(Readers::open(|| connect(path))?);
        let newest = readers.with(read::newest)?;
        let log = readers.with(read::log_id)?;
        let (head, head_seen) = watch::channel(newest);
        let (orders, queue) = mpsc::channel(QUEUE_MAX);
        let writer = Writer { connection, synced: true, index, head, totals: Totals::default() };
        let thread = thread::Builder::new().name("catalog".into()).spawn(move || writer.run(queue))?;
        Ok(Self { orders, writer: Mutex::new(Some(thread)), readers, log, head: head_seen })
    }

    /// Lets the writer finish what it took, and says what it did; nothing if it was stopped before.
    fn stop(&self) -> BoxFuture<'static, Option<Totals>> {
        let orders = self.orders.clone();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move {
            let writer = writer?;
            // An error says that the writer has ended already.
            let _ended = orders.send(Order::Stop).await;
            tokio::task::spawn_blocking(move || writer.join().ok()).await.ok()?
        }
        .boxed()
    }
}

impl Catalog for Sqlite {
    fn apply(&self, change: Change) -> BoxFuture<'static, Result<Applied, Error>> {
        let orders = self.orders.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            let order = Order::Apply(Box::new(Job { change, answer }));
            orders.send(order).await.map_err(|_| Error::Closed)?;
            answered.await.map_err(|_| Error::Closed)?
        }
        .boxed()
    }

    fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<ManifestRow>, Error> {
        self.readers.with(|connection| read::manifest(connection, repository, reference))
    }

    fn blob_size(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<u64>, Error> {
        self.readers.with(|connection| apply::blob_size(connection, repository, digest))
    }

    fn holders(&self, digest: &Digest, limit: usize) -> Result<Vec<RepositoryName>, Error> {
        self.readers.with(|connection| read::holders(connection, digest, limit))
    }

    fn tags(
        &self,
        repository: &RepositoryName,
        after: &str,
        limit: usize,
    ) -> Result<Option<Vec<Tag>>, Error> {
        self.readers.with(|connection| read::tags(connection, repository, after, limit))
    }

    fn repositories(&self, after: &str, limit: usize) -> Result<Vec<RepositoryName>, Error> {
        self.readers.with(|connection| read::repositories(connection, after, limit))
    }

    fn referrers(&self, query: &ReferrersQuery<'_>) -> Result<Vec<Descriptor>, Error> {
        self.readers.with(|connection| read::referrers(connection, query))
    }

    fn uploads(&self) -> Result<Vec<UploadRow>, Error> {
        self.readers.with(read::uploads)
    }

    fn heads(&self, query: &EventsQuery) -> Result<Vec<Head>, Error> {
        self.readers.with(|connection| read::heads(connection, query))
    }

    fn events(&self, query: &EventsQuery) -> Result<Vec<Event>, Error> {
        self.readers.with(|connection| read::events(connection, query))
    }

    fn cursors(&self, plugin: &PluginName) -> Result<Cursors, Error> {
        self.readers.with(|connection| read::cursors(connection, plugin))
    }

    fn dead_letters(
        &self,
        plugin: &PluginName,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        self.readers.with(|connection| read::dead_letters(connection, plugin, after, limit))
    }

    fn log(&self) -> LogId {
        self.log
    }

    fn head(&self) -> watch::Receiver<Sequence> {
        self.head.clone()
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let stopped = self.stop();
        async move {
            if let Some(Totals { commits, changes }) = stopped.await {
                info!(commits, changes, "The catalog is closed");
            }
        }
        .boxed()
    }
}

/// A connection with what must be set on each.
fn connect(path: &Path) -> Result<Connection, Error> {
    prepare(path).map_err(|error| Fault::from(error).into())
}

fn prepare(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX // each connection has one thread at a time
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA busy_timeout = 5000;
         PRAGMA temp_store = MEMORY;
         PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};"
    ))?;
    Ok(connection)
}

#[cfg(test)]
mod tests;
