//! Each question as SQL.

use bytes::Bytes;
use gossamer_events::{Cursors, LogId, Sequence};
use gossamer_oci::{Descriptor, Digest, MediaType, PluginName, Reference, RepositoryName, Tag};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use super::column::{invalid, limit, parsed, time, unsigned};
use crate::catalog::{ManifestRow, ReferrersQuery, UploadRow};
use crate::uploads::Upload;

mod events;

pub(super) use events::{dead_letters, events, heads};

pub(super) fn manifest(
    connection: &Connection,
    repository: &RepositoryName,
    reference: &Reference,
) -> rusqlite::Result<Option<ManifestRow>> {
    let (mut statement, name): (CachedStatement<'_>, String) = match reference {
        Reference::Tag(tag) => {
            let sql = "SELECT m.digest, m.media_type, c.bytes FROM repositories r
                JOIN tags t ON t.repository = r.id AND t.name = ?2
                JOIN manifests m ON m.repository = r.id AND m.digest = t.digest
                JOIN contents c ON c.digest = m.digest
                WHERE r.name = ?1";
            (connection.prepare_cached(sql)?, tag.as_str().into())
        }
        Reference::Digest(digest) => {
            let sql = "SELECT m.digest, m.media_type, c.bytes FROM repositories r
                JOIN manifests m ON m.repository = r.id AND m.digest = ?2
                JOIN contents c ON c.digest = m.digest
                WHERE r.name = ?1";
            (connection.prepare_cached(sql)?, digest.to_string())
        }
    };
    statement.query_row([repository.as_str(), &name], manifest_row).optional()
}

fn manifest_row(row: &Row<'_>) -> rusqlite::Result<ManifestRow> {
    let content: Vec<u8> = row.get("bytes")?;
    Ok(ManifestRow {
        digest: parsed(row, "digest")?,
        media_type: parsed::<MediaType>(row, "media_type")?,
        content: Bytes::from(content),
    })
}

pub(super) fn holders(
    connection: &Connection,
    digest: &Digest,
    entries: usize,
) -> rusqlite::Result<Vec<RepositoryName>> {
    let sql = "SELECT r.name FROM blob_links l JOIN repositories r ON r.id = l.repository
        WHERE l.digest = ?1 ORDER BY l.repository LIMIT ?2";
    connection
        .prepare_cached(sql)?
        .query_map(params![digest.to_string(), limit(entries)], |row| parsed(row, "name"))?
        .collect()
}

pub(super) fn tags(
    connection: &Connection,
    repository: &RepositoryName,
    after: &str,
    entries: usize,
) -> rusqlite::Result<Option<Vec<Tag>>> {
    let id: Option<i64> = connection
        .prepare_cached("SELECT id FROM repositories WHERE name = ?1")?
        .query_row([repository.as_str()], |row| row.get(0))
        .optional()?;
    let Some(id) = id else { return Ok(None) };
    let sql = "SELECT name FROM tags WHERE repository = ?1 AND name > ?2 ORDER BY name LIMIT ?3";
    let tags = connection
        .prepare_cached(sql)?
        .query_map(params![id, after, limit(entries)], |row| parsed(row, "name"))?
        .collect::<Result<_, _>>()?;
    Ok(Some(tags))
}

pub(super) fn repositories(
    connection: &Connection,
    after: &str,
    entries: usize,
) -> rusqlite::Result<Vec<RepositoryName>> {
    connection
        .prepare_cached("SELECT name FROM repositories WHERE name > ?1 ORDER BY name LIMIT ?2")?
        .query_map(params![after, limit(entries)], |row| parsed(row, "name"))?
        .collect()
}

pub(super) fn referrers(
    connection: &Connection,
    query: &ReferrersQuery<'_>,
) -> rusqlite::Result<Vec<Descriptor>> {
    let sql = "SELECT f.descriptor FROM repositories r
        JOIN referrers f ON f.repository = r.id AND f.subject = ?2
        WHERE r.name = ?1 AND f.digest > ?3 AND (?4 IS NULL OR f.artifact_type = ?4)
        ORDER BY f.digest LIMIT ?5";
    let parameters = params![
        query.repository.as_str(),
        query.subject.to_string(),
        query.page.after(),
        query.artifact_type.map(MediaType::as_str),
        limit(query.limit),
    ];
    connection
        .prepare_cached(sql)?
        .query_map(parameters, |row| {
            serde_json::from_str(row.get_ref("descriptor")?.as_str()?).map_err(|error| invalid(error.into()))
        })?
        .collect()
}

pub(super) fn uploads(connection: &Connection) -> rusqlite::Result<Vec<UploadRow>> {
    connection
        .prepare_cached("SELECT id, repository, principal, algorithm, size, touched FROM uploads")?
        .query_map([], |row| {
            let upload = Upload {
                id: parsed(row, "id")?,
                repository: parsed(row, "repository")?,
                principal: row.get("principal")?,
            };
            let (size, touched) = (unsigned(row, "size")?, time(row, "touched")?);
            Ok(UploadRow { upload, algorithm: parsed(row, "algorithm")?, size, touched })
        })?
        .collect()
}

/// The name of the log.
pub(super) fn log_id(connection: &Connection) -> rusqlite::Result<LogId> {
    connection.query_row("SELECT id FROM log", [], |row| parsed(row, "id"))
}

/// The last sequence given out.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<Sequence> {
    connection.query_row("SELECT head FROM log", [], |row| unsigned(row, "head").map(Sequence::new))
}

pub(super) fn cursors(connection: &Connection, plugin: &PluginName) -> rusqlite::Result<Cursors> {
    // One statement, so that the mark and the lanes are of one moment.
    let sql = "SELECT '' AS repository, sequence FROM low_water_marks WHERE plugin = ?1
        UNION ALL
        SELECT repository, sequence FROM lane_cursors WHERE plugin = ?1
            AND sequence > coalesce((SELECT sequence FROM low_water_marks WHERE plugin = ?1), 0)";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([plugin.as_str()])?;
    let mut cursors = Cursors::default();
    while let Some(row) = rows.next()? {
        let sequence = Sequence::new(unsigned(row, "sequence")?);
        if row.get_ref("repository")?.as_str()?.is_empty() {
            cursors.low = sequence;
        } else {
            cursors.lanes.push((parsed(row, "repository")?, sequence));
        }
    }
    Ok(cursors)
}
