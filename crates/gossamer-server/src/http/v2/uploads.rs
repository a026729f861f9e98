//! `/v2/<name>/blobs/uploads/`: every way in which a blob gets into a repository.

use std::ops::Range;

use axum::response::{IntoResponse, Response};
use gossamer_oci::{Algorithm, Digest, InvalidDigest, RepositoryName};
use gossamer_registry::{Error, Upload, UploadId};
use http::header::{CONTENT_RANGE, LOCATION, RANGE};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::body::Lent;
use super::error::Failure;
use super::headers::{DOCKER_CONTENT_DIGEST, DOCKER_UPLOAD_UUID, value};
use super::manifests::content_length;
use super::{Call, chunk};
use crate::access::Action;

/// Answers `POST …/uploads/`: a mount, a whole blob at once, or the start of an upload.
pub(super) async fn start(
    call: &Call<'_>,
    repository: &RepositoryName,
    body: Lent,
) -> Result<Response, Failure> {
    if *call.method() != Method::POST {
        return Err(Failure::MethodNotAllowed { allow: "POST" });
    }
    call.require(Action::Push, repository)?;
    if let Some(digest) = call.query.get("mount") {
        let digest = digest.parse()?;
        if mount(call, repository, &digest).await? {
            return Ok(created(repository, &digest));
        }
    } else if let Some(digest) = call.query.get("digest") {
        let digest = digest.parse()?;
        call.registry().put_blob(repository, &digest, body).await?;
        return Ok(created(repository, &digest));
    }
    let upload = call.registry().start_upload(repository, &call.principal.name(), algorithm(call)?).await?;
    Ok(progress(StatusCode::ACCEPTED, &upload, 0))
}

/// Answers everything that is asked of an upload that was started.
pub(super) async fn answer(
    call: &Call<'_>,
    repository: RepositoryName,
    id: UploadId,
    body: Lent,
) -> Result<Response, Failure> {
    match *call.method() {
        Method::GET | Method::HEAD => {
            let upload = own(call, repository, id)?;
            let received = call.registry().upload_status(&upload).await?;
            Ok(progress(StatusCode::NO_CONTENT, &upload, received))
        }
        Method::PATCH => {
            let upload = own(call, repository, id)?;
            let span = span(call, &upload).await?;
            let received = call.registry().append(&upload, span, body).await?;
            Ok(progress(StatusCode::ACCEPTED, &upload, received))
        }
        Method::PUT => {
            let upload = own(call, repository, id)?;
            let digest = call.query.get("digest").ok_or(Failure::NoDigest)?.parse()?;
            let span = span(call, &upload).await?;
            call.registry().finish(&upload, &digest, span, body).await?;
            Ok(created(&upload.repository, &digest))
        }
        Method::DELETE => {
            call.registry().cancel(&own(call, repository, id)?).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        _ => Err(Failure::MethodNotAllowed { allow: "GET, HEAD, PATCH, PUT, DELETE" }),
    }
}

/// The upload as this principal may speak of it. The registry compares with who started it.
fn own(call: &Call<'_>, repository: RepositoryName, id: UploadId) -> Result<Upload, Failure> {
    call.require(Action::Push, &repository)?;
    Ok(Upload { id, repository, principal: call.principal.name().into_owned() })
}

/// How the specification says that `bytes` have been received. It has no words for none.
pub(super) fn received(bytes: u64) -> String {
    format!("0-{}", bytes.saturating_sub(1))
}

/// Gives the repository a blob that another one has. Where the principal may not pull, there is none.
async fn mount(call: &Call<'_>, repository: &RepositoryName, digest: &Digest) -> Result<bool, Failure> {
    let candidates = match call.query.get("from") {
        Some(from) => vec![from.parse()?],
        None => call.registry().mount_candidates(digest).await?,
    };
    match candidates.iter().find(|from| call.allows(Action::Pull, from)) {
        Some(from) => Ok(call.registry().mount(repository, digest, from).await?),
        None => Ok(false),
    }
}

/// What the client says its digest will be in, so that one reading is enough.
fn algorithm(call: &Call<'_>) -> Result<Algorithm, Failure> {
    match call.query.get("digest-algorithm") {
        Some(algorithm) => Ok(algorithm.parse().map_err(InvalidDigest::Algorithm)?),
        None => Ok(Algorithm::Sha256),
    }
}

/// Where the client says the body belongs, if it says so and says what it sends.
async fn span(call: &Call<'_>, upload: &Upload) -> Result<Option<Range<u64>>, Failure> {
    let Some(header) = call.headers().get(CONTENT_RANGE) else { return Ok(None) };
    let stated = header.to_str().ok().and_then(chunk::span);
    let length = content_length(call.headers());
    match stated.filter(|span| length.is_none_or(|length| length == span.end - span.start)) {
        Some(span) => Ok(Some(span)),
        None => {
            let offset = call.registry().upload_status(upload).await?;
            Err(Error::RangeInvalid { offset }.into())
        }
    }
}

fn progress(status: StatusCode, upload: &Upload, bytes: u64) -> Response {
    let Upload { id, repository, principal: _ } = upload;
    let headers: [(HeaderName, HeaderValue); 3] = [
        (LOCATION, value(format_args!("/v2/{repository}/blobs/uploads/{id}"))),
        (RANGE, value(received(bytes))),
        (DOCKER_UPLOAD_UUID, value(id)),
    ];
    (status, headers).into_response()
}

fn created(repository: &RepositoryName, digest: &Digest) -> Response {
    let headers = [
        (LOCATION, value(format_args!("/v2/{repository}/blobs/{digest}"))),
        (DOCKER_CONTENT_DIGEST, value(digest)),
    ];
    (StatusCode::CREATED, headers).into_response()
}
