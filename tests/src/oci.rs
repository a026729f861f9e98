//! A small OCI client for the tests: pushes artifacts by the letter of the distribution spec.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// An artifact as the plugins know them: an empty config of its own type and one layer with a title.
#[derive(Clone, Debug)]
pub struct Artifact {
    pub config_type: &'static str,
    pub layer_type: &'static str,
    pub title: String,
    pub content: Vec<u8>,
}

impl Artifact {
    /// A file of the static plugin.
    pub fn file(name: &str, content: impl Into<Vec<u8>>) -> Self {
        Self {
            config_type: "application/vnd.ciq.static.file.v1.config+json",
            layer_type: "application/vnd.ciq.static.v1.file",
            title: name.to_owned(),
            content: content.into(),
        }
    }

    /// The manifest that names this artifact's blobs.
    pub fn manifest(&self) -> Value {
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": self.config_type, "digest": digest(b""), "size": 0 },
            "layers": [{
                "mediaType": self.layer_type,
                "digest": digest(&self.content),
                "size": self.content.len(),
                "annotations": { "org.opencontainers.image.title": self.title },
            }],
        })
    }
}

/// The sha256 digest of `content`, as the registry writes it.
pub fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

/// Pushes `artifact` to `repository` under `tag`: blobs first, then the manifest. Says its digest.
pub async fn push(client: &Client, base: &str, repository: &str, tag: &str, artifact: &Artifact) -> String {
    put_blob(client, base, repository, b"").await;
    put_blob(client, base, repository, &artifact.content).await;
    let manifest = artifact.manifest().to_string();
    let response = put_manifest(client, base, repository, tag, &manifest).await;
    assert_eq!(response.status(), StatusCode::CREATED, "{}", response.text().await.unwrap());
    digest(manifest.as_bytes())
}

/// Pushes one blob in a POST and a PUT.
pub async fn put_blob(client: &Client, base: &str, repository: &str, content: &[u8]) {
    let started = client.post(format!("{base}/v2/{repository}/blobs/uploads/")).send().await.unwrap();
    assert_eq!(started.status(), StatusCode::ACCEPTED, "{}", started.text().await.unwrap());
    let location = started.headers()["location"].to_str().unwrap().to_owned();
    let url = if location.starts_with('/') { format!("{base}{location}") } else { location };
    let stored =
        client.put(url).query(&[("digest", digest(content))]).body(content.to_vec()).send().await.unwrap();
    assert_eq!(stored.status(), StatusCode::CREATED, "{}", stored.text().await.unwrap());
}

/// PUTs a manifest, whatever the registry says of it.
pub async fn put_manifest(
    client: &Client,
    base: &str,
    repository: &str,
    reference: &str,
    manifest: &str,
) -> reqwest::Response {
    client
        .put(format!("{base}/v2/{repository}/manifests/{reference}"))
        .header("content-type", "application/vnd.oci.image.manifest.v1+json")
        .body(manifest.to_owned())
        .send()
        .await
        .unwrap()
}
