//! The log: sequences are given out here and nowhere else.

use gossamer_events::{Action, Origin, Sequence};
use gossamer_oci::{Digest, MediaType, RepositoryName, Tag};
use rusqlite::{Connection, params};

use crate::catalog::Stamp;
use crate::catalog::sqlite::column::{microseconds, signed, unsigned};

/// An event that has no sequence yet.
pub(super) struct NewEvent<'a> {
    pub(super) repository: &'a RepositoryName,
    pub(super) action: Action,
    pub(super) digest: &'a Digest,
    pub(super) tag: Option<&'a Tag>,
    pub(super) media_type: Option<&'a MediaType>,
    pub(super) stamp: &'a Stamp,
}

/// Appends an event under the next sequence. A transaction that is rolled back gives the sequence back.
pub(super) fn append(connection: &Connection, event: &NewEvent<'_>) -> rusqlite::Result<Sequence> {
    let sequence = connection
        .prepare_cached("UPDATE log SET head = head + 1 RETURNING head")?
        .query_row([], |row| unsigned(row, "head"))?;
    let (plugin, principal) = match &event.stamp.author.origin {
        Origin::Plugin { name } => (Some(name.as_str()), None),
        Origin::External { principal } => (None, Some(principal.as_str())),
    };
    let sql = "INSERT INTO events
        (sequence, repository, action, digest, tag, media_type, plugin, principal, time, traceparent)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    connection.prepare_cached(sql)?.execute(params![
        signed(sequence),
        event.repository.as_str(),
        event.action.as_str(),
        event.digest.to_string(),
        event.tag.map(Tag::as_str),
        event.media_type.map(MediaType::as_str),
        plugin,
        principal,
        microseconds(event.stamp.at),
        event.stamp.author.traceparent,
    ])?;
    Ok(Sequence::new(sequence))
}
