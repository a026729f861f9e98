//! Stored content as a response: conditional requests, ranges, and bodies that stream at the client's pace.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use gossamer_oci::Digest;
use gossamer_registry::{Blob, Error, StoredManifest};
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::ranges::{Wanted, wanted};
use super::v2::headers::{DOCKER_CONTENT_DIGEST, value};

/// Answers `GET` or `HEAD` with a blob, or the part of it that the request's headers ask for: 200, 206, 304 or 416.
///
/// # Errors
/// What the registry says when the content cannot be opened.
pub async fn blob(
    method: &Method,
    headers: &HeaderMap,
    blob: &Blob,
    content_type: HeaderValue,
) -> Result<Response, Error> {
    let etag = etag(blob.digest());
    let size = blob.size();
    let range = match wanted(headers, &etag, size) {
        Wanted::Nothing => return Ok(not_modified(&etag, blob.digest())),
        Wanted::Unsatisfiable => return Ok(unsatisfiable(size)),
        Wanted::Whole => None,
        Wanted::Part(range) => Some(range),
    };
    let span = range.clone().unwrap_or(0..size);
    let length = span.end - span.start;
    let body = if *method == Method::HEAD { Body::empty() } else { stream(blob, span).await? };
    let mut response = Response::new(body);
    describe(response.headers_mut(), &etag, blob.digest(), length);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(part) = range {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let content_range = value(format_args!("bytes {}-{}/{size}", part.start, part.end - 1));
        response.headers_mut().insert(CONTENT_RANGE, content_range);
    }
    Ok(response)
}

/// Answers `GET` or `HEAD` with a manifest, byte for byte as it was pushed.
pub fn manifest(method: &Method, headers: &HeaderMap, manifest: &Arc<StoredManifest>) -> Response {
    let etag = etag(&manifest.digest);
    let size = manifest.content.len() as u64;
    if wanted(headers, &etag, size) == Wanted::Nothing {
        return not_modified(&etag, &manifest.digest);
    }
    let body = if *method == Method::HEAD { Body::empty() } else { manifest.content.clone().into() };
    let mut response = Response::new(body);
    describe(response.headers_mut(), &etag, &manifest.digest, size);
    response.headers_mut().insert(CONTENT_TYPE, value(manifest.manifest.media_type()));
    response
}

/// The wanted bytes: small ones in one piece, large ones as they are read.
async fn stream(blob: &Blob, range: Range<u64>) -> Result<Body, Error> {
    let mut content = blob.read(range).await?;
    Ok(match content.take_whole() {
        Some(whole) => whole.into(),
        None => Body::from_stream(content),
    })
}

/// The entity tag of content: its digest, in quotes.
fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

fn describe(headers: &mut HeaderMap, etag: &str, digest: &Digest, length: u64) {
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(ETAG, value(etag));
    headers.insert(DOCKER_CONTENT_DIGEST, value(digest));
}

fn not_modified(etag: &str, digest: &Digest) -> Response {
    let headers = [(ETAG, value(etag)), (DOCKER_CONTENT_DIGEST, value(digest))];
    (StatusCode::NOT_MODIFIED, headers).into_response()
}

fn unsatisfiable(size: u64) -> Response {
    let content_range = value(format_args!("bytes */{size}"));
    (StatusCode::RANGE_NOT_SATISFIABLE, [(CONTENT_RANGE, content_range)]).into_response()
}
