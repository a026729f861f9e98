//! The plugin's own SQLite file: one writer thread that commits in groups, and a few readers beside it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Semaphore, oneshot};

mod writer;

#[cfg(test)]
mod tests;

/// Readers at one time. Reads are short; more would only cost memory (each has a page cache).
const READERS_MAX: usize = 4;

/// Page cache of one connection, in KiB (SQLite takes it as a negative number): a plugin at rest stays small.
const CACHE_KIB: i64 = 1024;

/// What the write-ahead log shrinks back to after a burst, in bytes.
const JOURNAL_BYTES_MAX: i64 = 16 * 1024 * 1024;

/// How long a statement waits for a lock that another process holds, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The database of one plugin process. Cheap to clone; all clones share the one writer.
///
/// It holds the inbox and, beside it, whatever tables the plugin creates for itself, so that the effect of an
/// event and the mark that says it was handled are one commit.
#[derive(Clone, Debug)]
pub struct Database {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    writer: writer::Writer,
    idle: Mutex<Vec<Connection>>,
    readers: Semaphore,
}

/// Why the database did not do what it was asked. Nothing was written unless the variant says otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The statement failed; only this piece of work was rolled back.
    #[error("the database refused the work")]
    Refused(#[source] Arc<rusqlite::Error>),
    /// The group's commit failed; the write may or may not survive a crash.
    #[error("the database could not commit")]
    Commit(#[source] Arc<rusqlite::Error>),
    /// The work panicked and was rolled back.
    #[error("the work panicked inside the database")]
    Panicked,
    /// The plugin is stopping.
    #[error("the database is closed")]
    Closed,
}

// === impl Database ===

impl Database {
    /// Opens or creates the file. Blocks; meant for start-up.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let connection = Connection::open(path)?;
        configure(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES_MAX)?;
        let writer = writer::Writer::start(connection);
        let shared = Shared {
            path: path.to_owned(),
            writer,
            idle: Mutex::new(Vec::new()),
            readers: Semaphore::new(READERS_MAX),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Runs `work` on the writer, inside a transaction it shares with others; returns when it is on disk.
    ///
    /// An error rolls back this work alone. `work` must not begin or end transactions itself.
    pub async fn write<T, W>(&self, work: W) -> Result<T, DatabaseError>
    where
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.shared.writer.submit(work, reply).await?;
        answer.await.map_err(|_| DatabaseError::Closed)?
    }

    /// Runs `work` on one snapshot of what is committed, beside the writer.
    pub async fn read<T, W>(&self, work: W) -> Result<T, DatabaseError>
    where
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let _permit = self.shared.readers.acquire().await.map_err(|_| DatabaseError::Closed)?;
        let shared = Arc::clone(&self.shared);
        let read = move || {
            let connection = shared.lend()?;
            let result = snapshot(&connection, work);
            shared.take_back(connection);
            result
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(result) => result,
            Err(_) => Err(DatabaseError::Panicked),
        }
    }

    /// Commits what was submitted and ends the writer. Later work is refused as `Closed`.
    pub async fn close(&self) {
        self.shared.readers.close();
        self.shared.writer.close().await;
    }
}

fn snapshot<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, DatabaseError> {
    let transaction = connection.unchecked_transaction()?;
    Ok(work(&transaction)?)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "foreign_keys", true)
}

// === impl Shared ===

impl Shared {
    fn lend(&self) -> Result<Connection, DatabaseError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        configure(&connection)?;
        Ok(connection)
    }

    fn take_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

// === impl DatabaseError ===

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Refused(Arc::new(error))
    }
}
