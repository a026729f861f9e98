//! What a path below `/v2` names. Repository names contain slashes, so paths are read from the right.

use std::borrow::Cow;

use gossamer_oci::{Digest, Reference, RepositoryName};
use gossamer_registry::UploadId;
use percent_encoding::percent_decode_str;

use super::error::Failure;

/// One endpoint of the API, with everything that its path says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/blobs/uploads/`
    Uploads(RepositoryName),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(RepositoryName, UploadId),
    /// `/v2/<name>/blobs/<digest>`
    Blob(RepositoryName, Digest),
    /// `/v2/<name>/manifests/<reference>`
    Manifest(RepositoryName, Reference),
    /// `/v2/<name>/tags/list`
    Tags(RepositoryName),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(RepositoryName, Digest),
}

/// Undoes percent-encoding. An encoded slash would make two readers see two paths: in a name it names
/// nothing, and as part of a tag or digest it stays as it is, which no tag or digest allows.
pub(super) fn decode(path: &str) -> Result<Cow<'_, str>, Failure> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let (head, last) = path.rsplit_once('/').ok_or(Failure::NotFound)?;
    if has_encoded_slash(head) {
        return Err(Failure::NotFound);
    }
    let decoded = |text| percent_decode_str(text).decode_utf8().map_err(|_| Failure::NotFound);
    let last = if has_encoded_slash(last) { Cow::Borrowed(last) } else { decoded(last)? };
    Ok(Cow::Owned(format!("{}/{last}", decoded(head)?)))
}

fn has_encoded_slash(text: &str) -> bool {
    text.contains("%2f") || text.contains("%2F")
}

// === impl Route ===

impl Route {
    /// `path` starts with `/v2` and is no longer percent-encoded.
    pub(super) fn parse(path: &str) -> Result<Self, Failure> {
        let rest = path.strip_prefix("/v2").ok_or(Failure::NotFound)?;
        match rest {
            "" | "/" => return Ok(Self::Base),
            "/_catalog" => return Ok(Self::Catalog),
            _ => {}
        }
        let rest = rest.strip_prefix('/').ok_or(Failure::NotFound)?;
        let (head, last) = rest.rsplit_once('/').ok_or(Failure::NotFound)?;
        if let Some(name) = head.strip_suffix("/blobs/uploads") {
            return Self::upload(name.parse()?, last);
        }
        let (name, kind) = head.rsplit_once('/').ok_or(Failure::NotFound)?;
        match kind {
            "blobs" if last == "uploads" => Ok(Self::Uploads(name.parse()?)),
            "blobs" => Ok(Self::Blob(name.parse()?, last.parse()?)),
            "manifests" => Ok(Self::Manifest(name.parse()?, last.parse()?)),
            "referrers" => Ok(Self::Referrers(name.parse()?, last.parse()?)),
            "tags" if last == "list" => Ok(Self::Tags(name.parse()?)),
            _ => Err(Failure::NotFound),
        }
    }

    fn upload(repository: RepositoryName, id: &str) -> Result<Self, Failure> {
        match id {
            "" => Ok(Self::Uploads(repository)),
            id => Ok(Self::Upload(repository, id.parse()?)),
        }
    }
}

#[cfg(test)]
mod tests;
