//! What an event changes in the list of files. Pure.

use gossamer_sdk::{Action, Descriptor, Digest, Event, Manifest, Tag};
use time::OffsetDateTime;

use crate::plugin::FILE_TYPE;
use crate::repository::{FileName, Repository};

/// The annotation of a layer that carries its file's name (image-spec, "Pre-Defined Annotation Keys").
const TITLE: &str = "org.opencontainers.image.title";

/// One file, as a tag of the registry makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) tag: Tag,
    pub(crate) manifest: Digest,
    /// Of the content.
    pub(crate) id: Digest,
    pub(crate) name: String,
    pub(crate) uploaded: OffsetDateTime,
    /// Bytes.
    pub(crate) size: u64,
}

/// What an event does to the files of one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Put(File),
    /// The tag is gone, if it still was at this manifest.
    Untag(Tag, Digest),
    /// The manifest is gone, and every file that still was at it.
    Delete(Digest),
    Clear,
    /// Nothing but an entry in the repository's log.
    Log {
        time: OffsetDateTime,
        message: String,
    },
}

/// The repository an event is about, and what it changes there. None if it is not about a file of ours.
pub(crate) fn change(event: &Event) -> Option<(Repository, Change)> {
    let repository = Repository::of_files(&event.repository)?;
    let change = match (event.action, &event.tag) {
        (Action::ManifestPut | Action::TagPut, Some(tag)) => put(event, tag),
        (Action::ManifestPut | Action::TagPut, None) => return None, // not a file until it has a tag
        (Action::TagDelete, Some(tag)) => Change::Untag(tag.clone(), event.digest),
        (Action::TagDelete, None) => return None,
        (Action::ManifestDelete, _) => Change::Delete(event.digest),
        (Action::RepositoryDelete, _) => Change::Clear,
    };
    Some((repository, change))
}

fn put(event: &Event, tag: &Tag) -> Change {
    let manifest = gossamer_sdk::manifest_of(event).map_err(|error| error.to_string());
    match manifest.and_then(|manifest| file(&manifest, event.digest, tag, event.time)) {
        Ok(file) => Change::Put(file),
        Err(reason) => Change::Log {
            time: event.time,
            message: format!("{tag} at {} is no file: {reason}", event.digest),
        },
    }
}

/// The file that `tag` makes of a manifest, or why it is none.
pub(crate) fn file(
    manifest: &Manifest,
    digest: Digest,
    tag: &Tag,
    uploaded: OffsetDateTime,
) -> Result<File, String> {
    let layer = file_layer(manifest).ok_or("it has no layer with a file")?;
    let title = layer.annotations.get(TITLE).ok_or("its layer has no title")?;
    // Whoever pushes may have written a path; only its last component is the name.
    let (_, name) = title.rsplit_once('/').unwrap_or(("", title));
    let name: FileName = name.parse().map_err(|error| format!("its title is no name: {error}"))?;
    Ok(File {
        tag: tag.clone(),
        manifest: digest,
        id: layer.digest,
        name: name.as_str().to_owned(),
        uploaded,
        size: layer.size,
    })
}

/// The layer that the policy would serve.
fn file_layer(manifest: &Manifest) -> Option<&Descriptor> {
    manifest.layers().iter().find(|layer| layer.media_type.as_str() == FILE_TYPE)
}

#[cfg(test)]
pub(crate) mod tests;
