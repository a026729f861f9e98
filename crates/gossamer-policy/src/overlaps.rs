//! Plugins whose policies answer for what is not theirs, or for the same, found by asking them.
//!
//! One request belongs to one plugin, so that two policies are never asked together. They collide all the same where
//! one answers with a repository of the other, and below `/artifacts/-/`, where the order of a client's media types
//! would decide between them.

mod probes;

use std::collections::BTreeSet;
use std::sync::Arc;

use gossamer_oci::{Digest, MediaType, PluginName, RepositoryName};
use serde::Serialize;

use crate::{
    Answer, Decision, FoundBlob, FoundManifest, Input, Lookup, LookupError, Lookups, Policies, Policy, Trail,
};

/// Requests that one policy is asked, at most: a second's work for one evaluator child, if the policy is slow.
const PROBES_MAX: usize = 256;

/// One plugin with its active policy.
#[derive(Clone, Debug)]
pub struct Party {
    pub plugin: PluginName,
    pub policy: Arc<Policy>,
    pub media_types: BTreeSet<MediaType>,
    /// Requests that it was asked lately.
    pub recorded: Vec<Input>,
}

/// Two plugins that get in each other's way, and a request that shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "overlap", rename_all = "snake_case")]
pub enum Overlap {
    /// A policy sends a request of its own plugin to a repository of another one.
    Trespass { by: Box<Side>, repository: RepositoryName, owner: PluginName, witness: Witness },
    /// Below `/artifacts/-/`, both policies answer the request, differently: the client's order of media types decides.
    Ambiguous { first: Box<Side>, second: Box<Side>, witness: Witness },
}

/// One of the two.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    pub plugin: PluginName,
    pub policy: Digest,
    pub decision: Decision,
    /// Names and lines of the rules that held.
    pub rules: Vec<(String, u32)>,
}

/// The request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Witness {
    pub method: String,
    pub path: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accept: Vec<MediaType>,
}

/// A registry in which everything that is asked for is there.
struct Everything;

impl Lookups for Everything {
    fn answer(&self, lookup: &Lookup) -> Result<Answer, LookupError> {
        let unavailable = |error: gossamer_oci::InvalidMediaType| LookupError::Unavailable(error.to_string());
        Ok(match lookup {
            Lookup::BlobDigest { reference, .. } => Answer::BlobDigest(Some(FoundBlob {
                digest: Digest::sha256(reference.to_string().as_bytes()),
                media_type: "application/octet-stream".parse().map_err(unavailable)?,
            })),
            Lookup::Manifest { reference } => Answer::Manifest(Some(Arc::new(FoundManifest {
                digest: Digest::sha256(reference.to_string().as_bytes()),
                media_type: "application/vnd.oci.image.manifest.v1+json".parse().map_err(unavailable)?,
                content: serde_json::json!({}),
            }))),
            Lookup::Tags { .. } => Answer::Tags(Arc::from(["latest".to_owned()])),
        })
    }
}

impl Policies {
    /// Every overlap among `parties`, one witness for each pair, found with requests made from the policies' own
    /// texts and with recorded ones. What a policy does not decide is passed over.
    pub async fn overlaps(&self, parties: &[Party]) -> Vec<Overlap> {
        let mut overlaps = Vec::new();
        for party in parties {
            overlaps.extend(self.trespasses(party).await);
        }
        for (place, first) in parties.iter().enumerate() {
            for second in parties.iter().skip(place + 1) {
                if !first.media_types.is_empty() && !second.media_types.is_empty() {
                    overlaps.extend(self.ambiguity(first, second).await);
                }
            }
        }
        overlaps
    }

    /// The repositories of others that `party` sends requests of its own to, one witness for each owner.
    async fn trespasses(&self, party: &Party) -> Vec<Overlap> {
        let (mut found, mut owners) = (Vec::new(), BTreeSet::new());
        let own = probes::own(&party.policy.facts().literals, &party.plugin);
        for input in own.into_iter().chain(party.recorded.iter().cloned()).take(PROBES_MAX) {
            let Some((decision, trail)) = self.probe(party, input).await else { continue };
            let Some((repository, owner)) = owned(&decision) else { continue };
            if owner != party.plugin && owners.insert(owner.clone()) {
                let witness = Witness::of(&trail.input);
                let by = Box::new(self.side(party, &trail).await);
                found.push(Overlap::Trespass { by, repository, owner, witness });
            }
        }
        found
    }

    /// The first request below `/artifacts/-/` that both answer, and not alike.
    async fn ambiguity(&self, first: &Party, second: &Party) -> Option<Overlap> {
        let literals = |party: &Party| probes::shared(&party.policy.facts().literals, &party.plugin);
        let accept: Vec<_> = first.media_types.iter().chain(&second.media_types).cloned().collect();
        for mut input in literals(first).into_iter().chain(literals(second)).take(PROBES_MAX) {
            input.accept.clone_from(&accept);
            let Some((ours, trail)) = self.probe(first, input.clone()).await else { continue };
            let Some((theirs, their_trail)) = self.probe(second, input).await else { continue };
            let answers = |decision: &Decision| !matches!(decision, Decision::NotFound { .. });
            if answers(&ours) && answers(&theirs) && ours != theirs {
                let witness = Witness::of(&trail.input);
                let (first, second) = (
                    Box::new(self.side(first, &trail).await),
                    Box::new(self.side(second, &their_trail).await),
                );
                return Some(Overlap::Ambiguous { first, second, witness });
            }
        }
        None
    }

    async fn probe(&self, party: &Party, input: Input) -> Option<(Decision, Arc<Trail>)> {
        self.decide(&party.policy, input, Arc::new(Everything)).await.ok()
    }

    async fn side(&self, party: &Party, trail: &Trail) -> Side {
        let rules = match self.explain(&party.policy, trail).await {
            Ok(explanation) => explanation.rules.into_iter().filter(|rule| rule.value.is_some()).collect(),
            Err(_) => Vec::new(),
        };
        Side {
            plugin: party.plugin.clone(),
            policy: party.policy.digest(),
            decision: trail.decision.clone(),
            rules: rules.into_iter().map(|rule| (rule.name, rule.line)).collect(),
        }
    }
}

/// The repository that a decision leads to, and the plugin that it belongs to.
fn owned(decision: &Decision) -> Option<(RepositoryName, PluginName)> {
    let repository = match decision {
        Decision::Blob { repository, .. } => repository.clone(),
        Decision::Forward { key: Some(key) } => key.parse().ok()?,
        Decision::Forward { key: None }
        | Decision::Redirect { .. }
        | Decision::Deny { .. }
        | Decision::NotFound { .. } => return None,
    };
    let owner = repository.plugin()?;
    Some((repository, owner))
}

impl Witness {
    fn of(input: &Input) -> Self {
        Self { method: input.method.clone(), path: input.path.clone(), accept: input.accept.clone() }
    }
}
