//! The trial of a policy before it is taken: a few requests that any router must survive.

use std::sync::Arc;

use super::Policies;
use crate::{Answer, EvalError, Input, Lookup, LookupError, Lookups, Policy, Refused};

/// Paths that routers see: their root, a file, an upload, an API call, and nonsense.
const PATHS: [&str; 6] = [
    "/",
    "/artifacts/trial/",
    "/artifacts/trial/some/repository/file/name",
    "/artifacts/trial/api/v1/repository",
    "/v2/artifacts/trial/manifests/latest",
    "/artifacts/trial/%/../ü \u{1f642}",
];

const METHODS: [&str; 3] = ["GET", "PUT", "DELETE"];

/// A registry without content.
struct Nothing;

impl Lookups for Nothing {
    fn answer(&self, lookup: &Lookup) -> Result<Answer, LookupError> {
        Ok(match lookup {
            Lookup::BlobDigest { .. } => Answer::BlobDigest(None),
            Lookup::Manifest { .. } => Answer::Manifest(None),
            Lookup::Tags { .. } => Answer::Tags(Arc::from([])),
        })
    }
}

/// Evaluates the policy in a child. It may fail single requests, but not by what it does to its evaluator, and its
/// output must be an object.
pub(super) async fn run(policies: &Policies, policy: &Arc<Policy>) -> Result<(), Refused> {
    // Plain loops: a closure over `&str` held across an await would keep this future from being `Send`.
    for method in METHODS {
        for path in PATHS {
            let input = Input::new(method, path).with_body("{}");
            match policies.decide(policy, input, Arc::new(Nothing)).await {
                Err(error) if is_fatal(&error) => return Err(Refused::Trial(error)),
                Ok(_) | Err(_) => {}
            }
        }
    }
    Ok(())
}

fn is_fatal(error: &EvalError) -> bool {
    error.is_strike() || matches!(error, EvalError::Output(_))
}
