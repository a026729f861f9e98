//! The registry as a plugin sees it: `/v2` of whichever core is alive, as the plugin itself.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use gossamer_cluster::Cluster;
use gossamer_events::{LogId, Position, Sequence};
use gossamer_identity::Identity;
use gossamer_oci::{Digest, InvalidManifest, Manifest, MediaType, Reference, RepositoryName, Tag};
use gossamer_wire::NodeId;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LINK};
use http::{Request, Response, StatusCode};
use serde::Deserialize;
use tokio_util::task::TaskTracker;
use tracing::debug;

mod mesh;
mod push;
mod transport;

pub use transport::TransportError;
use transport::{InProcess, Transport};

#[cfg(test)]
mod tests;

/// How long a core may take to begin an answer. A disk that syncs is slow; a core that is gone never answers.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Before each round of asking every core: a core that restarts is back, or out of the view, by the last.
const ROUNDS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(250), Duration::from_secs(1)];

/// What is read of a refusal, in bytes: its text goes into our error.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;

/// Tags in one answer of the registry.
const TAGS_PAGE: usize = 1000;

/// The longest answer with so many tags, each of 128 bytes, two quotes and a comma.
const TAGS_BYTES_MAX: usize = TAGS_PAGE * 131 + 1024;

/// The number of the event that a change of the registry made, on the answer to that change.
const SEQUENCE_HEADER: &str = "gossamer-sequence";
const LOG_HEADER: &str = "gossamer-log";

/// Manifests that are asked for, in the order of preference.
const MANIFEST_TYPES: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

/// A client of the mesh's registry. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct RegistryClient {
    transport: Arc<dyn Transport>,
}

/// One file as an OCI artifact: a manifest with an empty config and one titled layer.
#[derive(Clone, Debug)]
pub struct Artifact {
    pub repository: RepositoryName,
    pub tag: Tag,
    pub config_media_type: MediaType,
    pub layer_media_type: MediaType,
    /// The annotation `org.opencontainers.image.title` of the layer.
    pub title: String,
}

/// What a push made. It is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    pub manifest: Digest,
    pub layer: Digest,
    /// Bytes of the layer.
    pub size: u64,
    /// The event; none if nothing changed or the core does not say.
    pub event: Option<Position>,
}

/// What came of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone; with the event, if the core says which.
    Now(Option<Position>),
    /// It was not there.
    Before,
}

