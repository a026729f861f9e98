//! Removing files, and not answering before the listing shows it.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use gossamer_sdk::{Deleted, Digest, Tag};

use crate::answer::ApiError;
use crate::event::Change;
use crate::plugin::Static;
use crate::repository::Repository;
use crate::table;

/// Manifests of one repository that are deleted at the same time.
const DELETES_MAX: usize = 16;

/// How long an answer waits for the event of its own delete.
const LISTED_MAX: Duration = Duration::from_secs(30);

impl Static {
    /// Removes the file at `tag`, for good; false if there is none.
    pub(crate) async fn remove_tag(&self, repository: &Repository, tag: &Tag) -> Result<bool, ApiError> {
        let reference = tag.clone().into();
        if let Some((manifest, _)) = self.context.registry.manifest(repository.files(), &reference).await? {
            self.remove_manifest(repository, manifest).await?;
            return Ok(true);
        }
        // The registry has no such tag. If a row says otherwise, it has outlived its file.
        let (name, tag) = (repository.to_string(), tag.to_string());
        let row = self.context.database.read(move |c| table::by_tag(c, &name, &tag)).await?;
        match row {
            Some(file) => {
                self.forget(repository, Change::Untag(file.tag, file.manifest)).await.map(|()| true)
            }
            None => Ok(false),
        }
    }

    /// Removes every file of a repository, and its log.
    pub(crate) async fn remove_all(&self, repository: &Repository) -> Result<(), ApiError> {
        let name = repository.to_string();
        let manifests = self.context.database.read(move |c| table::manifests(c, &name)).await?;
        stream::iter(manifests)
            .map(|manifest| self.remove_manifest(repository, manifest))
            .buffer_unordered(DELETES_MAX)
            .try_collect::<()>()
            .await?;
        let name = repository.to_string();
        Ok(self.context.database.write(move |c| table::clear_log(c, &name)).await?)
    }

    async fn remove_manifest(&self, repository: &Repository, manifest: Digest) -> Result<(), ApiError> {
        match self.context.registry.delete_manifest(repository.files(), &manifest).await? {
            Deleted::Now(Some(event)) => Ok(self.context.inbox.handled(event, LISTED_MAX).await?),
            // Nobody says which event to wait for; the registry does not have it, so the row can go.
            Deleted::Now(None) | Deleted::Before => self.forget(repository, Change::Delete(manifest)).await,
        }
    }

    async fn forget(&self, repository: &Repository, change: Change) -> Result<(), ApiError> {
        let repository = repository.clone();
        Ok(self.context.database.write(move |c| table::apply(c, &repository, &change)).await?)
    }
}
