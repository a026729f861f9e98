//! What the tests of this crate share: registries in temporary directories, and things to push.

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, Stream};
use gossamer_events::{Event, EventLog, Origin, Sequence};
use gossamer_oci::{Digest, Manifest, RepositoryName};
use serde_json::{Value, json};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::catalog::{NewManifest, Stamp};
use crate::{Author, Config, Error, PutManifest, Registry, Stored, StoredManifest};

pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.test.config.v1+json";

/// A registry and the directory that goes with it.
pub(crate) struct Fixture {
    pub(crate) registry: Registry,
    pub(crate) directory: TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::new(directory.path());
        configure(&mut config);
        Self { registry: config.open().await.unwrap(), directory }
    }

    /// Ends this process's hold and opens the directory again.
    pub(crate) async fn reopen(self) -> Self {
        let Self { registry, directory } = self;
        registry.close().await;
        drop(registry);
        let registry = Config::new(directory.path()).open().await.unwrap();
        Self { registry, directory }
    }

    /// Pushes a blob; answers its digest.
    pub(crate) async fn blob(&self, repository: &str, content: &[u8]) -> Digest {
        let digest = Digest::sha256(content);
        self.registry.put_blob(&name(repository), &digest, body_of(content)).await.unwrap();
        digest
    }

    /// Pushes an image with one layer of this content under the tag.
    pub(crate) async fn image(&self, repository: &str, reference: &str, layer: &[u8]) -> Stored {
        self.blob(repository, b"{}").await;
        self.blob(repository, layer).await;
        self.put(repository, reference, IMAGE, &image(layer)).await.unwrap()
    }

    pub(crate) async fn put(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        content: &Value,
    ) -> Result<Stored, Error> {
        self.registry.put_manifest(put(repository, reference, media_type, content)).await
    }

    pub(crate) async fn events(&self) -> Vec<Event> {
        self.registry.read(Sequence::ZERO, usize::MAX).await.unwrap()
    }

    /// The files in a folder of the registry, with those in folders below.
    pub(crate) fn files(&self, folder: &str) -> usize {
        count(&self.directory.path().join(folder))
    }
}

fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
}

pub(crate) fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

pub(crate) fn author() -> Author {
    Author { origin: Origin::External { principal: "ann".into() }, traceparent: None }
}

/// A body that arrives in one piece.
pub(crate) fn body_of(content: &[u8]) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + use<> {
    stream::iter([Ok(Bytes::copy_from_slice(content))])
}

/// A body that breaks off after this content.
pub(crate) fn broken_body(
    content: &[u8],
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + use<> {
    let ended = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    stream::iter([Ok(Bytes::copy_from_slice(content)), Err(ended)])
}

pub(crate) fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({
        "mediaType": media_type,
        "digest": Digest::sha256(content).to_string(),
        "size": content.len(),
    })
}

/// An image manifest with an empty config and one layer.
pub(crate) fn image(layer: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": descriptor(CONFIG, b"{}"),
        "layers": [descriptor("application/vnd.test.layer", layer)],
    })
}

pub(crate) fn put(repository: &str, reference: &str, media_type: &str, content: &Value) -> PutManifest {
    PutManifest {
        repository: name(repository),
        reference: reference.parse().unwrap(),
        tags: Vec::new(),
        content_type: Some(media_type.parse().unwrap()),
        content: content.to_string().into(),
        origin: author().origin,
        traceparent: None,
    }
}

pub(crate) fn digest_of(manifest: &Value) -> Digest {
    Digest::sha256(manifest.to_string().as_bytes())
}

pub(crate) fn stamp() -> Stamp {
    Stamp { author: author(), at: OffsetDateTime::now_utc() }
}

/// An image that differs from others by its number; its blobs are nowhere.
pub(crate) fn new_manifest(repository: &str, tag: &str, number: u32, sparse: bool) -> NewManifest {
    let mut content = image(b"layer");
    content["annotations"] = json!({ "number": number.to_string() });
    let (digest, content) = (digest_of(&content), Bytes::from(content.to_string()));
    let manifest = Manifest::parse(&content, Some(&IMAGE.parse().unwrap())).unwrap();
    NewManifest {
        repository: name(repository),
        manifest: Arc::new(StoredManifest { digest, content, manifest }),
        tags: vec![tag.parse().unwrap()],
        sparse,
        stamp: stamp(),
    }
}
