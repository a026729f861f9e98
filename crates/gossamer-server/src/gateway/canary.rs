//! A request decided by the version that it belongs to: the active one, or a canary for its slice.

use std::sync::Arc;

use gossamer_policy::{Decision, Input};

use super::Gateway;
use super::body::RequestBody;
use super::case::Case;
use crate::decisions::Chosen;
use crate::directory::{Route, Snapshot};
use crate::http::problem::Problem;
use crate::trials::Candidate;

impl Gateway {
    /// Asks the active version's policy, then the canary's if the decision is in its slice. A canary that gives no
    /// decision costs nobody anything but the time: the active version's holds. Shadows are given the request
    /// besides.
    pub(super) async fn settle(
        &self,
        case: &mut Case,
        snapshot: &Snapshot,
        route: Route,
        (input, body): (Input, &mut RequestBody),
    ) -> Result<(Route, Decision), Problem> {
        let mut input = Arc::new(input);
        let decided = self.consult(&route.policy, &mut input, body).await;
        let (decision, trail) = decided.map_err(|undecided| {
            case.undecided(input.clone());
            undecided.told(case)
        })?;
        self.trials.shadow(snapshot, &route, &trail);
        case.decided(trail);
        let Some(Candidate { route: candidate, because }) =
            self.trials.candidate(snapshot, &route, &decision, &input.path)
        else {
            return Ok((route, decision));
        };
        match self.consult(&candidate.policy, &mut input, body).await {
            Ok((decision, trail)) => {
                case.selected(Chosen { because, ..candidate.chosen() });
                case.decided(trail);
                Ok((candidate, decision))
            }
            Err(_) => {
                self.trials.failed(&candidate);
                Ok((route, decision))
            }
        }
    }
}
