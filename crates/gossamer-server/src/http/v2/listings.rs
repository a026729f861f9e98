//! `/v2/<name>/tags/list` and `/v2/_catalog`: sorted names, page by page.

use axum::Json;
use axum::response::{IntoResponse, Response};
use gossamer_oci::{RepositoryName, Tag};
use gossamer_registry::Listing;
use http::header::LINK;
use serde::Serialize;

use super::Call;
use super::error::Failure;
use super::headers::next_page;
use crate::access::Action;

#[derive(Serialize)]
struct Tags<'a> {
    name: &'a RepositoryName,
    tags: Vec<Tag>,
}

#[derive(Serialize)]
struct Catalog {
    repositories: Vec<RepositoryName>,
}

pub(super) async fn tags(call: &Call<'_>, repository: &RepositoryName) -> Result<Response, Failure> {
    call.only_read()?;
    call.require(Action::Pull, repository)?;
    let Listing { items, more } = call.registry().tags(repository, &call.query.page()?).await?;
    let next = items.last().filter(|_| more).cloned();
    let response = Json(Tags { name: repository, tags: items }).into_response();
    Ok(linked(response, call, next.as_ref().map(Tag::as_str)))
}

/// Lists the repositories that the principal may pull from. A page may therefore be short, and even
/// empty, with more to follow.
pub(super) async fn catalog(call: &Call<'_>) -> Result<Response, Failure> {
    call.only_read()?;
    call.require_everywhere(Action::List)?;
    let Listing { mut items, more } = call.registry().repositories(&call.query.page()?).await?;
    let next = items.last().filter(|_| more).cloned();
    items.retain(|repository| call.allows(Action::Pull, repository));
    let response = Json(Catalog { repositories: items }).into_response();
    Ok(linked(response, call, next.as_ref().map(RepositoryName::as_str)))
}

fn linked(mut response: Response, call: &Call<'_>, last: Option<&str>) -> Response {
    if let Some(last) = last {
        let link = next_page(call.parts.uri.path(), last, &[("n", call.query.get("n"))]);
        response.headers_mut().insert(LINK, link);
    }
    response
}
