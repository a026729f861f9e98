//! What the plugin knows: the files of each repository and its log, and every statement on them.

use gossamer_sdk::{Digest, Tag};
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use time::OffsetDateTime;

use crate::event::{Change, File};
use crate::repository::Repository;

/// Entries kept of one repository's log; the oldest go.
const LOG_ENTRIES_MAX: i64 = 1000;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS files (
        repository TEXT NOT NULL,
        tag        TEXT NOT NULL,
        manifest   TEXT NOT NULL,     -- digest
        id         TEXT NOT NULL,     -- digest of the content
        name       TEXT NOT NULL,
        uploaded   INTEGER NOT NULL,  -- seconds since 1970, UTC
        size       INTEGER NOT NULL,  -- bytes
        PRIMARY KEY (repository, tag)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS files_by_name ON files (repository, name, tag);
    CREATE INDEX IF NOT EXISTS files_by_manifest ON files (repository, manifest);
    CREATE TABLE IF NOT EXISTS logs (
        entry      INTEGER PRIMARY KEY,
        repository TEXT NOT NULL,
        time       INTEGER NOT NULL,  -- seconds since 1970, UTC
        message    TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS logs_of_repository ON logs (repository, entry);
";

const FILE_COLUMNS: &str = "tag, manifest, id, name, uploaded, size";

/// Where a page begins: after the file of that name and tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct After {
    pub(crate) name: String,
    pub(crate) tag: String,
}

/// One entry of a repository's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogEntry {
    pub(crate) entry: i64,
    pub(crate) time: OffsetDateTime,
    pub(crate) message: String,
}

/// What the registry has at a tag, and what the table had before it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Correction {
    pub(crate) tag: Tag,
    pub(crate) known: Option<Digest>,
    pub(crate) file: Option<File>,
}

pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA)
}

/// Does what an event says.
pub(crate) fn apply(
    connection: &Connection,
    repository: &Repository,
    change: &Change,
) -> rusqlite::Result<()> {
    let repository = repository.as_str();
    match change {
        Change::Put(file) => put(connection, repository, file),
        Change::Untag(tag, manifest) => {
            let delete = "DELETE FROM files WHERE repository = ?1 AND tag = ?2 AND manifest = ?3";
            let row = params![repository, tag.as_str(), manifest.to_string()];
            connection.prepare_cached(delete)?.execute(row).map(drop)
        }
        Change::Delete(manifest) => {
            let delete = "DELETE FROM files WHERE repository = ?1 AND manifest = ?2";
            connection.prepare_cached(delete)?.execute([repository, &manifest.to_string()]).map(drop)
        }
        Change::Clear => clear(connection, repository),
        Change::Log { time, message } => log(connection, repository, *time, message),
    }
}

fn put(connection: &Connection, repository: &str, file: &File) -> rusqlite::Result<()> {
    let File { tag, manifest, id, name, uploaded, size } = file;
    let put = "INSERT OR REPLACE INTO files (repository, tag, manifest, id, name, uploaded, size)
        VALUES (:repository, :tag, :manifest, :id, :name, :uploaded, :size)";
    let row = named_params! {
        ":repository": repository, ":tag": tag.as_str(), ":manifest": manifest.to_string(), ":id": id.to_string(),
        ":name": name, ":uploaded": uploaded.unix_timestamp(), ":size": size.cast_signed(),
    };
    connection.prepare_cached(put)?.execute(row).map(drop)
}

fn clear(connection: &Connection, repository: &str) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM files WHERE repository = ?1", [repository])?;
    clear_log(connection, repository)
}

/// Forgets the log of a repository.
pub(crate) fn clear_log(connection: &Connection, repository: &str) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM logs WHERE repository = ?1", [repository]).map(drop)
}

fn log(
    connection: &Connection,
    repository: &str,
    time: OffsetDateTime,
    message: &str,
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO logs (repository, time, message) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(insert)?.execute(params![repository, time.unix_timestamp(), message])?;
    let trim = "DELETE FROM logs WHERE repository = ?1 AND entry <=
        (SELECT entry FROM logs WHERE repository = ?1 ORDER BY entry DESC LIMIT 1 OFFSET ?2)";
    connection.prepare_cached(trim)?.execute(params![repository, LOG_ENTRIES_MAX]).map(drop)
}

