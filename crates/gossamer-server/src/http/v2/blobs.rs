//! `/v2/<name>/blobs/<digest>`: read a blob, or take it out of its repository.

use axum::response::{IntoResponse, Response};
use gossamer_oci::{Digest, RepositoryName, media_type};
use http::{HeaderValue, Method, StatusCode};

use super::Call;
use super::error::Failure;
use crate::access::Action;
use crate::http::content;

/// A repository does not know what kind of bytes a blob is; only manifests say.
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static(media_type::OCTET_STREAM);

pub(super) async fn answer(
    call: &Call<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Response, Failure> {
    match *call.method() {
        Method::GET | Method::HEAD => {
            call.require(Action::Pull, repository)?;
            let blob = call.registry().blob(repository, digest).await?;
            Ok(content::blob(call.method(), call.headers(), &blob, CONTENT_TYPE).await?)
        }
        Method::DELETE => {
            call.require(Action::Delete, repository)?;
            call.registry().delete_blob(repository, digest).await?;
            Ok(StatusCode::ACCEPTED.into_response())
        }
        _ => Err(Failure::MethodNotAllowed { allow: "GET, HEAD, DELETE" }),
    }
}
