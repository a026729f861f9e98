//! The parameters of the API: one JSON object as the body, whatever the method, or a query.

use axum::body::to_bytes;
use axum::extract::{FromRequest, Query, Request};
use serde::Deserialize;

use crate::answer::ApiError;
use crate::repository::{FileName, Repository};
use crate::table::After;

/// Longest body, in bytes: a repository, a name and a page.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Entries of a list when nobody says how many, and at most: a few megabytes of JSON.
const PAGE_SIZE_MAX: u32 = 10_000;

/// All that any request of the API may say. What is missing is refused by whoever needs it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Parameters {
    repository: Option<String>,
    tag: Option<String>,
    name: Option<String>,
    delete_files: Option<bool>,
    page: Option<Page>,
}

/// A window onto a list. Beskar's clients spell the keys with capitals.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Page {
    #[serde(default, rename = "Size", alias = "size")]
    size: u32,
    #[serde(default, rename = "Token", alias = "token")]
    token: String,
}

/// The same as a query, where an object cannot be nested.
#[derive(Debug, Deserialize)]
struct QueryParameters {
    repository: Option<String>,
    tag: Option<String>,
    name: Option<String>,
    delete_files: Option<bool>,
    page_size: Option<u32>,
    page_token: Option<String>,
}

// === impl Parameters ===

impl Parameters {
    pub(crate) fn repository(&self) -> Result<Repository, ApiError> {
        Ok(required("repository", self.repository.as_deref())?.parse()?)
    }

    pub(crate) fn tag(&self) -> Result<String, ApiError> {
        required("tag", self.tag.as_deref()).map(str::to_owned)
    }

    pub(crate) fn name(&self) -> Result<FileName, ApiError> {
        Ok(required("name", self.name.as_deref())?.parse()?)
    }

    pub(crate) fn delete_files(&self) -> bool {
        self.delete_files.unwrap_or_default()
    }

    pub(crate) fn page(self) -> Page {
        self.page.unwrap_or_default()
    }
}

fn required<'a>(what: &str, value: Option<&'a str>) -> Result<&'a str, ApiError> {
    let missing = || ApiError::InvalidArgument(format!("{what} is missing"));
    value.filter(|value| !value.is_empty()).ok_or_else(missing)
}

impl<S: Sync> FromRequest<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let invalid = |error: &dyn std::error::Error| ApiError::InvalidArgument(error.to_string());
        let (head, body) = request.into_parts();
        let body = to_bytes(body, BODY_BYTES_MAX).await.map_err(|error| invalid(&error))?;
        if !body.is_empty() {
            let said: Option<Self> = serde_json::from_slice(&body).map_err(|error| invalid(&error))?;
            return Ok(said.unwrap_or_default());
        }
        let query = Query::<QueryParameters>::try_from_uri(&head.uri).map_err(|error| invalid(&error))?;
        Ok(query.0.into())
    }
}

impl From<QueryParameters> for Parameters {
    fn from(query: QueryParameters) -> Self {
        let QueryParameters { repository, tag, name, delete_files, page_size, page_token } = query;
        let page = Page { size: page_size.unwrap_or_default(), token: page_token.unwrap_or_default() };
        Self { repository, tag, name, delete_files, page: Some(page) }
    }
}

// === impl Page ===

impl Page {
    /// How many entries the answer has at most.
    pub(crate) fn limit(&self) -> u32 {
        if self.size == 0 { PAGE_SIZE_MAX } else { self.size.min(PAGE_SIZE_MAX) }
    }

    /// The file after which the page begins, as `token_after` wrote it.
    pub(crate) fn after_file(&self) -> Result<Option<After>, ApiError> {
        if self.token.is_empty() {
            return Ok(None);
        }
        let (tag, name) = self.token.split_once(':').ok_or_else(invalid_token)?;
        Ok(Some(After { name: name.to_owned(), tag: tag.to_owned() }))
    }

    /// The log entry after which the page begins.
    pub(crate) fn after_entry(&self) -> Result<i64, ApiError> {
        if self.token.is_empty() { Ok(0) } else { self.token.parse().map_err(|_| invalid_token()) }
    }
}

impl After {
    /// What brings the next page. A tag has no colon.
    pub(crate) fn token(&self) -> String {
        format!("{}:{}", self.tag, self.name)
    }
}

fn invalid_token() -> ApiError {
    ApiError::InvalidArgument("the page token is not one of ours".to_owned())
}
