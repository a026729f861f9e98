//! The management API under `/artifacts/static/api/v1`, as Beskar's clients know it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{delete, get};
use serde_json::json;

use crate::answer::{Answer, ApiError, RepositoryFile, RepositoryLog};
use crate::parameters::{Page, Parameters};
use crate::plugin::Static;
use crate::repository::Repository;
use crate::table::{self, After};

const SWAGGER: &str = include_str!("swagger.yaml");

pub(crate) fn router(plugin: Arc<Static>) -> Router {
    let api = Router::new()
        .route("/repository", delete(delete_repository))
        .route("/repository/logs", get(logs))
        .route("/repository/file", delete(delete_file))
        .route("/repository/file:bytag", get(file_by_tag))
        .route("/repository/file:byname", get(file_by_name))
        .route("/repository/file:list", get(list))
        .route("/doc/swagger.yaml", get(swagger));
    Router::new().nest("/artifacts/static/api/v1", api).with_state(plugin)
}

type Plugin = State<Arc<Static>>;

async fn delete_repository(State(plugin): Plugin, parameters: Parameters) -> Result<Answer, ApiError> {
    let repository = parameters.repository()?;
    if !parameters.delete_files() && plugin.has_files(&repository).await? {
        return Err(ApiError::FailedPrecondition(format!(
            "{repository} has files and delete_files is not set"
        )));
    }
    plugin.remove_all(&repository).await?;
    Ok(Answer(json!({})))
}

async fn logs(State(plugin): Plugin, parameters: Parameters) -> Result<Answer, ApiError> {
    let (name, page) = (parameters.repository()?.to_string(), parameters.page());
    let (after, limit) = (page.after_entry()?, page.limit());
    let entries = plugin.context.database.read(move |c| table::logs(c, &name, after, limit)).await?;
    let next = next_token(&entries, limit, |entry| entry.entry.to_string());
    let logs: Vec<RepositoryLog> = entries.into_iter().map(Into::into).collect();
    Ok(paged("logs", json!(logs), next))
}

async fn file_by_tag(State(plugin): Plugin, parameters: Parameters) -> Result<Answer, ApiError> {
    let (repository, tag) = (parameters.repository()?, parameters.tag()?);
    plugin.catch_up(&repository).await;
    let name = repository.to_string();
    let missing = ApiError::NotFound(format!("tag {tag}"));
    let found = plugin.context.database.read(move |c| table::by_tag(c, &name, &tag)).await?;
    Ok(Answer(json!({ "repository_file": RepositoryFile::from(found.ok_or(missing)?) })))
}

async fn file_by_name(State(plugin): Plugin, parameters: Parameters) -> Result<Answer, ApiError> {
    let (repository, file) = (parameters.repository()?, parameters.name()?);
    plugin.catch_up(&repository).await;
    let name = repository.to_string();
    let missing = ApiError::NotFound(format!("file {:?}", file.as_str()));
    let found = plugin.context.database.read(move |c| table::by_name(c, &name, file.as_str())).await?;
    Ok(Answer(json!({ "repository_file": RepositoryFile::from(found.ok_or(missing)?) })))
}

async fn delete_file(State(plugin): Plugin, parameters: Parameters) -> Result<Answer, ApiError> {
    let (repository, tag) = (parameters.repository()?, parameters.tag()?);
    let missing = || ApiError::NotFound(format!("tag {tag}"));
    let parsed = tag.parse().map_err(|_| missing())?;
    if plugin.remove_tag(&repository, parsed).await? { Ok(Answer(json!({}))) } else { Err(missing()) }
}

async fn list(State(plugin): Plugin, parameters: Parameters) -> Result<Answer, ApiError> {
    let (repository, page) = (parameters.repository()?, parameters.page());
    let (files, next) = plugin.list(&repository, &page).await?;
    Ok(paged("repository_files", json!(files), next))
}

async fn swagger() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/yaml")], SWAGGER)
}

impl Static {
    /// A page of a repository's files, and what brings the next one.
    pub(crate) async fn list(
        &self,
        repository: &Repository,
        page: &Page,
    ) -> Result<(Vec<RepositoryFile>, Option<String>), ApiError> {
        self.catch_up(repository).await;
        let (name, after, limit) = (repository.to_string(), page.after_file()?, page.limit());
        let files = self.context.database.read(move |c| table::list(c, &name, after.as_ref(), limit)).await?;
        let next = next_token(&files, limit, |file| {
            After { name: file.name.clone(), tag: file.tag.to_string() }.token()
        });
        Ok((files.into_iter().map(Into::into).collect(), next))
    }
}

/// A full page may have a next one.
fn next_token<T>(entries: &[T], limit: u32, token: impl Fn(&T) -> String) -> Option<String> {
    let full = u32::try_from(entries.len()).is_ok_and(|length| length >= limit);
    entries.last().filter(|_| full).map(token)
}

/// One named list, and the token of the next page if there may be one.
pub(crate) fn paged(field: &str, list: serde_json::Value, next: Option<String>) -> Answer {
    let mut answer = json!({ field: list });
    if let (Some(token), Some(object)) = (next, answer.as_object_mut()) {
        object.insert("next_page_token".to_owned(), token.into());
    }
    Answer(answer)
}

#[cfg(test)]
mod tests;
