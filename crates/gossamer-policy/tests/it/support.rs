//! What the tests share: policies, a registry in memory, and running policies in both places.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use gossamer_oci::{Digest, MediaType, RepositoryName};
use gossamer_policy::{
    Answer, Config, Decision, EvalError, FoundBlob, Input, Lookup, LookupError, Lookups, Policies, Policy,
    PolicySource, Refused, Selector, Trail, Tuning,
};

/// A registry that knows layers by `name:tag`, and counts what it is asked.
#[derive(Default)]
pub(crate) struct Registry {
    layers: Mutex<BTreeMap<String, Vec<Layer>>>,
    pub(crate) asked: Mutex<Vec<Lookup>>,
    pub(crate) broken: Mutex<bool>,
}

#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) media_type: &'static str,
    pub(crate) title: &'static str,
    pub(crate) content: String,
}

impl Registry {
    pub(crate) fn put(&self, reference: &str, layers: &[Layer]) {
        self.layers.lock().unwrap().insert(reference.to_owned(), layers.to_vec());
    }

    pub(crate) fn delete(&self, reference: &str) {
        self.layers.lock().unwrap().remove(reference);
    }
}

impl Lookups for Registry {
    fn answer(&self, lookup: &Lookup) -> Result<Answer, LookupError> {
        self.asked.lock().unwrap().push(lookup.clone());
        if *self.broken.lock().unwrap() {
            return Err(LookupError::Unavailable("the disk is gone".to_owned()));
        }
        let layers = self.layers.lock().unwrap();
        Ok(match lookup {
            Lookup::BlobDigest { reference, selector } => {
                let matches = |layer: &&Layer| match selector {
                    Selector::MediaType(media_type) => layer.media_type == media_type,
                    Selector::Annotation { key, value } => {
                        key == "org.opencontainers.image.title" && layer.title == value
                    }
                };
                let layer = layers.get(&reference.to_string()).and_then(|layers| layers.iter().find(matches));
                Answer::BlobDigest(layer.map(|layer| FoundBlob {
                    digest: Digest::sha256(layer.content.as_bytes()),
                    media_type: layer.media_type.parse().unwrap(),
                }))
            }
            Lookup::Manifest { .. } => Answer::Manifest(None),
            Lookup::Tags { repository } => {
                let prefix = format!("{repository}:");
                Answer::Tags(
                    layers.keys().filter_map(|key| key.strip_prefix(&prefix)).map(str::to_owned).collect(),
                )
            }
        })
    }
}

/// A layer with content that follows from its names.
pub(crate) fn layer(media_type: &'static str, title: &'static str) -> Layer {
    Layer { media_type, title, content: format!("{media_type} {title}") }
}

pub(crate) fn source(module: &str, data: &str) -> PolicySource {
    let digest = Digest::sha256(format!("{module}\0{data}").as_bytes());
    PolicySource::parse(digest, module, data).unwrap()
}

pub(crate) async fn policies() -> Policies {
    policies_with(Tuning::default()).await
}

pub(crate) async fn policies_with(tuning: Tuning) -> Policies {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_gossamer-evaluator"));
    Config { program, arguments: Vec::new(), tuning }.start().await.unwrap()
}

/// The two places where a policy can run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Trusted,
    Isolated,
}

pub(crate) const PLACES: [Place; 2] = [Place::Trusted, Place::Isolated];

impl Place {
    pub(crate) async fn take(
        self,
        policies: &Policies,
        source: &PolicySource,
    ) -> Result<Arc<Policy>, Refused> {
        match self {
            Self::Trusted => policies.trust(source),
            Self::Isolated => policies.admit(source).await,
        }
    }
}

pub(crate) async fn decide(
    policies: &Policies,
    policy: &Arc<Policy>,
    input: Input,
    registry: &Arc<Registry>,
) -> Result<(Decision, Arc<Trail>), EvalError> {
    policies.decide(policy, input, registry.clone()).await
}

/// The decision for the content of `layer` in `repository`.
pub(crate) fn blob(repository: &str, layer: &Layer) -> Decision {
    Decision::Blob {
        repository: repository.parse::<RepositoryName>().unwrap(),
        digest: Digest::sha256(layer.content.as_bytes()),
        media_type: Some(layer.media_type.parse::<MediaType>().unwrap()),
        cache_control: None,
    }
}

pub(crate) fn forward(key: &str) -> Decision {
    Decision::Forward { key: Some(key.to_owned()).filter(|key| !key.is_empty()) }
}
