//! Reading the log.

use bytes::Bytes;
use gossamer_events::{Action, DeadLetter, Event, Head, Lane, Origin, Sequence};
use gossamer_oci::{PluginName, RepositoryName};
use rusqlite::{Connection, Row, Rows, params};

use crate::catalog::EventsQuery;
use crate::catalog::sqlite::column::{invalid, limit, maybe_parsed, parsed, signed, time, unsigned};

/// Payload bytes after which a read ends, so that a limit in events is also one in memory.
const PAYLOAD_BYTES_MAX: usize = 8 << 20;

pub(in crate::catalog::sqlite) fn heads(
    connection: &Connection,
    query: &EventsQuery,
) -> rusqlite::Result<Vec<Head>> {
    const ALL: &str = "SELECT sequence, repository, media_type FROM events
        WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
    const ONE: &str = "SELECT sequence, repository, media_type FROM events
        WHERE sequence > ?1 AND repository = ?3 ORDER BY sequence LIMIT ?2";
    select(connection, query, [ALL, ONE], |mut rows| {
        let mut heads = Vec::new();
        while let Some(row) = rows.next()? {
            heads.push(Head {
                sequence: Sequence::new(unsigned(row, "sequence")?),
                repository: parsed(row, "repository")?,
                media_type: maybe_parsed(row, "media_type")?,
            });
        }
        Ok(heads)
    })
}

pub(in crate::catalog::sqlite) fn events(
    connection: &Connection,
    query: &EventsQuery,
) -> rusqlite::Result<Vec<Event>> {
    const ALL: &str = "SELECT e.*, c.bytes FROM events e LEFT JOIN contents c ON c.digest = e.digest
        WHERE e.sequence > ?1 ORDER BY e.sequence LIMIT ?2";
    const ONE: &str = "SELECT e.*, c.bytes FROM events e LEFT JOIN contents c ON c.digest = e.digest
        WHERE e.sequence > ?1 AND e.repository = ?3 ORDER BY e.sequence LIMIT ?2";
    select(connection, query, [ALL, ONE], |mut rows| {
        let (mut events, mut bytes) = (Vec::new(), 0);
        while bytes < PAYLOAD_BYTES_MAX
            && let Some(row) = rows.next()?
        {
            let event = event(row)?;
            bytes += event.payload.len();
            events.push(event);
        }
        Ok(events)
    })
}

pub(in crate::catalog::sqlite) fn dead_letters(
    connection: &Connection,
    plugin: &PluginName,
    after: Sequence,
    entries: usize,
) -> rusqlite::Result<Vec<DeadLetter>> {
    let sql = "SELECT sequence, repository, attempts, reason FROM dead_letters
        WHERE plugin = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3";
    connection
        .prepare_cached(sql)?
        .query_map(params![plugin.as_str(), signed(after.get()), limit(entries)], |row| {
            Ok(DeadLetter {
                lane: Lane { plugin: plugin.clone(), repository: parsed(row, "repository")? },
                sequence: Sequence::new(unsigned(row, "sequence")?),
                attempts: row.get("attempts")?,
                reason: row.get("reason")?,
            })
        })?
        .collect()
}

/// Runs the statement for all repositories or the one for one.
fn select<T>(
    connection: &Connection,
    query: &EventsQuery,
    [all, one]: [&str; 2],
    read: impl FnOnce(Rows<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let EventsQuery { repository, after, limit: entries } = query;
    let (after, entries) = (signed(after.get()), limit(*entries));
    match repository.as_ref().map(RepositoryName::as_str) {
        None => read(connection.prepare_cached(all)?.query(params![after, entries])?),
        Some(name) => read(connection.prepare_cached(one)?.query(params![after, entries, name])?),
    }
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let payload: Option<Vec<u8>> = row.get("bytes")?;
    let origin = match maybe_parsed(row, "plugin")? {
        Some(name) => Origin::Plugin { name },
        None => Origin::External { principal: row.get("principal")? },
    };
    Ok(Event {
        sequence: Sequence::new(unsigned(row, "sequence")?),
        repository: parsed(row, "repository")?,
        digest: parsed(row, "digest")?,
        tag: maybe_parsed(row, "tag")?,
        media_type: maybe_parsed(row, "media_type")?,
        payload: payload.map(Bytes::from).unwrap_or_default(),
        action: action(row.get_ref("action")?.as_str()?)?,
        origin,
        time: time(row, "time")?,
        traceparent: row.get("traceparent")?,
    })
}

fn action(name: &str) -> rusqlite::Result<Action> {
    Action::ALL
        .into_iter()
        .find(|action| action.as_str() == name)
        .ok_or_else(|| invalid(format!("unknown action {name}").into()))
}
