//! Selecting a plugin and asking its policy.

use std::sync::Arc;

use gossamer_policy::{Decision, EvalError, Input, Policy, Trail};
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
    let route = snapshot.select(input).map_err(|none| {
        case.undecided(Arc::new(input.clone()));
        Problem::new(none.status, none.reason)
    })?;
    case.selected(route.chosen());
    Ok(route)
}

/// Why a policy gave no decision.
pub(super) enum Undecided {
    Unread(ReadError),
    Failed(EvalError),
}

// === impl Undecided ===

impl Undecided {
    /// Keeps the reason in the record, and says what the client is told.
    pub(super) fn told(self, case: &mut Case) -> Problem {
        match self {
            Self::Unread(error) => unread(error),
            Self::Failed(error) => {
                case.failed(Chain(&error).to_string());
                undecided(&error)
            }
        }
    }
}

// === impl Gateway ===

impl Gateway {
    /// Asks a policy. The body is read only if the policy asks for it.
    pub(super) async fn consult(
        &self,
        policy: &Arc<Policy>,
        input: &mut Arc<Input>,
        body: &mut RequestBody,
    ) -> Result<(Decision, Arc<Trail>), Undecided> {
        self.decisions.remember(policy);
        Arc::make_mut(input).body = body.as_input();
        let decided = self.policies.decide(policy, Arc::clone(input), Arc::clone(&self.lookups)).await;
        if !matches!(decided, Err(EvalError::BodyWanted)) {
            return decided.map_err(Undecided::Failed);
        }
        body.read().await.map_err(Undecided::Unread)?;
        Arc::make_mut(input).body = body.as_input();
        let decided = self.policies.decide(policy, Arc::clone(input), Arc::clone(&self.lookups)).await;
        decided.map_err(Undecided::Failed)
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
