//! `authz.rego` asked one question at a time.

use std::sync::Arc;

use futures::executor::block_on;
use gossamer_oci::RepositoryName;
use gossamer_policy::{
    Answer, Decision, Input, InvalidSource, Lookup, LookupError, Lookups, Policies, Policy, PolicySource,
    Refused,
};
use serde_json::json;
use tracing::error;

use super::{Action, Config, Mode, Principal};

const MODULE: &str = include_str!("../../../../policies/authz.rego");

/// What `authz.rego` is asked. Its answer depends on this and on the configuration only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) principal: &'a Principal,
    pub(super) action: Action,
    /// `None` asks about the mesh as a whole.
    pub(super) repository: Option<&'a RepositoryName>,
}

/// Why `authz.rego` could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum AuthzError {
    #[error(transparent)]
    Source(#[from] InvalidSource),
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// The core's own policy of access, evaluated in process: it ships with the binary.
pub(super) struct Authz {
    policies: Policies,
    policy: Arc<Policy>,
    lookups: Arc<dyn Lookups>,
}

/// The policy of access asks the registry nothing.
struct NoLookups;

// === impl Authz ===

impl Authz {
    pub(super) fn new(policies: Policies, config: &Config) -> Result<Self, AuthzError> {
        let data = json!({ "open": config.mode == Mode::Open, "anonymous_pull": config.anonymous_pull });
        let digest = gossamer_wire::Policy { module: MODULE.to_owned(), data: data.to_string() }.digest();
        let policy = policies.trust(&PolicySource::new(digest, MODULE, data)?)?;
        Ok(Self { policies, policy, lookups: Arc::new(NoLookups) })
    }

    /// The policy's answer, or `None` if it failed to give one, which is logged here.
    ///
    /// Waits for it on this thread: a trusted policy is evaluated on a thread of its own in some
    /// 100 µs, once per question.
    pub(super) fn evaluate(&self, question: &Question<'_>) -> Option<bool> {
        let (method, path) = question.as_request();
        let mut input = Input::new(method, path);
        input.principal = question.principal.name().into_owned();
        match block_on(self.policies.decide(&self.policy, input, Arc::clone(&self.lookups))) {
            Ok((decision, _)) => Some(matches!(decision, Decision::Forward { .. })),
            Err(error) => {
                error!(%error, ?question, "authz.rego failed, which counts as a refusal");
                None
            }
        }
    }
}

impl std::fmt::Debug for Authz {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authz").field("policy", &self.policy).finish_non_exhaustive()
    }
}

// === impl Question ===

impl Question<'_> {
    /// The method and path of the request that stands for every request of its kind.
    fn as_request(&self) -> (&'static str, String) {
        let method = match self.action {
            Action::Pull | Action::List | Action::Administer => "GET",
            Action::Push => "PUT",
            Action::Delete => "DELETE",
        };
        let path = match (self.repository, self.action) {
            (Some(repository), _) => format!("/v2/{repository}/manifests/latest"),
            (None, Action::List) => "/v2/_catalog".to_owned(),
            (None, Action::Administer) => "/api/v1/members".to_owned(),
            (None, Action::Pull | Action::Push | Action::Delete) => "/v2/".to_owned(),
        };
        (method, path)
    }
}

// === impl NoLookups ===

impl Lookups for NoLookups {
    fn answer(&self, _lookup: &Lookup) -> Result<Answer, LookupError> {
        Err(LookupError::Unavailable("access does not depend on content".to_owned()))
    }
}
