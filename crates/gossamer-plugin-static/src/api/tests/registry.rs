//! A registry of manifests that is a router, and tells a plugin of every change as a core would.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use bytes::Bytes;
use gossamer_sdk::{Action, Digest, Event, Sequence, testing};
use serde_json::json;

use crate::event::tests::event;

const SEQUENCE: HeaderName = HeaderName::from_static("gossamer-sequence");

#[derive(Clone, Default)]
pub(super) struct Registry {
    state: Arc<Mutex<Contents>>,
    plugin: Arc<OnceLock<Router>>,
}

#[derive(Default)]
struct Contents {
    /// By repository and tag.
    manifests: BTreeMap<(String, String), Bytes>,
    sequence: u64,
}

impl Registry {
    pub(super) fn router(&self) -> Router {
        Router::new().route("/v2/{*path}", any(answer)).with_state(self.clone())
    }

    /// Keeps a manifest of which the plugin has not been told.
    pub(super) fn keep_unannounced(&self, repository: &str, tag: &str, manifest: String) {
        let key = (repository.to_owned(), tag.to_owned());
        self.state.lock().unwrap().manifests.insert(key, manifest.into());
    }

    /// From now on, `plugin` hears of every change.
    pub(super) fn tell(&self, plugin: Router) {
        assert!(self.plugin.set(plugin).is_ok());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().unwrap().manifests.is_empty()
    }

    /// The newest event that the plugin was told of.
    pub(super) fn head(&self) -> Sequence {
        Sequence::new(self.state.lock().unwrap().sequence)
    }

    async fn commit(&self, repository: &str, action: Action, tag: Option<&str>, manifest: &Bytes) -> u64 {
        let sequence = {
            let mut state = self.state.lock().unwrap();
            state.sequence += 1;
            state.sequence
        };
        let payload = std::str::from_utf8(manifest).unwrap();
        let event = Event { sequence: Sequence::new(sequence), ..event(repository, action, tag, payload) };
        if let Some(plugin) = self.plugin.get() {
            assert_eq!(testing::deliver(plugin.clone(), &event).await, StatusCode::OK);
        }
        sequence
    }

    async fn put(&self, repository: &str, tag: &str, content: Body) -> Response {
        let manifest = to_bytes(content, usize::MAX).await.unwrap();
        let key = (repository.to_owned(), tag.to_owned());
        self.state.lock().unwrap().manifests.insert(key, manifest.clone());
        let sequence = self.commit(repository, Action::ManifestPut, Some(tag), &manifest).await;
        (StatusCode::CREATED, [(SEQUENCE, sequence.to_string())]).into_response()
    }

    fn get(&self, repository: &str, tag: &str) -> Response {
        let key = (repository.to_owned(), tag.to_owned());
        match self.state.lock().unwrap().manifests.get(&key) {
            Some(manifest) => {
                let oci = "application/vnd.oci.image.manifest.v1+json";
                ([(header::CONTENT_TYPE, oci)], manifest.clone()).into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }

    fn tags(&self, repository: &str) -> Response {
        let state = self.state.lock().unwrap();
        let tags: Vec<_> =
            state.manifests.keys().filter(|(name, _)| name == repository).map(|(_, tag)| tag).collect();
        Json(json!({ "name": repository, "tags": tags })).into_response()
    }

    async fn delete(&self, repository: &str, digest: &str) -> Response {
        let at = |manifest: &Bytes| Digest::sha256(manifest).to_string() == digest;
        let found = {
            let mut state = self.state.lock().unwrap();
            let found = state.manifests.values().find(|manifest| at(manifest)).cloned();
            state.manifests.retain(|(name, _), manifest| name != repository || !at(manifest));
            found
        };
        let Some(manifest) = found else { return StatusCode::NOT_FOUND.into_response() };
        let sequence = self.commit(repository, Action::ManifestDelete, None, &manifest).await;
        (StatusCode::ACCEPTED, [(SEQUENCE, sequence.to_string())]).into_response()
    }
}

async fn answer(State(registry): State<Registry>, Path(path): Path<String>, request: Request) -> Response {
    let method = request.method().clone();
    if let Some((repository, reference)) = path.split_once("/manifests/") {
        return match method {
            Method::PUT => registry.put(repository, reference, request.into_body()).await,
            Method::GET => registry.get(repository, reference),
            Method::DELETE => registry.delete(repository, reference).await,
            _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        };
    }
    if let Some(repository) = path.strip_suffix("/tags/list") {
        return registry.tags(repository);
    }
    let request_query = request.uri().query().map(str::to_owned);
    to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let whole = method == Method::PUT || request_query.is_some();
    let status = if whole { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    (status, [(header::LOCATION, format!("/v2/{path}"))]).into_response()
}
