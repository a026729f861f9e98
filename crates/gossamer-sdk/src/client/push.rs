//! Pushing one file: config, content as it streams in, then the manifest that makes both visible.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::Stream;
use gossamer_oci::{Algorithm, Digest, Hasher, RepositoryName, media_type};
use gossamer_wire::NodeId;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{Request, Response, StatusCode, Uri};
use serde_json::json;
use tracing::debug;

use super::transport::TransportError;
use super::{Artifact, ClientError, Pushed, RegistryClient, built, expect, is_elsewhere};

/// The key of the annotation that carries a file's name (image-spec, "Pre-Defined Annotation Keys").
const TITLE: &str = "org.opencontainers.image.title";

/// An upload session lives on the core that opened it.
struct Session {
    core: NodeId,
    /// Where the next request goes: a path, with its query.
    location: String,
}

/// What has gone by of the content, and whether that was all of it.
#[derive(Clone)]
struct Meter(Arc<Mutex<Gauge>>);

struct Gauge {
    hasher: Option<Hasher>,
    size: u64,
    end: Option<End>,
}

enum End {
    Whole,
    Broken,
}

/// Content that is hashed and counted while it is read.
struct Metered {
    content: BodyDataStream,
    meter: Meter,
}

pub(super) async fn push(
    client: &RegistryClient,
    artifact: &Artifact,
    content: Body,
) -> Result<Pushed, ClientError> {
    let empty = Digest::sha256(b"");
    let config = client.put_empty(&artifact.repository, &empty);
    let file = async {
        let session = client.open_session(&artifact.repository).await?;
        client.upload(session, content).await
    };
    let ((), (layer, size)) = futures::try_join!(config, file)?;
    let manifest = Bytes::from(manifest(artifact, &empty, &layer, size).to_string());
    let event = client.put_manifest(artifact, &manifest).await?;
    Ok(Pushed { manifest: Digest::sha256(&manifest), layer, size, event })
}

fn manifest(artifact: &Artifact, config: &Digest, layer: &Digest, size: u64) -> serde_json::Value {
    json!({
        "schemaVersion": 2,
        "mediaType": media_type::IMAGE_MANIFEST,
        "config": { "mediaType": artifact.config_media_type, "digest": config, "size": 0 },
        "layers": [{
            "mediaType": artifact.layer_media_type,
            "digest": layer,
            "size": size,
            "annotations": { TITLE: artifact.title },
        }],
    })
}

// === impl RegistryClient ===

impl RegistryClient {
    /// Puts the blob that is nothing, in one request.
    async fn put_empty(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), ClientError> {
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let ask = || Request::post(&path).header(CONTENT_LENGTH, 0).body(Body::empty());
        expect(self.ask(ask).await?, StatusCode::CREATED).await.map(drop)
    }

    /// Opens an upload on the first core that will have it. An upload that nobody finishes expires.
    async fn open_session(&self, repository: &RepositoryName) -> Result<Session, ClientError> {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let mut last = None;
        for core in self.transport.cores().await {
            let request = Request::post(&path).header(CONTENT_LENGTH, 0).body(Body::empty());
            match self.send_in_time(core, built(request)?).await {
                Ok(answer) if is_elsewhere(answer.status()) => {
                    last = Some(TransportError::Unavailable(answer.status()));
                }
                Ok(answer) => {
                    let answer = expect(answer, StatusCode::ACCEPTED).await?;
                    return Ok(Session { core, location: location(&answer)? });
                }
                Err(error) => last = Some(error),
            }
            debug!(%core, error = ?last, "A core did not open an upload, asking the next");
        }
        Err(ClientError::Unreachable(last))
    }

    async fn upload(&self, session: Session, content: Body) -> Result<(Digest, u64), ClientError> {
        let Session { core, location: place } = session;
        let meter = Meter::new();
        let metered = Metered { content: content.into_data_stream(), meter: meter.clone() };
        let request = Request::patch(&place)
            .header(CONTENT_TYPE, media_type::OCTET_STREAM)
            .body(Body::from_stream(metered));
        // No deadline here: the content comes as slowly as its sender likes, and pings find a dead core.
        let answer = match self.transport.send(core, built(request)?).await {
            Ok(answer) => expect(answer, StatusCode::ACCEPTED).await?,
            Err(error) => {
                self.cancel(core, &place).await;
                return Err(if meter.is_broken() { ClientError::Content } else { ClientError::Lost(error) });
            }
        };
        let (digest, size) = meter.finish().ok_or(ClientError::Content)?;
        let session = Session { core, location: location(&answer)? };
        self.finish(session, &digest).await?;
        Ok((digest, size))
    }

    async fn finish(&self, session: Session, digest: &Digest) -> Result<(), ClientError> {
        let Session { core, location } = session;
        let joint = if location.contains('?') { '&' } else { '?' };
        let request = Request::put(format!("{location}{joint}digest={digest}"))
            .header(CONTENT_LENGTH, 0)
            .body(Body::empty());
        let answer = self.send_in_time(core, built(request)?).await.map_err(ClientError::Lost)?;
        expect(answer, StatusCode::CREATED).await.map(drop)
    }

    async fn cancel(&self, core: NodeId, location: &str) {
        let Ok(request) = Request::delete(location).body(Body::empty()) else { return };
        if let Err(error) = self.send_in_time(core, request).await {
            debug!(%core, %error, "Cancelling an upload failed; it will expire");
        }
    }
}

/// The path and query of the answer's Location, which may be absolute.
fn location<B>(answer: &Response<B>) -> Result<String, ClientError> {
    let text = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let uri: Option<Uri> = text.and_then(|text| text.parse().ok());
    let place = uri.as_ref().and_then(Uri::path_and_query);
    place.map(ToString::to_string).ok_or(ClientError::Nonsense("an upload has no Location"))
}

// === impl Meter ===

impl Meter {
    fn new() -> Self {
        let hasher = Some(Hasher::new(Algorithm::Sha256));
        Self(Arc::new(Mutex::new(Gauge { hasher, size: 0, end: None })))
    }

    fn gauge(&self) -> MutexGuard<'_, Gauge> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The digest and size of the content, if all of it went by.
    fn finish(&self) -> Option<(Digest, u64)> {
        let mut gauge = self.gauge();
        match gauge.end {
            Some(End::Whole) => gauge.hasher.take().map(|hasher| (hasher.finish(), gauge.size)),
            Some(End::Broken) | None => None,
        }
    }

    fn is_broken(&self) -> bool {
        matches!(self.gauge().end, Some(End::Broken))
    }
}

// === impl Metered ===

impl Stream for Metered {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = ready!(Pin::new(&mut self.content).poll_next(context));
        let mut gauge = self.meter.gauge();
        match &chunk {
            Some(Ok(chunk)) => {
                gauge.size = gauge.size.saturating_add(chunk.len() as u64);
                if let Some(hasher) = gauge.hasher.as_mut() {
                    hasher.update(chunk);
                }
            }
            Some(Err(_)) => gauge.end = Some(End::Broken),
            None => gauge.end = Some(End::Whole),
        }
        drop(gauge);
        Poll::Ready(chunk)
    }
}
