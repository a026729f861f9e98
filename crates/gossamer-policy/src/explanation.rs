//! What a policy did, line by line and rule by rule; made on demand by replaying a trail.

use serde::{Deserialize, Serialize};

/// A decision seen from inside the policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Every rule that is not a function, in the order of the module.
    pub rules: Vec<RuleOutcome>,
    /// The lines with something to evaluate, and whether evaluation reached them.
    pub lines: Vec<SourceLine>,
    /// What the policy printed, at most [`Explanation::PRINTS_MAX`] lines.
    pub prints: Vec<String>,
}

/// What one rule came to for this request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleOutcome {
    pub name: String,
    /// Where its first definition starts; from 1.
    pub line: u32,
    /// Its value if it held. A value too large to show is told by its size.
    pub value: Option<serde_json::Value>,
}

/// One line of the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLine {
    /// From 1.
    pub number: u32,
    pub text: String,
    pub reached: bool,
}

// === impl Explanation ===

impl Explanation {
    /// Enough for a person to read.
    pub const PRINTS_MAX: usize = 100;
}
