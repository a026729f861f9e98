//! A blob answered from the artifact's own URL.

use axum::body::Body;
use gossamer_oci::{Digest, MediaType, RepositoryName, media_type};
use gossamer_registry::{Error, Registry};
use http::header;
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::case::Case;
use super::redirect;
use crate::chain::Chain;
use crate::config::BlobAnswers;
use crate::http::content;
use crate::http::problem::Problem;
use crate::http::v2::headers::value;

/// What the policy chose.
pub(super) struct Chosen {
    pub(super) repository: RepositoryName,
    pub(super) digest: Digest,
    pub(super) media_type: Option<MediaType>,
    pub(super) cache_control: Option<String>,
}

/// 200, 206, 304 or 416 with the blob's headers; or 307 to its place under `/v2`.
pub(super) async fn answer(
    registry: &Registry,
    answers: BlobAnswers,
    case: &mut Case,
    head: &Parts,
    chosen: Chosen,
) -> Result<Response<Body>, Problem> {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path names a file: GET or HEAD it"));
    }
    let Chosen { repository, digest, .. } = &chosen;
    match answers {
        BlobAnswers::Redirect => redirect(&format!("/v2/{repository}/blobs/{digest}")),
        BlobAnswers::Inline => {
            let blob = registry.blob(repository, digest).await.map_err(|error| gone(case, &error))?;
            let content_type =
                value(chosen.media_type.as_ref().map_or(media_type::OCTET_STREAM, MediaType::as_str));
            let answered = content::blob(&head.method, &head.headers, &blob, content_type).await;
            let mut response = answered.map_err(|error| gone(case, &error))?;
            if let Some(cache_control) = &chosen.cache_control {
                response.headers_mut().insert(header::CACHE_CONTROL, value(cache_control));
            }
            Ok(response)
        }
    }
}

/// The policy's answer was true when it was given; the blob may have been deleted since.
fn gone(case: &mut Case, error: &Error) -> Problem {
    case.failed(Chain(error).to_string());
    if matches!(error, Error::BlobUnknown(_) | Error::NameUnknown(_)) {
        Problem::new(StatusCode::NOT_FOUND, "the file is gone")
    } else {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read")
    }
}
