//! Blobs: what the disk has, and which repositories have it.

use gossamer_oci::{Digest, RepositoryName};
use rusqlite::{Connection, OptionalExtension, params};
use time::OffsetDateTime;

use super::{Effects, make_repository};
use crate::Error;
use crate::catalog::Applied;
use crate::catalog::sqlite::column::{microseconds, signed, unsigned};
use crate::catalog::sqlite::fault::Fault;
use crate::index::{Key, Value};

/// A repository gets a blob.
pub(super) struct Link<'a, Size = u64> {
    pub(super) repository: &'a RepositoryName,
    pub(super) digest: &'a Digest,
    pub(super) size: Size,
    pub(super) at: OffsetDateTime,
}

pub(super) fn link(connection: &Connection, effects: &mut Effects, link: Link<'_>) -> Result<Applied, Fault> {
    let Link { repository, digest, size, at } = link;
    let text = digest.to_string();
    let touched = microseconds(at);
    let sql = "INSERT INTO blobs (digest, size, touched) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET size = excluded.size, touched = excluded.touched";
    connection.prepare_cached(sql)?.execute(params![text, signed(size), touched])?;
    let id = make_repository(connection, repository)?;
    let sql = "INSERT INTO blob_links (repository, digest, touched) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET touched = excluded.touched";
    connection.prepare_cached(sql)?.execute(params![id, text, touched])?;
    effects.insert(Key::blob(repository, digest), Some(Value::Blob(size)));
    Ok(Applied::default())
}

/// Links the blob with the size that the other repository has it with, or touches the link that is there.
pub(super) fn mount(
    connection: &Connection,
    effects: &mut Effects,
    mount: Link<'_, Option<u64>>,
) -> Result<Applied, Fault> {
    let Link { repository, digest, size, at } = mount;
    let found = match size {
        Some(size) => Some(size),
        None => self::size(connection, repository, digest)?,
    };
    let size = found.ok_or(Error::BlobUnknown(*digest))?;
    link(connection, effects, Link { repository, digest, size, at })
}

pub(super) fn unlink(
    connection: &Connection,
    effects: &mut Effects,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Applied, Fault> {
    let sql = "DELETE FROM blob_links WHERE digest = ?2
        AND repository = (SELECT id FROM repositories WHERE name = ?1)";
    let removed = connection.prepare_cached(sql)?.execute([repository.as_str(), &digest.to_string()])?;
    if removed == 0 {
        return Err(Error::BlobUnknown(*digest).into());
    }
    effects.insert(Key::blob(repository, digest), None);
    Ok(Applied::default())
}

/// Bytes of a blob that `repository` has.
pub(in crate::catalog::sqlite) fn size(
    connection: &Connection,
    repository: &RepositoryName,
    digest: &Digest,
) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT b.size FROM repositories r
        JOIN blob_links l ON l.repository = r.id AND l.digest = ?2
        JOIN blobs b ON b.digest = l.digest
        WHERE r.name = ?1";
    connection
        .prepare_cached(sql)?
        .query_row([repository.as_str(), &digest.to_string()], |row| unsigned(row, "size"))
        .optional()
}
