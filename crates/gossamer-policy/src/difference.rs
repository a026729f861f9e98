//! Where two policies part on one request: the decisions, and the rules that came to other values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::recorder::Recorded;
use crate::{
    Answer, Decision, EvalError, Explanation, Lookup, LookupError, Lookups, Policies, Policy, RuleOutcome,
    Trail,
};

/// Two policies that decide one request otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    pub method: String,
    pub path: String,
    pub ours: Decision,
    /// What the other policy decided, or why it did not.
    pub theirs: Result<Decision, String>,
    /// In the order of their names. Empty if both failed to say.
    pub rules: Vec<RuleDifference>,
}

/// One rule that came to different values, or that only one policy has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleDifference {
    pub rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ours: Option<RuleOutcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theirs: Option<RuleOutcome>,
}

/// First what the other policy was told, then the registry: both see one state of it, as far as they ask the same.
struct Beside {
    recorded: Recorded,
    live: Arc<dyn Lookups>,
}

impl Lookups for Beside {
    fn answer(&self, lookup: &Lookup) -> Result<Answer, LookupError> {
        self.recorded.answer(lookup).or_else(|_| self.live.answer(lookup))
    }
}

impl Policies {
    /// Decides the request of `trail` by another policy, told what the first one was told. None if they agree.
    ///
    /// Fails with [`EvalError::BodyWanted`] if `other` reads a body that nobody kept.
    pub async fn compare(
        &self,
        policy: &Arc<Policy>,
        trail: &Trail,
        other: &Arc<Policy>,
        live: Arc<dyn Lookups>,
    ) -> Result<Option<Difference>, EvalError> {
        let beside = Arc::new(Beside { recorded: Recorded(Arc::clone(&trail.lookups)), live });
        let (theirs, explained) = match self.decide(other, trail.input.clone(), beside).await {
            Ok((theirs, _)) if theirs == trail.decision => return Ok(None),
            Ok((theirs, trail)) => (Ok(theirs), self.explain(other, &trail).await.ok()),
            Err(EvalError::BodyWanted) => return Err(EvalError::BodyWanted),
            Err(error) => (Err(error.to_string()), None),
        };
        let ours = self.explain(policy, trail).await.ok();
        Ok(Some(Difference {
            method: trail.input.method.clone(),
            path: trail.input.path.clone(),
            ours: trail.decision.clone(),
            theirs,
            rules: rules(ours.as_ref(), explained.as_ref()),
        }))
    }
}

/// The rules that differ by value. Where a rule stands does not matter.
fn rules(ours: Option<&Explanation>, theirs: Option<&Explanation>) -> Vec<RuleDifference> {
    let (ours, theirs) = (by_name(ours), by_name(theirs));
    let names: BTreeSet<&str> = ours.keys().chain(theirs.keys()).copied().collect();
    let differences = names.into_iter().filter_map(|name| {
        let (left, right) = (ours.get(name), theirs.get(name));
        let value = |rule: Option<&&RuleOutcome>| rule.and_then(|rule| rule.value.clone());
        let is_same = left.is_some() == right.is_some() && value(left) == value(right);
        (!is_same).then(|| RuleDifference {
            rule: name.to_owned(),
            ours: left.copied().cloned(),
            theirs: right.copied().cloned(),
        })
    });
    differences.collect()
}

fn by_name(explanation: Option<&Explanation>) -> BTreeMap<&str, &RuleOutcome> {
    let rules = explanation.map(|explanation| explanation.rules.as_slice()).unwrap_or_default();
    rules.iter().map(|rule| (rule.name.as_str(), rule)).collect()
}
