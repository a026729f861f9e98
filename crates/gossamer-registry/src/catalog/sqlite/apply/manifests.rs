//! Manifests and tags: the rows, the referrers, the events, and what the index must know of it.

use gossamer_events::Action;
use gossamer_oci::{Descriptor, Digest, MediaType, Reference, RepositoryName, Tag};
use rusqlite::{Connection, OptionalExtension, params};

use super::events::{NewEvent, append};
use super::{Effects, blobs, make_repository, repository_id};
use crate::Error;
use crate::catalog::sqlite::column::{invalid, maybe_parsed, microseconds, parsed, unsigned};
use crate::catalog::sqlite::fault::Fault;
use crate::catalog::{Applied, NewManifest, Stamp};
use crate::index::{Key, Value};
use crate::manifests::StoredManifest;

pub(super) fn put(
    connection: &Connection,
    effects: &mut Effects,
    new: &NewManifest,
) -> Result<Applied, Fault> {
    let NewManifest { repository, manifest, tags, sparse, stamp } = new;
    let id = make_repository(connection, repository)?;
    check_references(connection, repository, manifest, *sparse)?;
    let value = Value::Manifest(manifest.clone());
    let mut action = Action::TagPut;
    if store(connection, id, manifest, stamp)? {
        action = Action::ManifestPut;
        effects.insert(Key::manifest(repository, &manifest.digest), Some(value.clone()));
    }
    let mut moved = Vec::new();
    for tag in tags {
        if move_tag(connection, id, tag, manifest, stamp)? {
            effects.insert(Key::tag(repository, tag), Some(value.clone()));
            moved.push(tag);
        }
    }
    // The first tag comes with the manifest, in one event; further tags are events of their own.
    let events = if action == Action::ManifestPut && moved.is_empty() {
        vec![None]
    } else {
        moved.into_iter().map(Some).collect()
    };
    let mut applied = Applied::default();
    for tag in events {
        let media_type = manifest.manifest.event_media_type();
        let digest = &manifest.digest;
        let event = NewEvent { repository, action, digest, tag, media_type, stamp };
        applied.sequence = Some(append(connection, &event)?);
        action = Action::TagPut;
    }
    Ok(applied)
}

/// Whether the repository has what the manifest names, in the sizes that it states.
fn check_references(
    connection: &Connection,
    repository: &RepositoryName,
    manifest: &StoredManifest,
    sparse: bool,
) -> Result<(), Fault> {
    for blob in manifest.manifest.blobs() {
        check_size(blob, blobs::size(connection, repository, &blob.digest)?, sparse)?;
    }
    for child in manifest.manifest.children() {
        let found = match manifest_size(connection, repository, &child.digest)? {
            Some(size) => Some(size),
            None => blobs::size(connection, repository, &child.digest)?,
        };
        check_size(child, found, sparse)?;
    }
    Ok(())
}

fn check_size(descriptor: &Descriptor, found: Option<u64>, sparse: bool) -> Result<(), Error> {
    match found {
        Some(actual) if actual != descriptor.size => {
            Err(Error::ManifestBlobSize { digest: descriptor.digest, stated: descriptor.size, actual })
        }
        None if !sparse => Err(Error::ManifestBlobUnknown(descriptor.digest)),
        Some(_) | None => Ok(()),
    }
}

fn manifest_size(
    connection: &Connection,
    repository: &RepositoryName,
    digest: &Digest,
) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT length(c.bytes) AS size FROM repositories r
        JOIN manifests m ON m.repository = r.id AND m.digest = ?2
        JOIN contents c ON c.digest = m.digest
        WHERE r.name = ?1";
    connection
        .prepare_cached(sql)?
        .query_row([repository.as_str(), &digest.to_string()], |row| unsigned(row, "size"))
        .optional()
}

/// Stores the manifest, and whether that changed anything. The same bytes under another media type do.
fn store(
    connection: &Connection,
    repository: i64,
    manifest: &StoredManifest,
    stamp: &Stamp,
) -> Result<bool, Fault> {
    let digest = manifest.digest.to_string();
    let media_type = manifest.manifest.media_type().as_str();
    let sql = "SELECT 1 FROM manifests WHERE repository = ?1 AND digest = ?2 AND media_type = ?3";
    if connection.prepare_cached(sql)?.exists(params![repository, digest, media_type])? {
        return Ok(false);
    }
    connection
        .prepare_cached("INSERT INTO contents (digest, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![digest, &manifest.content[..]])?;
    let sql = "INSERT INTO manifests (repository, digest, media_type, artifact_type, pushed)
        VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET media_type = excluded.media_type, artifact_type = excluded.artifact_type";
    connection.prepare_cached(sql)?.execute(params![
        repository,
        digest,
        media_type,
        manifest.manifest.event_media_type().map(MediaType::as_str),
        microseconds(stamp.at),
    ])?;
    store_references(connection, repository, manifest)?;
    store_referrer(connection, repository, manifest)?;
    Ok(true)
}

fn store_references(
    connection: &Connection,
    repository: i64,
    manifest: &StoredManifest,
) -> Result<(), Fault> {
    let sql = "INSERT INTO manifest_references (repository, manifest, target) VALUES (?1, ?2, ?3)
        ON CONFLICT DO NOTHING";
    let mut insert = connection.prepare_cached(sql)?;
    let digest = manifest.digest.to_string();
    let parsed = &manifest.manifest;
    for target in parsed.config().into_iter().chain(parsed.layers()).chain(parsed.children()) {
        insert.execute(params![repository, digest, target.digest.to_string()])?;
    }
    Ok(())
}

fn store_referrer(connection: &Connection, repository: i64, manifest: &StoredManifest) -> Result<(), Fault> {
    let Some(subject) = manifest.manifest.subject() else { return Ok(()) };
    let descriptor = manifest.descriptor();
    let json = serde_json::to_string(&descriptor).map_err(|error| invalid(error.into()))?;
    let sql = "INSERT OR REPLACE INTO referrers (repository, subject, digest, artifact_type, descriptor)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute(params![
        repository,
        subject.digest.to_string(),
        manifest.digest.to_string(),
        descriptor.artifact_type.as_ref().map(MediaType::as_str),
        json,
    ])?;
    Ok(())
}

