//! Removing files, and not answering before the listing shows it.

use std::future::ready;
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use gossamer_sdk::{Deleted, Digest, Tag};

use crate::answer::ApiError;
use crate::event::Change;
use crate::plugin::Static;
use crate::repository::Repository;
use crate::table;

/// Files of one repository that are removed at the same time.
const REMOVALS_MAX: usize = 16;

/// How long an answer waits for the event of its own delete.
const LISTED_MAX: Duration = Duration::from_secs(30);

impl Static {
    /// Removes the file at `tag`, for good; false if there is none.
    pub(crate) async fn remove_tag(&self, repository: &Repository, tag: Tag) -> Result<bool, ApiError> {
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

    /// Whether there is any file, listed already or not.
    pub(crate) async fn has_files(&self, repository: &Repository) -> Result<bool, ApiError> {
        let name = repository.to_string();
        let listed = self.context.database.read(move |c| table::list(c, &name, None, 1)).await?;
        Ok(!listed.is_empty() || !self.context.registry.tags(repository.files()).await?.is_empty())
    }

    /// Removes every file of a repository, those that are not listed yet too, and its log.
    pub(crate) async fn remove_all(&self, repository: &Repository) -> Result<(), ApiError> {
        let name = repository.to_string();
        let manifests = self.context.database.read(move |c| table::manifests(c, &name)).await?;
        let removals = manifests.into_iter().map(|manifest| self.remove_manifest(repository, manifest));
        stream::iter(removals).buffer_unordered(REMOVALS_MAX).try_collect::<()>().await?;

        let unlisted = self.context.registry.tags(repository.files()).await?;
        let removals = unlisted.into_iter().map(|tag| self.remove_tag(repository, tag));
        stream::iter(removals).buffer_unordered(REMOVALS_MAX).try_for_each(|_| ready(Ok(()))).await?;

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
