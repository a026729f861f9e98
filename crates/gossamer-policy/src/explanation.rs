//! What a policy did, line by line and rule by rule; made on demand by replaying a trail.

use serde::{Deserialize, Serialize};

/// A decision seen from inside the policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Every rule that is not a function, in the order of the module.
    pub rules: Vec<RuleOutcome>,
    /// The bodies of those rules, with the first condition of each that did not hold.
    pub bodies: Vec<BodyOutcome>,
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

/// What one body of a rule came to for this request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyOutcome {
    /// The rule as its definition names it.
    pub rule: String,
    /// Where the body starts; from 1.
    pub line: u32,
    #[serde(flatten)]
    pub verdict: BodyVerdict,
}

/// Whether all conditions of a body held, and if not, which was the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum BodyVerdict {
    Held,
    /// The conditions before this one held. Its line is that of the module.
    Failed {
        #[serde(rename = "failed_line")]
        line: u32,
        condition: String,
    },
    /// An `else` behind the body at line `held`, which held.
    NotReached {
        held: u32,
    },
    /// It cannot be told, for instance because it asks what the decision did not ask.
    Unknown {
        because: String,
    },
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
