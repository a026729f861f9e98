//! The inbox's one table, and every statement on it.

use bytes::Bytes;
use gossamer_events::{LogId, Position, Sequence};
use gossamer_oci::{Digest, RepositoryName};
use rusqlite::{Connection, OptionalExtension, params};

/// A handled event keeps its row, without the bytes, for so many sequences of its log: a second delivery within
/// that window is recognised. A redrive of something older is handled again.
const REMEMBERED_SEQUENCES: i64 = 65_536;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS inbox_events (
        log         TEXT NOT NULL,
        sequence    INTEGER NOT NULL,
        repository  TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        event       BLOB,               -- NULL once it has been handled
        PRIMARY KEY (log, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS inbox_pending ON inbox_events (repository, sequence) WHERE event IS NOT NULL;
";

/// From the time when an event was known by its sequence alone. What was handled then is not known any more.
const UPGRADE: &str = "
    ALTER TABLE inbox_events RENAME TO inbox_events_without_log;
    DROP INDEX IF EXISTS inbox_pending;
";
const UPGRADED: &str = "
    INSERT INTO inbox_events (log, sequence, repository, fingerprint, event)
        SELECT '00000000000000000000000000000000', sequence, repository, fingerprint, event
        FROM inbox_events_without_log WHERE event IS NOT NULL;
    DROP TABLE inbox_events_without_log;
";

/// An event that waits, as it came.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) position: Position,
    pub(super) encoded: Bytes,
}

/// What storing an event changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// One more event is pending.
    New,
    /// A pending event gave way to this one.
    Replaced,
    /// It was there, pending or handled.
    Known,
}

/// Runs inside a transaction.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    let columns =
        "SELECT count(*), count(*) FILTER (WHERE name = 'log') FROM pragma_table_info('inbox_events')";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let is_old = connection.query_row(columns, [], read).map(|(all, log)| all > 0 && log == 0)?;
    if is_old {
        connection.execute_batch(UPGRADE)?;
    }
    connection.execute_batch(SCHEMA)?;
    if is_old { connection.execute_batch(UPGRADED) } else { Ok(()) }
}

/// Stores an event, unless it is there already.
///
/// Another event at a known position takes the place of the old one: the log was restored or made anew.
pub(super) fn insert(
    connection: &Connection,
    position: Position,
    repository: &RepositoryName,
    fingerprint: &Digest,
    encoded: &Bytes,
) -> rusqlite::Result<Stored> {
    let select = "SELECT fingerprint, event IS NOT NULL FROM inbox_events
        WHERE log = ?1 AND sequence = ?2";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?));
    let known = connection.prepare_cached(select)?.query_row(key(position), read).optional()?;
    let fingerprint = fingerprint.to_string();
    let stored = match known {
        Some((known, _)) if known == fingerprint => return Ok(Stored::Known),
        Some((_, true)) => Stored::Replaced,
        Some((_, false)) | None => Stored::New,
    };
    let upsert = "INSERT OR REPLACE INTO inbox_events (log, sequence, repository, fingerprint, event)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    let (log, sequence) = key(position);
    let row = params![log, sequence, repository.as_str(), fingerprint, encoded.as_ref()];
    connection.prepare_cached(upsert)?.execute(row)?;
    Ok(stored)
}

pub(super) fn count_pending(connection: &Connection) -> rusqlite::Result<u64> {
    let count = "SELECT count(*) FROM inbox_events WHERE event IS NOT NULL";
    let pending: i64 = connection.query_row(count, [], |row| row.get(0))?;
    Ok(pending.unsigned_abs())
}

/// Repositories with pending events, the longest waiting first.
pub(super) fn waiting(connection: &Connection) -> rusqlite::Result<Vec<RepositoryName>> {
    let select = "SELECT repository FROM inbox_events WHERE event IS NOT NULL
        GROUP BY repository ORDER BY min(sequence)";
    let mut statement = connection.prepare(select)?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    let parsed = names.map(|name| name?.parse().map_err(|error| mistyped(Box::new(error))));
    parsed.collect()
}

/// The next event of a repository: those of one log in their order. Between logs there is none, so that any will do
/// which is always the same.
pub(super) fn next(
    connection: &Connection,
    repository: &RepositoryName,
) -> rusqlite::Result<Option<Pending>> {
    let select = "SELECT log, sequence, event FROM inbox_events
        WHERE repository = ?1 AND event IS NOT NULL ORDER BY sequence, log LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| {
        let log: LogId = row.get::<_, String>(0)?.parse().map_err(|error| mistyped(Box::new(error)))?;
        let sequence = Sequence::new(row.get::<_, i64>(1)?.cast_unsigned());
        Ok(Pending { position: Position { log, sequence }, encoded: row.get::<_, Vec<u8>>(2)?.into() })
    };
    connection.prepare_cached(select)?.query_row([repository.as_str()], read).optional()
}

pub(super) fn is_handled(connection: &Connection, position: Position) -> rusqlite::Result<bool> {
    let select = "SELECT 1 FROM inbox_events WHERE log = ?1 AND sequence = ?2 AND event IS NULL";
    connection.prepare_cached(select)?.exists(key(position))
}

/// Marks an event as handled and forgets what fell out of the window of its log.
pub(super) fn mark_handled(connection: &Connection, position: Position) -> rusqlite::Result<()> {
    let mark = "UPDATE inbox_events SET event = NULL WHERE log = ?1 AND sequence = ?2";
    connection.prepare_cached(mark)?.execute(key(position))?;
    let forget = "DELETE FROM inbox_events WHERE log = ?1 AND sequence < ?2 AND event IS NULL";
    let (log, sequence) = key(position);
    connection.prepare_cached(forget)?.execute((log, sequence.saturating_sub(REMEMBERED_SEQUENCES)))?;
    Ok(())
}

/// SQLite's integers are signed; a sequence goes through them bit by bit.
fn key(position: Position) -> (String, i64) {
    (position.log.to_string(), position.sequence.get().cast_signed())
}

fn mistyped(error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error)
}
