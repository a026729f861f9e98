//! Selecting a plugin and asking its policy.

use std::sync::Arc;

use gossamer_policy::{Decision, EvalError, Input};
use http::StatusCode;

use super::Gateway;
use super::body::{ReadError, RequestBody};
use super::case::Case;
use crate::chain::Chain;
use crate::directory::{Route, Snapshot};
use crate::http::problem::Problem;

/// The plugin that answers for this request, or why none does.
pub(super) fn select(snapshot: &Snapshot, case: &mut Case, input: &Input) -> Result<Route, Problem> {
    case.considered(snapshot.table());
    let route = snapshot.select(input).map_err(|none| Problem::new(none.status, none.reason))?;
    case.selected(route.chosen());
    Ok(route)
}

impl Gateway {
    /// Asks the route's policy. The body is read only if the policy asks for it.
    pub(super) async fn decide(
        &self,
        case: &mut Case,
        route: &Route,
        mut input: Input,
        body: &mut RequestBody,
    ) -> Result<Decision, Problem> {
        input.body = body.as_input();
        let mut decided = self.policies.decide(&route.policy, input.clone(), Arc::clone(&self.lookups)).await;
        if matches!(decided, Err(EvalError::BodyWanted)) {
            body.read().await.map_err(unread)?;
            input.body = body.as_input();
            decided = self.policies.decide(&route.policy, input, Arc::clone(&self.lookups)).await;
        }
        match decided {
            Ok((decision, trail)) => {
                case.decided(trail);
                Ok(decision)
            }
            Err(error) => {
                case.failed(Chain(&error).to_string());
                Err(undecided(&error))
            }
        }
    }
}

fn unread(error: ReadError) -> Problem {
    match error {
        ReadError::TooLarge => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the policy reads this body, and it is too large")
        }
        ReadError::TooSlow => Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
        ReadError::BrokenOff => Problem::new(StatusCode::BAD_REQUEST, "the body broke off"),
    }
}

/// What the client is told where a policy gave no decision.
fn undecided(error: &EvalError) -> Problem {
    let (status, detail) = match error {
        EvalError::Policy(_) | EvalError::Output(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "the plugin's policy failed")
        }
        EvalError::BodyInvalid(_) => (StatusCode::BAD_REQUEST, "the body is not JSON"),
        EvalError::BodyTooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, "the policy reads this body, and it is too large")
        }
        EvalError::BodyWanted => {
            (StatusCode::INTERNAL_SERVER_ERROR, "the policy reads a body that is not there")
        }
        EvalError::Lookup(_) => (StatusCode::SERVICE_UNAVAILABLE, "the registry cannot be asked"),
        EvalError::Exceeded(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "the plugin's policy exceeded its limits")
        }
        EvalError::Evaluator(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "the plugin's policy could not be evaluated")
        }
        EvalError::Quarantined { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "the plugin's policy is quarantined")
        }
        EvalError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too many requests wait for a decision"),
    };
    Problem::new(status, detail)
}
