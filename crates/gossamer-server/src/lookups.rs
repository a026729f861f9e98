//! The registry's answers to what policies ask.

use std::sync::Arc;

use gossamer_oci::{RepositoryName, Tag};
use gossamer_policy::{Answer, ArtifactReference, FoundManifest, Lookup, LookupError, Lookups};
use gossamer_registry::{Error, Page, Registry, StoredManifest};

/// Tags that one answer may list: a policy that needs more needs an index of its own.
const TAGS_MAX: usize = 10_000;

/// Answers lookups from the registry of this core: from memory, or by one indexed read.
#[derive(Clone)]
pub(crate) struct RegistryLookups {
    registry: Registry,
}

// === impl RegistryLookups ===

impl RegistryLookups {
    pub(crate) fn new(registry: Registry) -> Self {
        Self { registry }
    }

    fn manifest(&self, reference: &ArtifactReference) -> Result<Option<Arc<StoredManifest>>, LookupError> {
        match self.registry.resolve(&reference.repository, &reference.reference) {
            Ok(found) => Ok(found),
            Err(Error::NameUnknown(_) | Error::ManifestUnknown(_)) => Ok(None),
            Err(error) => Err(unavailable(&error)),
        }
    }

    fn tags(&self, repository: &RepositoryName) -> Result<Arc<[String]>, LookupError> {
        let mut page = Page::default();
        let mut tags = Vec::new();
        loop {
            let listing = match self.registry.tag_names(repository, &page) {
                Ok(listing) => listing,
                Err(Error::NameUnknown(_)) => break,
                Err(error) => return Err(unavailable(&error)),
            };
            tags.extend(listing.items.iter().map(Tag::to_string));
            if tags.len() > TAGS_MAX {
                return Err(LookupError::Unavailable(format!("{repository} has more than {TAGS_MAX} tags")));
            }
            if !listing.more {
                break;
            }
            page.after = tags.last().cloned();
        }
        Ok(tags.into())
    }
}

impl Lookups for RegistryLookups {
    fn answer(&self, lookup: &Lookup) -> Result<Answer, LookupError> {
        match lookup {
            Lookup::BlobDigest { reference, selector } => {
                let found = self.manifest(reference)?.and_then(|stored| selector.pick(&stored.manifest));
                Ok(Answer::BlobDigest(found))
            }
            Lookup::Manifest { reference } => {
                let found = self.manifest(reference)?.as_deref().map(found).transpose()?;
                Ok(Answer::Manifest(found.map(Arc::new)))
            }
            Lookup::Tags { repository } => Ok(Answer::Tags(self.tags(repository)?)),
        }
    }
}

fn found(stored: &StoredManifest) -> Result<FoundManifest, LookupError> {
    let content = serde_json::from_slice(&stored.content)
        .map_err(|error| LookupError::Unavailable(format!("{} is not JSON: {error}", stored.digest)))?;
    Ok(FoundManifest { digest: stored.digest, media_type: stored.manifest.media_type().clone(), content })
}

fn unavailable(error: &Error) -> LookupError {
    LookupError::Unavailable(error.to_string())
}
