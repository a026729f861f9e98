//! Each change as SQL, inside the savepoint that the writer made for it.

use std::collections::HashMap;

use gossamer_events::{DeadLetter, Lane, Sequence};
use gossamer_oci::{PluginName, RepositoryName};
use rusqlite::{Connection, OptionalExtension, params};

use super::column::{microseconds, signed};
use super::fault::Fault;
use crate::Error;
use crate::catalog::{Applied, Change, UploadRow};
use crate::index::{Key, Value};

mod blobs;
mod events;
mod manifests;

pub(super) use blobs::size as blob_size;

/// What a transaction makes of the entries of the index: their new value, or nothing known.
pub(super) type Effects = HashMap<Key, Option<Value>>;

/// Makes `change` and says what it does to the index.
pub(super) fn apply(
    connection: &Connection,
    change: &Change,
    effects: &mut Effects,
) -> Result<Applied, Fault> {
    match change {
        Change::StartUpload(row) => start_upload(connection, row),
        Change::AdvanceUpload { id, size, at } => {
            let sql = "UPDATE uploads SET size = ?2, touched = ?3 WHERE id = ?1";
            let size = signed(*size);
            let parameters = params![id.to_string(), size, microseconds(*at)];
            match connection.prepare_cached(sql)?.execute(parameters)? {
                0 => Err(Error::UploadUnknown.into()),
                _ => Ok(Applied::default()),
            }
        }
        Change::EndUpload { id } => {
            connection.prepare_cached("DELETE FROM uploads WHERE id = ?1")?.execute([id.to_string()])?;
            Ok(Applied::default())
        }
        Change::LinkBlob { repository, digest, size, upload, at } => {
            if let Some(id) = upload {
                connection.prepare_cached("DELETE FROM uploads WHERE id = ?1")?.execute([id.to_string()])?;
            }
            blobs::link(connection, effects, blobs::Link { repository, digest, size: *size, at: *at })
        }
        Change::MountBlob { repository, digest, from, at } => {
            let size = blobs::size(connection, from, digest)?;
            blobs::mount(connection, effects, blobs::Link { repository, digest, size, at: *at })
        }
        Change::UnlinkBlob { repository, digest } => blobs::unlink(connection, effects, repository, digest),
        Change::PutManifest(put) => manifests::put(connection, effects, put),
        Change::DeleteManifest { repository, digest, stamp } => {
            manifests::delete(connection, effects, repository, digest, stamp)
        }
        Change::DeleteTag { repository, tag, stamp } => {
            manifests::delete_tag(connection, effects, repository, tag, stamp)
        }
        Change::DeleteRepository { repository, stamp } => {
            manifests::delete_repository(connection, effects, repository, stamp)
        }
        Change::CommitCursor { lane, cursor } => commit_cursor(connection, lane, *cursor),
        Change::CommitLow { plugin, low } => commit_low(connection, plugin, *low),
        Change::Park(letter) => park(connection, letter),
    }
}

fn start_upload(connection: &Connection, row: &UploadRow) -> Result<Applied, Fault> {
    let UploadRow { upload, algorithm, size, touched } = row;
    let sql = "INSERT INTO uploads (id, repository, principal, algorithm, size, touched)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(sql)?.execute(params![
        upload.id.to_string(),
        upload.repository.as_str(),
        upload.principal,
        algorithm.as_str(),
        signed(*size),
        microseconds(*touched),
    ])?;
    Ok(Applied::default())
}

fn commit_cursor(connection: &Connection, lane: &Lane, cursor: Sequence) -> Result<Applied, Fault> {
    let sql = "INSERT INTO lane_cursors (plugin, repository, sequence) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET sequence = excluded.sequence WHERE excluded.sequence > sequence";
    connection.prepare_cached(sql)?.execute(params![
        lane.plugin.as_str(),
        lane.repository.as_str(),
        signed(cursor.get())
    ])?;
    Ok(Applied::default())
}

fn commit_low(connection: &Connection, plugin: &PluginName, low: Sequence) -> Result<Applied, Fault> {
    let sql = "INSERT INTO low_water_marks (plugin, sequence) VALUES (?1, ?2)
        ON CONFLICT DO UPDATE SET sequence = excluded.sequence WHERE excluded.sequence > sequence";
    connection.prepare_cached(sql)?.execute(params![plugin.as_str(), signed(low.get())])?;
    let sql = "DELETE FROM lane_cursors WHERE plugin = ?1
        AND sequence <= (SELECT sequence FROM low_water_marks WHERE plugin = ?1)";
    connection.prepare_cached(sql)?.execute([plugin.as_str()])?;
    Ok(Applied::default())
}

fn park(connection: &Connection, letter: &DeadLetter) -> Result<Applied, Fault> {
    let DeadLetter { lane, sequence, attempts, reason } = letter;
    let sql = "INSERT OR REPLACE INTO dead_letters (plugin, sequence, repository, attempts, reason)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute(params![
        lane.plugin.as_str(),
        signed(sequence.get()),
        lane.repository.as_str(),
        attempts,
        reason
    ])?;
    commit_cursor(connection, lane, *sequence)
}

/// The row of a repository, if it is known.
fn repository_id(connection: &Connection, repository: &RepositoryName) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM repositories WHERE name = ?1")?
        .query_row([repository.as_str()], |row| row.get(0))
        .optional()
}

/// The row of a repository, which is known from now on.
fn make_repository(connection: &Connection, repository: &RepositoryName) -> rusqlite::Result<i64> {
    if let Some(id) = repository_id(connection, repository)? {
        return Ok(id);
    }
    connection
        .prepare_cached("INSERT INTO repositories (name) VALUES (?1)")?
        .execute([repository.as_str()])?;
    Ok(connection.last_insert_rowid())
}
