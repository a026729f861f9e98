//! A blob answered from the artifact's own URL.

use axum::body::Body;
use gossamer_oci::{Digest, MediaType, RepositoryName, media_type};
use gossamer_registry::{Blob, Error, Registry};
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::case::Case;
use super::redirect;
use crate::chain::Chain;
use crate::config::BlobAnswers;
use crate::http::problem::Problem;
use crate::http::ranges::{Wanted, wanted};

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
            inline(case, head, &chosen, &blob).await
        }
    }
}

async fn inline(
    case: &mut Case,
    head: &Parts,
    chosen: &Chosen,
    blob: &Blob,
) -> Result<Response<Body>, Problem> {
    let etag = format!("\"{}\"", blob.digest());
    let size = blob.size();
    let (status, range) = match wanted(&head.headers, &etag, size) {
        Wanted::Nothing => (StatusCode::NOT_MODIFIED, None),
        Wanted::Whole => (StatusCode::OK, Some(0..size)),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, Some(range)),
        Wanted::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, None),
    };
    let mut headers = HeaderMap::new();
    set(&mut headers, header::ETAG, &etag);
    set(&mut headers, header::ACCEPT_RANGES, "bytes");
    if let Some(cache_control) = &chosen.cache_control {
        set(&mut headers, header::CACHE_CONTROL, cache_control);
    }
    let mut body = Body::empty();
    if let Some(range) = range {
        let media_type = chosen.media_type.as_ref().map_or(media_type::OCTET_STREAM, MediaType::as_str);
        set(&mut headers, header::CONTENT_TYPE, media_type);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
        if status == StatusCode::PARTIAL_CONTENT {
            let last = range.end.saturating_sub(1);
            set(&mut headers, header::CONTENT_RANGE, &format!("bytes {}-{last}/{size}", range.start));
        }
        if head.method == Method::GET {
            let mut stream = blob.read(range).await.map_err(|error| gone(case, &error))?;
            body = stream.take_whole().map_or_else(|| Body::from_stream(stream), Body::from);
        }
    } else if status == StatusCode::RANGE_NOT_SATISFIABLE {
        set(&mut headers, header::CONTENT_RANGE, &format!("bytes */{size}"));
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
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

fn set(headers: &mut HeaderMap, name: header::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}