pub(crate) fn by_tag(connection: &Connection, repository: &str, tag: &str) -> rusqlite::Result<Option<File>> {
    let select = format!("SELECT {FILE_COLUMNS} FROM files WHERE repository = ?1 AND tag = ?2");
    connection.prepare_cached(&select)?.query_row([repository, tag], read_file).optional()
}

/// The file of that name; the one whose upload is the newest, if several tags carry it.
pub(crate) fn by_name(
    connection: &Connection,
    repository: &str,
    name: &str,
) -> rusqlite::Result<Option<File>> {
    let select = format!(
        "SELECT {FILE_COLUMNS} FROM files WHERE repository = ?1 AND name = ?2 ORDER BY uploaded DESC LIMIT 1"
    );
    connection.prepare_cached(&select)?.query_row([repository, name], read_file).optional()
}

/// At most `limit` files in the order of their names.
pub(crate) fn list(
    connection: &Connection,
    repository: &str,
    after: Option<&After>,
    limit: u32,
) -> rusqlite::Result<Vec<File>> {
    let (name, tag) = after.map_or(("", ""), |After { name, tag }| (name, tag));
    let select = format!(
        "SELECT {FILE_COLUMNS} FROM files WHERE repository = ?1 AND (name, tag) > (?2, ?3)
        ORDER BY name, tag LIMIT ?4"
    );
    let mut statement = connection.prepare_cached(&select)?;
    statement.query_map(params![repository, name, tag, limit], read_file)?.collect()
}

/// Every tag of a repository and the manifest it is at.
pub(crate) fn tags(connection: &Connection, repository: &str) -> rusqlite::Result<Vec<(Tag, Digest)>> {
    let mut statement = connection.prepare_cached("SELECT tag, manifest FROM files WHERE repository = ?1")?;
    statement.query_map([repository], |row| Ok((parsed(row, 0)?, parsed(row, 1)?)))?.collect()
}

/// Corrects a row, unless an event has changed it since: the event knows better.
pub(crate) fn correct(
    connection: &Connection,
    repository: &str,
    correction: &Correction,
) -> rusqlite::Result<()> {
    let Correction { tag, known, file } = correction;
    let present = by_tag(connection, repository, tag.as_str())?.map(|file| file.manifest);
    if present != *known {
        return Ok(());
    }
    match file {
        Some(file) => put(connection, repository, file),
        None => {
            let delete = "DELETE FROM files WHERE repository = ?1 AND tag = ?2";
            connection.prepare_cached(delete)?.execute([repository, tag.as_str()]).map(drop)
        }
    }
}

/// Every manifest that a file of the repository is at.
pub(crate) fn manifests(connection: &Connection, repository: &str) -> rusqlite::Result<Vec<Digest>> {
    let select = "SELECT DISTINCT manifest FROM files WHERE repository = ?1";
    let mut statement = connection.prepare_cached(select)?;
    statement.query_map([repository], |row| parsed(row, 0))?.collect()
}

/// At most `limit` entries, the oldest first.
pub(crate) fn logs(
    connection: &Connection,
    repository: &str,
    after: i64,
    limit: u32,
) -> rusqlite::Result<Vec<LogEntry>> {
    let select = "SELECT entry, time, message FROM logs WHERE repository = ?1 AND entry > ?2
        ORDER BY entry LIMIT ?3";
    let mut statement = connection.prepare_cached(select)?;
    let read = |row: &Row<'_>| Ok(LogEntry { entry: row.get(0)?, time: time(row, 1)?, message: row.get(2)? });
    statement.query_map(params![repository, after, limit], read)?.collect()
}

// === impl Correction ===

impl Correction {
    pub(crate) fn is_needed(&self) -> bool {
        self.known != self.file.as_ref().map(|file| file.manifest)
    }
}

// === rows ===

fn read_file(row: &Row<'_>) -> rusqlite::Result<File> {
    Ok(File {
        tag: parsed::<Tag>(row, 0)?,
        manifest: parsed(row, 1)?,
        id: parsed(row, 2)?,
        name: row.get(3)?,
        uploaded: time(row, 4)?,
        size: row.get::<_, i64>(5)?.cast_unsigned(),
    })
}

fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: String = row.get(column)?;
    let mistyped = |error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    };
    text.parse().map_err(mistyped)
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<OffsetDateTime> {
    let seconds = row.get(column)?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Integer, Box::new(error))
    })
}

#[cfg(test)]
mod tests;
