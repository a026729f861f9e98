//! The inbox's one table, and every statement on it.

use bytes::Bytes;
use gossamer_events::Sequence;
use gossamer_oci::{Digest, RepositoryName};
use rusqlite::{Connection, OptionalExtension, params};

/// A handled event keeps its row, without the bytes, for so many sequences of the mesh: a second delivery within
/// that window is recognised. A redrive of something older is handled again.
const REMEMBERED_SEQUENCES: i64 = 65_536;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS inbox_events (
        sequence    INTEGER PRIMARY KEY,
        repository  TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        event       BLOB                -- NULL once it has been handled
    ) STRICT;
    CREATE INDEX IF NOT EXISTS inbox_pending ON inbox_events (repository, sequence) WHERE event IS NOT NULL;
";

/// An event that waits, as it came.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) sequence: Sequence,
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

pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA)
}

/// Stores an event, unless it is there already.
///
/// Another event under a known sequence takes the place of the old one: the log was restored or made anew.
pub(super) fn insert(
    connection: &Connection,
    sequence: Sequence,
    repository: &RepositoryName,
    fingerprint: &Digest,
    encoded: &Bytes,
) -> rusqlite::Result<Stored> {
    let select = "SELECT fingerprint, event IS NOT NULL FROM inbox_events WHERE sequence = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?));
    let known = connection.prepare_cached(select)?.query_row([number(sequence)], read).optional()?;
    let fingerprint = fingerprint.to_string();
    let stored = match known {
        Some((known, _)) if known == fingerprint => return Ok(Stored::Known),
        Some((_, true)) => Stored::Replaced,
        Some((_, false)) | None => Stored::New,
    };
    let upsert = "INSERT OR REPLACE INTO inbox_events (sequence, repository, fingerprint, event)
        VALUES (?1, ?2, ?3, ?4)";
    let row = params![number(sequence), repository.as_str(), fingerprint, encoded.as_ref()];
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

pub(super) fn next(
    connection: &Connection,
    repository: &RepositoryName,
) -> rusqlite::Result<Option<Pending>> {
    let select = "SELECT sequence, event FROM inbox_events
        WHERE repository = ?1 AND event IS NOT NULL ORDER BY sequence LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| {
        let sequence = Sequence::new(row.get::<_, i64>(0)?.cast_unsigned());
        Ok(Pending { sequence, encoded: row.get::<_, Vec<u8>>(1)?.into() })
    };
    connection.prepare_cached(select)?.query_row([repository.as_str()], read).optional()
}

pub(super) fn is_handled(connection: &Connection, sequence: Sequence) -> rusqlite::Result<bool> {
    let select = "SELECT 1 FROM inbox_events WHERE sequence = ?1 AND event IS NULL";
    connection.prepare_cached(select)?.exists([number(sequence)])
}

/// Marks an event as handled and forgets what fell out of the window.
pub(super) fn mark_handled(connection: &Connection, sequence: Sequence) -> rusqlite::Result<()> {
    let mark = "UPDATE inbox_events SET event = NULL WHERE sequence = ?1";
    connection.prepare_cached(mark)?.execute([number(sequence)])?;
    let forget = "DELETE FROM inbox_events WHERE sequence < ?1 AND event IS NULL";
    connection.prepare_cached(forget)?.execute([number(sequence).saturating_sub(REMEMBERED_SEQUENCES)])?;
    Ok(())
}

/// SQLite's integers are signed; a sequence goes through them bit by bit.
fn number(sequence: Sequence) -> i64 {
    sequence.get().cast_signed()
}

fn mistyped(error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error)
}
