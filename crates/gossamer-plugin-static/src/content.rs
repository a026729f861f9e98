//! The files themselves, by path: put, delete and list. Getting one is the core's business.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::put;
use gossamer_sdk::{Artifact, MediaType, Tag};
use serde_json::json;
use time::OffsetDateTime;

use crate::answer::{Answer, ApiError, RepositoryFile};
use crate::api::paged;
use crate::event::File;
use crate::parameters::Parameters;
use crate::plugin::{CONFIG_TYPE, FILE_TYPE, Static};
use crate::repository::{FileName, Repository};

/// What is between the repository and the name of a file in a path.
const SEPARATOR: &str = "/file/";

pub(crate) fn router(plugin: Arc<Static>) -> Router {
    let files = put(put_file).delete(delete_file).get(list_files);
    Router::new().route("/artifacts/static/{*path}", files).with_state(plugin)
}

type Plugin = State<Arc<Static>>;

async fn put_file(State(plugin): Plugin, Path(path): Path<String>, body: Body) -> Result<Response, ApiError> {
    let (repository, name) = file_path(&path)?;
    let tag = tag(&name)?;
    let artifact = Artifact {
        repository: repository.files().clone(),
        tag: tag.clone(),
        config_media_type: media_type(CONFIG_TYPE)?,
        layer_media_type: media_type(FILE_TYPE)?,
        title: name.as_str().to_owned(),
    };
    let pushed = plugin.context.registry.push_artifact(&artifact, body).await?;
    let file = File {
        tag,
        manifest: pushed.manifest,
        id: pushed.layer,
        name: artifact.title,
        uploaded: OffsetDateTime::now_utc(),
        size: pushed.size,
    };
    let mut headers = HeaderMap::new();
    if let Ok(etag) = HeaderValue::try_from(format!("\"{}\"", file.id)) {
        headers.insert(header::ETAG, etag);
    }
    let answer = Answer(json!({ "repository_file": RepositoryFile::from(file) }));
    Ok((StatusCode::CREATED, headers, answer).into_response())
}

async fn delete_file(State(plugin): Plugin, Path(path): Path<String>) -> Result<StatusCode, ApiError> {
    let (repository, name) = file_path(&path)?;
    if plugin.remove_tag(&repository, tag(&name)?).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::NotFound(format!("file {:?}", name.as_str())))
    }
}

/// The files of the repository whose path ends with a slash, as a directory would list them.
async fn list_files(
    State(plugin): Plugin,
    Path(path): Path<String>,
    parameters: Parameters,
) -> Result<Answer, ApiError> {
    let repository = path.strip_suffix('/').and_then(|path| Repository::from_path(path).ok());
    let missing = || ApiError::NotFound(path.clone());
    let repository = repository.ok_or_else(missing)?;
    let page = parameters.page();
    let (files, next) = plugin.list(&repository, &page).await?;
    if files.is_empty() && page.after_file()?.is_none() {
        return Err(missing()); // repositories exist by their files
    }
    Ok(paged("repository_files", json!(files), next))
}

/// The repository and the file that `{repository}/file/{name}` names.
fn file_path(path: &str) -> Result<(Repository, FileName), ApiError> {
    let (repository, name) =
        path.rsplit_once(SEPARATOR).ok_or_else(|| ApiError::NotFound(path.to_owned()))?;
    Ok((Repository::from_path(repository)?, name.parse()?))
}

fn tag(name: &FileName) -> Result<Tag, ApiError> {
    name.tag().ok_or_else(|| ApiError::InvalidArgument("the name has no tag".to_owned()))
}

fn media_type(text: &str) -> Result<MediaType, ApiError> {
    text.parse().map_err(|error| ApiError::Internal(Box::new(error)))
}
