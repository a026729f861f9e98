//! `/v2/<name>/referrers/<digest>`: the manifests that are about another one, as an image index.

use axum::Json;
use axum::response::{IntoResponse, Response};
use gossamer_oci::media_type::IMAGE_INDEX;
use gossamer_oci::{Descriptor, Digest, MediaType, RepositoryName};
use gossamer_registry::Listing;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, LINK};
use serde::Serialize;

use super::Call;
use super::error::Failure;
use super::headers::{OCI_FILTERS_APPLIED, next_page};
use crate::access::Action;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u8,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

/// Lists the referrers. A subject or repository that was never pushed has none, which is no error.
pub(super) async fn list(
    call: &Call<'_>,
    repository: &RepositoryName,
    subject: &Digest,
) -> Result<Response, Failure> {
    call.only_read()?;
    call.require(Action::Pull, repository)?;
    let artifact_type = artifact_type(call)?;
    let page = call.query.page()?;
    let found = call.registry().referrers(repository, subject, artifact_type.as_ref(), &page).await?;
    let Listing { items, more } = found;
    let next = items.last().filter(|_| more).map(|referrer| referrer.digest.to_string());
    let index = Index { schema_version: 2, media_type: IMAGE_INDEX, manifests: items };
    let mut response = Json(index).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(IMAGE_INDEX));
    if artifact_type.is_some() {
        headers.insert(OCI_FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    if let Some(last) = next {
        let kept = [("n", call.query.get("n")), ("artifactType", call.query.get("artifactType"))];
        headers.insert(LINK, next_page(call.parts.uri.path(), &last, &kept));
    }
    Ok(response)
}

fn artifact_type(call: &Call<'_>) -> Result<Option<MediaType>, Failure> {
    let filter = call.query.get("artifactType").filter(|filter| !filter.is_empty());
    filter.map(|filter| filter.parse().map_err(|_| Failure::Parameter("artifactType"))).transpose()
}
