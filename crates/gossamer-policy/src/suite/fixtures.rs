//! A registry in a JSON file: manifests by reference, and the body of the request.

use std::collections::BTreeMap;
use std::sync::Arc;

use gossamer_oci::{Digest, Reference};
use serde::Deserialize;

use crate::{
    Answer, ArtifactReference, Body, FoundBlob, FoundManifest, Lookup, LookupError, Lookups, Selector,
};

/// The media type of a manifest that does not say its own.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What the registry knows, and what the request carries.
#[derive(Clone, Debug, Default)]
pub struct Fixtures {
    manifests: BTreeMap<String, serde_json::Value>,
    body: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// By `repository:tag` or `repository@digest`: what the manifest says, as far as the policy looks.
    #[serde(default)]
    manifests: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    body: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: Digest,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Why a file is no set of fixtures.
#[derive(Debug, thiserror::Error)]
pub enum InvalidFixtures {
    #[error("the fixtures are not `{{\"manifests\": {{…}}, \"body\": …}}`")]
    Form(#[source] serde_json::Error),
    #[error("{0:?} is not name:tag or name@digest")]
    Reference(String),
}

// === impl Fixtures ===

impl Fixtures {
    /// Reads the text of a JSON file.
    pub fn parse(text: &str) -> Result<Self, InvalidFixtures> {
        let File { manifests, body } = serde_json::from_str(text).map_err(InvalidFixtures::Form)?;
        let is_reference = |text: &String| text.parse::<ArtifactReference>().is_ok();
        match manifests.keys().find(|key| !is_reference(key)) {
            Some(key) => Err(InvalidFixtures::Reference(key.clone())),
            None => Ok(Self { manifests, body }),
        }
    }

    pub(super) fn body(&self) -> Body {
        self.body.as_ref().map_or(Body::Absent, |body| Body::Whole(body.to_string().into()))
    }

    fn layer(&self, reference: &ArtifactReference, selector: &Selector) -> Option<FoundBlob> {
        let layers = self.manifests.get(&reference.to_string())?.get("layers")?.as_array()?;
        let layers = layers.iter().filter_map(|layer| Layer::deserialize(layer).ok());
        let picked = layers.into_iter().find(|layer| match selector {
            Selector::MediaType(media_type) => layer.media_type == *media_type,
            Selector::Annotation { key, value } => layer.annotations.get(key) == Some(value),
        })?;
        Some(FoundBlob { digest: picked.digest, media_type: picked.media_type.parse().ok()? })
    }

    fn manifest(&self, reference: &ArtifactReference) -> Option<Arc<FoundManifest>> {
        let content = self.manifests.get(&reference.to_string())?.clone();
        let media_type = content.get("mediaType").and_then(serde_json::Value::as_str).unwrap_or(MANIFEST);
        let digest = match reference.reference {
            Reference::Digest(digest) => digest,
            Reference::Tag(_) => Digest::sha256(content.to_string().as_bytes()),
        };
        Some(Arc::new(FoundManifest { digest, media_type: media_type.parse().ok()?, content }))
    }
}

impl Lookups for Fixtures {
    fn answer(&self, lookup: &Lookup) -> Result<Answer, LookupError> {
        Ok(match lookup {
            Lookup::BlobDigest { reference, selector } => Answer::BlobDigest(self.layer(reference, selector)),
            Lookup::Manifest { reference } => Answer::Manifest(self.manifest(reference)),
            Lookup::Tags { repository } => {
                let prefix = format!("{repository}:");
                let tags = self.manifests.keys().filter_map(|key| key.strip_prefix(&prefix));
                Answer::Tags(tags.map(str::to_owned).collect())
            }
        })
    }
}
