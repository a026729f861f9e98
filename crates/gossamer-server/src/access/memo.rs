//! Answers of `authz.rego` that need not be asked twice.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use gossamer_oci::RepositoryName;

use super::authz::Question;
use super::{Action, Principal};

/// Answers remembered at once: some 100 bytes each, enough for every repository in use.
const ANSWERS_MAX: usize = 16_384;

type Key = (Principal, Action, Option<RepositoryName>);

/// A bounded memory of answers. When full it starts afresh: an answer costs microseconds to renew.
#[derive(Debug, Default)]
pub(super) struct Memo {
    answers: RwLock<HashMap<Key, bool>>,
}

// === impl Memo ===

impl Memo {
    /// The remembered answer, or the one that `evaluate` gives. `None` from it is a failure of the
    /// policy: it counts as a refusal and is not remembered.
    pub(super) fn get_or(&self, question: &Question<'_>, evaluate: impl FnOnce() -> Option<bool>) -> bool {
        let key = (question.principal.clone(), question.action, question.repository.cloned());
        if let Some(answer) = self.answers.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return *answer;
        }
        let Some(answer) = evaluate() else { return false };
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= ANSWERS_MAX {
            answers.clear();
        }
        answers.insert(key, answer);
        answer
    }
}
