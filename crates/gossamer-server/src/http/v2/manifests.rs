//! `/v2/<name>/manifests/<reference>`: read, push and delete manifests and tags.

use axum::response::{IntoResponse, Response};
use gossamer_events::{Origin, Sequence};
use gossamer_oci::{Manifest, MediaType, Reference, RepositoryName, Tag};
use gossamer_registry::{Author, PutManifest, Stored};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::Call;
use super::body::Lent;
use super::error::Failure;
use super::headers::{
    DOCKER_CONTENT_DIGEST, GOSSAMER_LOG, GOSSAMER_SEQUENCE, OCI_SUBJECT, OCI_TAG, TRACEPARENT, value,
};
use crate::access::{Action, Principal};
use crate::http::content;

/// Most tags of one push by digest. The specification asks for 10 at least; each is a row of the transaction.
pub(super) const TAGS_MAX: usize = 100;

/// Longest `traceparent` that is kept: that of version 00 has 55 bytes, later ones may append.
const TRACEPARENT_BYTES_MAX: usize = 128;

pub(super) async fn answer(
    call: &Call<'_>,
    repository: RepositoryName,
    reference: Reference,
    body: Lent,
) -> Result<Response, Failure> {
    match *call.method() {
        Method::GET | Method::HEAD => {
            call.require(Action::Pull, &repository)?;
            let manifest = call.registry().manifest(&repository, &reference).await?;
            Ok(content::manifest(call.method(), call.headers(), &manifest))
        }
        Method::PUT => {
            call.require(Action::Push, &repository)?;
            put(call, repository, reference, body).await
        }
        Method::DELETE => {
            call.require(Action::Delete, &repository)?;
            let sequence = match reference {
                Reference::Tag(tag) => {
                    call.registry().delete_tag(&repository, &tag, author(call)).await?;
                    None
                }
                Reference::Digest(digest) => {
                    call.registry().delete_manifest(&repository, &digest, author(call)).await?
                }
            };
            let mut response = StatusCode::ACCEPTED.into_response();
            name_event(response.headers_mut(), call, sequence);
            Ok(response)
        }
        _ => Err(Failure::MethodNotAllowed { allow: "GET, HEAD, PUT, DELETE" }),
    }
}

async fn put(
    call: &Call<'_>,
    repository: RepositoryName,
    reference: Reference,
    body: Lent,
) -> Result<Response, Failure> {
    let content_type = content_type(call.headers())?;
    let tags = tags(call, &reference)?;
    if content_length(call.headers()).is_some_and(|length| length > Manifest::SIZE_MAX as u64) {
        return Err(Failure::ManifestTooLarge);
    }
    let content = body.collect(Manifest::SIZE_MAX).await?;
    let Author { origin, traceparent } = author(call);
    let name = repository.clone();
    let put =
        PutManifest { repository, reference, tags: tags.clone(), content_type, content, origin, traceparent };
    let stored = call.registry().put_manifest(put).await?;
    let mut response = created(&name, &stored, &tags);
    name_event(response.headers_mut(), call, stored.sequence);
    Ok(response)
}

/// Says which event the change is, if it is one.
fn name_event(headers: &mut HeaderMap, call: &Call<'_>, sequence: Option<Sequence>) {
    if let Some(sequence) = sequence {
        headers.insert(GOSSAMER_SEQUENCE, value(sequence));
        headers.insert(GOSSAMER_LOG, value(call.registry().log()));
    }
}

fn created(repository: &RepositoryName, stored: &Stored, tags: &[Tag]) -> Response {
    let mut response = StatusCode::CREATED.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, value(format_args!("/v2/{repository}/manifests/{}", stored.digest)));
    headers.insert(DOCKER_CONTENT_DIGEST, value(stored.digest));
    headers.extend(stored.subject.map(|subject| (OCI_SUBJECT, value(subject))));
    for tag in tags {
        headers.append(OCI_TAG, value(tag));
    }
    response
}

/// The `?tag=` parameters. They go with a push by digest; a push by tag has said its tag.
fn tags(call: &Call<'_>, reference: &Reference) -> Result<Vec<Tag>, Failure> {
    if reference.tag().is_some() {
        return Ok(Vec::new());
    }
    if call.query.all("tag").count() > TAGS_MAX {
        return Err(Failure::TooManyTags);
    }
    call.query.all("tag").map(|tag| Ok(tag.parse()?)).collect()
}

fn content_type(headers: &HeaderMap) -> Result<Option<MediaType>, Failure> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Failure::ContentType)?;
    text.parse().map(Some).map_err(|_| Failure::ContentType)
}

/// Bytes of the body, if the client said so.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Who makes the change, for the event.
fn author(call: &Call<'_>) -> Author {
    let origin = match call.principal {
        Principal::Plugin(name) => Origin::Plugin { name: name.clone() },
        principal @ (Principal::Anonymous | Principal::Admin | Principal::Core) => {
            Origin::External { principal: principal.name().into_owned() }
        }
    };
    Author { origin, traceparent: traceparent(call.headers()) }
}

fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(TRACEPARENT).map(HeaderValue::to_str)?.ok()?;
    (text.len() <= TRACEPARENT_BYTES_MAX).then(|| text.to_owned())
}