/// Why the registry did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing was sent to any of them, or nobody answered what can safely be sent again.
    #[error("no core of the mesh can be reached")]
    Unreachable(#[source] Option<TransportError>),
    /// Somebody may have done it all the same.
    #[error("the core was lost on the way")]
    Lost(#[source] TransportError),
    #[error("the registry answered {status}: {message}")]
    Refused { status: StatusCode, message: String },
    #[error("the registry's answer makes no sense: {0}")]
    Nonsense(&'static str),
    #[error("the registry holds an invalid manifest")]
    InvalidManifest(#[from] InvalidManifest),
    /// Whoever sent the content stopped; nothing of it is kept.
    #[error("the content ended early")]
    Content,
}

#[derive(Deserialize)]
struct TagList {
    tags: Vec<String>,
}

// === impl RegistryClient ===

impl RegistryClient {
    /// The registry of the mesh, by way of any of its cores.
    pub(crate) fn of_mesh(cluster: Cluster, identity: &Identity, tasks: TaskTracker) -> Self {
        Self { transport: Arc::new(mesh::Mesh::new(cluster, identity, tasks)) }
    }

    /// A registry in this process: `/v2` of the router. For tests of plugins.
    pub fn in_process(registry: Router) -> Self {
        Self { transport: Arc::new(InProcess::new(registry)) }
    }

    /// Streams `content` into the registry as one artifact, and tags it. `Ok` means that it is durable.
    pub async fn push_artifact(&self, artifact: &Artifact, content: Body) -> Result<Pushed, ClientError> {
        push::push(self, artifact, content).await
    }

    /// The manifest and its digest, or none if there is none.
    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<(Digest, Manifest)>, ClientError> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let ask = || Request::get(&path).header(ACCEPT, MANIFEST_TYPES).body(Body::empty());
        let Some(answer) = found(self.ask(ask).await?).await? else { return Ok(None) };
        let media_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type: Option<MediaType> = media_type.and_then(|text| text.parse().ok());
        let content = read(answer, Manifest::SIZE_MAX).await?;
        let digest = match reference {
            Reference::Tag(_) => Digest::sha256(&content),
            Reference::Digest(expected) => {
                let expected = *expected;
                if Digest::of(expected.algorithm(), &content) != expected {
                    return Err(ClientError::Nonsense("the manifest has another digest"));
                }
                expected
            }
        };
        Ok(Some((digest, Manifest::parse(&content, media_type.as_ref())?)))
    }

    /// Every tag of a repository, in the registry's order. None of a repository that is not there.
    pub async fn tags(&self, repository: &RepositoryName) -> Result<Vec<Tag>, ClientError> {
        let mut tags: Vec<Tag> = Vec::new();
        loop {
            let last = tags.last().map(|tag| format!("&last={tag}")).unwrap_or_default();
            let path = format!("/v2/{repository}/tags/list?n={TAGS_PAGE}{last}");
            let ask = || Request::get(&path).body(Body::empty());
            let Some(answer) = found(self.ask(ask).await?).await? else { return Ok(tags) };
            let is_last = !answer.headers().contains_key(LINK);
            let page = read(answer, TAGS_BYTES_MAX).await?;
            let TagList { tags: page } =
                serde_json::from_slice(&page).map_err(|_| ClientError::Nonsense("it is no list of tags"))?;
            let parsed = page.iter().map(|tag| tag.parse());
            let before = tags.len();
            tags.extend(
                parsed.collect::<Result<Vec<_>, _>>().map_err(|_| ClientError::Nonsense("a tag is none"))?,
            );
            if is_last || tags.len() == before {
                return Ok(tags);
            }
        }
    }

    /// Deletes a manifest and every tag that points at it.
    pub async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Deleted, ClientError> {
        let path = format!("/v2/{repository}/manifests/{digest}");
        let answer = found(self.ask(|| Request::delete(&path).body(Body::empty())).await?).await?;
        Ok(answer.map_or(Deleted::Before, |answer| Deleted::Now(event(&answer))))
    }

    /// The content of a blob as a stream, or none if there is none. The digest is not verified on the way.
    pub async fn blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Body>, ClientError> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let answer = found(self.ask(|| Request::get(&path).body(Body::empty())).await?).await?;
        Ok(answer.map(Response::into_body))
    }

    async fn put_manifest(
        &self,
        artifact: &Artifact,
        content: &Bytes,
    ) -> Result<Option<Position>, ClientError> {
        let Artifact { repository, tag, .. } = artifact;
        let path = format!("/v2/{repository}/manifests/{tag}");
        let ask = || {
            Request::put(&path)
                .header(CONTENT_TYPE, gossamer_oci::media_type::IMAGE_MANIFEST)
                .header(CONTENT_LENGTH, content.len())
                .body(Body::from(content.clone()))
        };
        let answer = expect(self.ask(ask).await?, StatusCode::CREATED).await?;
        Ok(event(&answer))
    }

    /// Asks one core after the other until one answers. Only for what may be done twice.
    async fn ask(
        &self,
        request: impl Fn() -> http::Result<Request<Body>>,
    ) -> Result<Response<Body>, ClientError> {
        let mut last = None;
        for pause in ROUNDS {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            for core in self.transport.cores().await {
                match self.send_in_time(core, built(request())?).await {
                    Ok(answer) if !is_elsewhere(answer.status()) => return Ok(answer),
                    Ok(answer) => last = Some(TransportError::Unavailable(answer.status())),
                    Err(error) => last = Some(error),
                }
                debug!(%core, error = ?last, "A core did not answer, asking the next");
            }
        }
        Err(ClientError::Unreachable(last))
    }

    async fn send_in_time(
        &self,
        core: NodeId,
        request: Request<Body>,
    ) -> Result<Response<Body>, TransportError> {
        let answer = tokio::time::timeout(ANSWER_MAX, self.transport.send(core, request)).await;
        answer.unwrap_or(Err(TransportError::Silent))
    }
}

/// Whether another core may do better.
fn is_elsewhere(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

fn built(request: http::Result<Request<Body>>) -> Result<Request<Body>, ClientError> {
    request.map_err(|_| ClientError::Nonsense("it names a place that is no URL"))
}

/// The answer if there is something, none for 404, and any other refusal as the error it is.
async fn found(answer: Response<Body>) -> Result<Option<Response<Body>>, ClientError> {
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if answer.status().is_success() { Ok(Some(answer)) } else { Err(refused(answer).await) }
}

async fn expect(answer: Response<Body>, status: StatusCode) -> Result<Response<Body>, ClientError> {
    if answer.status() == status { Ok(answer) } else { Err(refused(answer).await) }
}

async fn refused(answer: Response<Body>) -> ClientError {
    let status = answer.status();
    let text = read(answer, REFUSAL_BYTES_MAX).await.unwrap_or_default();
    ClientError::Refused { status, message: String::from_utf8_lossy(&text).into_owned() }
}

async fn read(answer: Response<Body>, bytes_max: usize) -> Result<Bytes, ClientError> {
    let read = axum::body::to_bytes(answer.into_body(), bytes_max).await;
    read.map_err(|_| ClientError::Nonsense("it is too long, or it broke off"))
}

fn event(answer: &Response<Body>) -> Option<Position> {
    let text = |name: &str| answer.headers().get(name)?.to_str().ok();
    let log = match text(LOG_HEADER) {
        Some(log) => log.parse().ok()?,
        None => LogId::UNNAMED,
    };
    Some(Position { log, sequence: Sequence::new(text(SEQUENCE_HEADER)?.parse().ok()?) })
}

impl std::fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryClient").finish_non_exhaustive()
    }
}
