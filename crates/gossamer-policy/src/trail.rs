//! How a decision came about: enough to check it, to replay it and to explain it.

use std::sync::Arc;

use gossamer_oci::Digest;
use serde::Serialize;

use crate::{Answer, Decision, Input, Lookup};

/// Everything that one decision depended on.
#[derive(Clone, Debug, Serialize)]
pub struct Trail {
    pub policy: Digest,
    pub input: Arc<Input>,
    /// What the policy asked the registry, in order, and what it was told.
    pub lookups: Arc<[(Lookup, Answer)]>,
    pub body_read: bool,
    pub decision: Decision,
    /// From the call to the decision, in microseconds.
    pub micros: u64,
    pub how: How,
}

/// Who came to the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// An equal request was decided before, and every answer that it rested on is still the same.
    Memo,
    /// A trusted policy, in this process.
    Trusted,
    /// A stranger's policy, in an evaluator child.
    Isolated,
}

// === impl How ===

impl How {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memo => "memo",
            Self::Trusted => "trusted",
            Self::Isolated => "isolated",
        }
    }
}
