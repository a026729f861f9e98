//! Catching up with the registry, after another instance may have been told of what we list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use gossamer_sdk::{Epoch, Tag};
use time::OffsetDateTime;
use tracing::{info, warn};

use crate::answer::ApiError;
use crate::event::{self, File};
use crate::plugin::Static;
use crate::repository::Repository;
use crate::table::{self, Correction};

/// Manifests that are asked for at the same time.
const QUESTIONS_MAX: usize = 32;

/// Repositories that are remembered to be in step. Beyond it all are forgotten, and checked again when asked for.
const REMEMBERED_MAX: usize = 10_000;

impl Static {
    /// Brings the list of a repository in step with the registry, unless it is known to be.
    ///
    /// While the instances of this plugin stay the same, every event of the repository comes here and nothing is
    /// asked. If the registry cannot be asked, the list stays as it is until it can.
    pub(crate) async fn catch_up(&self, repository: &Repository) {
        let epoch = self.context.instances.epoch();
        if self.in_step(repository, epoch) {
            return;
        }
        match self.compare(repository).await {
            Ok(corrections) => {
                if corrections > 0 {
                    info!(%repository, corrections, "Caught up with the registry");
                }
                self.remember(repository, epoch);
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                warn!(%repository, error, "Cannot catch up with the registry, listing what is known");
            }
        }
    }

    fn in_step(&self, repository: &Repository, epoch: Epoch) -> bool {
        let in_step = self.in_step.lock().unwrap_or_else(PoisonError::into_inner);
        in_step.get(repository.as_str()) == Some(&epoch)
    }

    fn remember(&self, repository: &Repository, epoch: Epoch) {
        let mut in_step = self.in_step.lock().unwrap_or_else(PoisonError::into_inner);
        if in_step.len() >= REMEMBERED_MAX {
            in_step.clear();
        }
        in_step.insert(repository.to_string(), epoch);
    }

    /// Corrects every row that is not as the registry has it; how many those were.
    async fn compare(&self, repository: &Repository) -> Result<usize, ApiError> {
        let name = repository.to_string();
        let rows = self.context.database.read(move |c| table::tags(c, &name)).await?;
        let tags: BTreeSet<Tag> = self.context.registry.tags(repository.files()).await?.into_iter().collect();
        let rows: BTreeMap<_, _> = rows.into_iter().collect();
        let everything: BTreeSet<Tag> = rows.keys().cloned().chain(tags.iter().cloned()).collect();
        let questions = everything.into_iter().map(|tag| {
            let (known, is_tagged) = (rows.get(&tag).copied(), tags.contains(&tag));
            async move {
                let file = if is_tagged { self.ask(repository, &tag).await? } else { None };
                Ok::<_, ApiError>(Correction { tag, known, file })
            }
        });
        let answers: Vec<Correction> =
            stream::iter(questions).buffer_unordered(QUESTIONS_MAX).try_collect().await?;
        let corrections: Vec<_> = answers.into_iter().filter(Correction::is_needed).collect();
        let count = corrections.len();
        let name = repository.to_string();
        let correct =
            move |c: &_| corrections.iter().try_for_each(|correction| table::correct(c, &name, correction));
        self.context.database.write(correct).await?;
        Ok(count)
    }

    /// The file at a tag as the registry has it; none if the tag is at something else.
    async fn ask(&self, repository: &Repository, tag: &Tag) -> Result<Option<File>, ApiError> {
        let reference = tag.clone().into();
        let found = self.context.registry.manifest(repository.files(), &reference).await?;
        let now = OffsetDateTime::now_utc();
        Ok(found.and_then(|(digest, manifest)| event::file(&manifest, digest, tag, now).ok()))
    }
}