/// Points the tag at the manifest, and whether it pointed elsewhere.
fn move_tag(
    connection: &Connection,
    repository: i64,
    tag: &Tag,
    manifest: &StoredManifest,
    stamp: &Stamp,
) -> Result<bool, Fault> {
    let sql = "INSERT INTO tags (repository, name, digest, moved) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO UPDATE SET digest = excluded.digest, moved = excluded.moved
        WHERE digest <> excluded.digest";
    let (digest, moved) = (manifest.digest.to_string(), microseconds(stamp.at));
    let rows = connection.prepare_cached(sql)?.execute(params![repository, tag.as_str(), digest, moved])?;
    Ok(rows > 0)
}

pub(super) fn delete(
    connection: &Connection,
    effects: &mut Effects,
    repository: &RepositoryName,
    digest: &Digest,
    stamp: &Stamp,
) -> Result<Applied, Fault> {
    let unknown = || Error::ManifestUnknown(Reference::Digest(*digest));
    let id = repository_id(connection, repository)?.ok_or_else(unknown)?;
    let text = digest.to_string();
    let mut tags =
        connection.prepare_cached("SELECT name FROM tags WHERE repository = ?1 AND digest = ?2")?;
    for tag in tags.query_map(params![id, text], |row| parsed::<Tag>(row, "name"))? {
        effects.insert(Key::tag(repository, &tag?), None);
    }
    // The foreign keys take its tags, references and referrers along.
    let sql = "DELETE FROM manifests WHERE repository = ?1 AND digest = ?2 RETURNING artifact_type";
    let media_type: Option<MediaType> = connection
        .prepare_cached(sql)?
        .query_row(params![id, text], |row| maybe_parsed(row, "artifact_type"))
        .optional()?
        .ok_or_else(unknown)?;
    effects.insert(Key::manifest(repository, digest), None);
    let (action, media_type) = (Action::ManifestDelete, media_type.as_ref());
    let event = NewEvent { repository, action, digest, tag: None, media_type, stamp };
    Ok(Applied { sequence: Some(append(connection, &event)?) })
}

pub(super) fn delete_tag(
    connection: &Connection,
    effects: &mut Effects,
    repository: &RepositoryName,
    tag: &Tag,
    stamp: &Stamp,
) -> Result<Applied, Fault> {
    let sql = "SELECT r.id, t.digest, m.artifact_type FROM repositories r
        JOIN tags t ON t.repository = r.id AND t.name = ?2
        JOIN manifests m ON m.repository = r.id AND m.digest = t.digest
        WHERE r.name = ?1";
    let (id, digest, media_type): (i64, Digest, Option<MediaType>) = connection
        .prepare_cached(sql)?
        .query_row([repository.as_str(), tag.as_str()], |row| {
            Ok((row.get("id")?, parsed(row, "digest")?, maybe_parsed(row, "artifact_type")?))
        })
        .optional()?
        .ok_or_else(|| Error::ManifestUnknown(Reference::Tag(tag.clone())))?;
    connection
        .prepare_cached("DELETE FROM tags WHERE repository = ?1 AND name = ?2")?
        .execute(params![id, tag.as_str()])?;
    effects.insert(Key::tag(repository, tag), None);
    let (action, media_type) = (Action::TagDelete, media_type.as_ref());
    let event = NewEvent { repository, action, digest: &digest, tag: Some(tag), media_type, stamp };
    Ok(Applied { sequence: Some(append(connection, &event)?) })
}

pub(super) fn delete_repository(
    connection: &Connection,
    effects: &mut Effects,
    repository: &RepositoryName,
    stamp: &Stamp,
) -> Result<Applied, Fault> {
    let unknown = || Error::NameUnknown(repository.clone());
    let id = repository_id(connection, repository)?.ok_or_else(unknown)?;
    let mut tags = connection.prepare_cached("SELECT name FROM tags WHERE repository = ?1")?;
    for tag in tags.query_map([id], |row| parsed::<Tag>(row, "name"))? {
        effects.insert(Key::tag(repository, &tag?), None);
    }
    let mut manifests = connection.prepare_cached("SELECT digest FROM manifests WHERE repository = ?1")?;
    for digest in manifests.query_map([id], |row| parsed::<Digest>(row, "digest"))? {
        effects.insert(Key::manifest(repository, &digest?), None);
    }
    let mut links = connection.prepare_cached("SELECT digest FROM blob_links WHERE repository = ?1")?;
    for digest in links.query_map([id], |row| parsed::<Digest>(row, "digest"))? {
        effects.insert(Key::blob(repository, &digest?), None);
    }
    // The foreign keys take all that it has along.
    connection.prepare_cached("DELETE FROM repositories WHERE id = ?1")?.execute([id])?;
    let digest = Digest::sha256(&[]);
    let action = Action::RepositoryDelete;
    let event = NewEvent { repository, action, digest: &digest, tag: None, media_type: None, stamp };
    Ok(Applied { sequence: Some(append(connection, &event)?) })
}
