//! The client against a registry that is a router: what it sends, and what it makes of the answers.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::any;
use bytes::Bytes;
use futures::stream;
use gossamer_oci::{Digest, Manifest, MediaType};

use super::{Artifact, ClientError, Deleted, RegistryClient};

type Log = Arc<Mutex<Vec<(String, Bytes)>>>;

/// Answers as a registry would, forgets everything, and keeps what it was asked.
fn registry(log: Log) -> Router {
    let answer = |State(log): State<Log>, Path(path): Path<String>, request: Request| async move {
        let method = request.method().to_string();
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let Ok(body) = axum::body::to_bytes(request.into_body(), usize::MAX).await else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        log.lock().unwrap().push((format!("{method} {path}{query}"), body));
        let location = [(header::LOCATION, "http://elsewhere.example/v2/a/blobs/uploads/1?state=2")];
        match (method.as_str(), path.contains("/uploads/")) {
            ("POST", true) if !query.is_empty() => StatusCode::CREATED.into_response(),
            ("POST" | "PATCH", true) => (StatusCode::ACCEPTED, location).into_response(),
            ("PUT", true) => StatusCode::CREATED.into_response(),
            ("PUT", false) => (StatusCode::CREATED, [("gossamer-sequence", "17")]).into_response(),
            ("DELETE", false) if path.contains("sha256:e3b0") => StatusCode::NOT_FOUND.into_response(),
            ("DELETE", _) => StatusCode::ACCEPTED.into_response(),
            ("GET", _) if path.ends_with("/tags/list") && query.contains("last=") => {
                r#"{"name":"a","tags":["c"]}"#.into_response()
            }
            ("GET", _) if path.ends_with("/tags/list") => {
                ([(header::LINK, "</next>; rel=\"next\"")], r#"{"name":"a","tags":["a","b"]}"#)
                    .into_response()
            }
            _ => (StatusCode::FORBIDDEN, "no").into_response(),
        }
    };
    Router::new().route("/v2/{*path}", any(answer)).with_state(log)
}

fn artifact() -> Artifact {
    Artifact {
        repository: "a".parse().unwrap(),
        tag: "t".parse().unwrap(),
        config_media_type: "application/vnd.test.config+json".parse().unwrap(),
        layer_media_type: "application/vnd.test.file".parse().unwrap(),
        title: "file.txt".to_owned(),
    }
}

#[tokio::test]
async fn a_push_streams_the_content_and_ends_with_the_manifest() {
    let log = Log::default();
    let client = RegistryClient::in_process(registry(Arc::clone(&log)));
    let content = Body::from_stream(stream::iter(["hello ", "world"].map(Ok::<_, std::io::Error>)));
    let pushed = client.push_artifact(&artifact(), content).await.unwrap();
    assert_eq!((pushed.layer, pushed.size), (Digest::sha256(b"hello world"), 11));
    assert_eq!(pushed.event.map(|event| event.sequence.get()), Some(17));

    let asked = log.lock().unwrap().clone();
    let config = format!("POST a/blobs/uploads/?digest={}", Digest::sha256(b""));
    let (empty, lines): (Vec<_>, Vec<_>) =
        asked.iter().map(|(line, _)| line.as_str()).partition(|line| *line == config);
    assert_eq!(empty.len(), 1);
    assert_eq!(
        lines,
        [
            "POST a/blobs/uploads/",
            "PATCH a/blobs/uploads/1?state=2",
            &format!("PUT a/blobs/uploads/1?state=2&digest={}", Digest::sha256(b"hello world")),
            "PUT a/manifests/t",
        ]
    );
    let (_, manifest) = asked.last().unwrap();
    assert_eq!(pushed.manifest, Digest::sha256(manifest));
    let oci: MediaType = gossamer_oci::media_type::IMAGE_MANIFEST.parse().unwrap();
    let manifest = Manifest::parse(manifest, Some(&oci)).unwrap();
    assert_eq!(manifest.event_media_type(), Some(&artifact().config_media_type));
    assert_eq!(manifest.layers()[0].annotations["org.opencontainers.image.title"], "file.txt");
}

#[tokio::test]
async fn content_that_breaks_off_is_not_pushed() {
    let log = Log::default();
    let client = RegistryClient::in_process(registry(Arc::clone(&log)));
    let chunks = [Ok("hello"), Err(std::io::Error::other("the sender went away"))];
    let pushed = client.push_artifact(&artifact(), Body::from_stream(stream::iter(chunks))).await;
    assert!(matches!(pushed, Err(ClientError::Refused { .. } | ClientError::Content)), "{pushed:?}");
    assert!(log.lock().unwrap().iter().all(|(line, _)| !line.contains("manifests")));
}

#[tokio::test]
async fn a_delete_tells_gone_from_never_there() {
    let client = RegistryClient::in_process(registry(Log::default()));
    let repository = "a".parse().unwrap();
    let there = client.delete_manifest(&repository, &Digest::sha256(b"there")).await.unwrap();
    assert_eq!(there, Deleted::Now(None));
    let not_there = client.delete_manifest(&repository, &Digest::sha256(b"")).await.unwrap();
    assert_eq!(not_there, Deleted::Before);
}

#[tokio::test]
async fn tags_are_read_to_the_last_page() {
    let client = RegistryClient::in_process(registry(Log::default()));
    let tags = client.tags(&"a".parse().unwrap()).await.unwrap();
    assert_eq!(tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_refusal_says_why() {
    let client = RegistryClient::in_process(registry(Log::default()));
    let error = client.blob(&"a".parse().unwrap(), &Digest::sha256(b"x")).await.unwrap_err();
    assert_eq!(error.to_string(), "the registry answered 403 Forbidden: no");
}
