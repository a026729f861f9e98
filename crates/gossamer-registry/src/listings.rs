//! What there is: tags, repositories and referrers, page by page.

use gossamer_oci::{Descriptor, Digest, MediaType, RepositoryName, Tag};

use crate::catalog::{Catalog, ReferrersQuery};
use crate::{Error, Listing, Page, Registry};

// === impl Registry ===

impl Registry {
    /// # Errors
    /// [`Error::NameUnknown`] if nothing was ever pushed to `repository`.
    pub async fn tags(&self, repository: &RepositoryName, page: &Page) -> Result<Listing<Tag>, Error> {
        let limit = page.limit(self.inner.limits.page_max);
        let (repository, page) = (repository.clone(), page.clone());
        self.ask(move |catalog| list_tags(catalog, &repository, &page, limit)).await
    }

    /// As [`Registry::tags`], for callers that cannot wait: one indexed read that blocks the thread.
    pub fn tag_names(&self, repository: &RepositoryName, page: &Page) -> Result<Listing<Tag>, Error> {
        let limit = page.limit(self.inner.limits.page_max);
        list_tags(&*self.inner.catalog, repository, page, limit)
    }

    /// Every repository that something was pushed to. The caller leaves out what it may not show.
    pub async fn repositories(&self, page: &Page) -> Result<Listing<RepositoryName>, Error> {
        let limit = page.limit(self.inner.limits.page_max);
        let page = page.clone();
        let found = self.ask(move |catalog| catalog.repositories(page.after(), limit + 1)).await?;
        Ok(Listing::cut(found, limit))
    }

    /// The manifests of `repository` that are about `subject`, by digest; none for what is unknown.
    /// `page.after` is the text of a digest.
    pub async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&MediaType>,
        page: &Page,
    ) -> Result<Listing<Descriptor>, Error> {
        let limit = page.limit(self.inner.limits.page_max);
        let (repository, subject, page) = (repository.clone(), *subject, page.clone());
        let artifact_type = artifact_type.cloned();
        let found = self.ask(move |catalog| {
            catalog.referrers(&ReferrersQuery {
                repository: &repository,
                subject: &subject,
                artifact_type: artifact_type.as_ref(),
                page: &page,
                limit: limit + 1,
            })
        });
        Ok(Listing::cut(found.await?, limit))
    }
}

fn list_tags(
    catalog: &dyn Catalog,
    repository: &RepositoryName,
    page: &Page,
    limit: usize,
) -> Result<Listing<Tag>, Error> {
    let found = catalog.tags(repository, page.after(), limit + 1)?;
    let found = found.ok_or_else(|| Error::NameUnknown(repository.clone()))?;
    Ok(Listing::cut(found, limit))
}

#[cfg(test)]
mod tests;
