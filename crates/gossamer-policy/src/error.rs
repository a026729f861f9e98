//! Why a request was not decided, and why a policy was not taken.

use std::io;

use serde::{Deserialize, Serialize};

use crate::InvalidSource;

/// Why there is no decision. Nothing was changed by asking.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum EvalError {
    /// The policy itself failed: a conflict of two rules, or a call that the registry builtins refuse.
    #[error("the policy failed: {0}")]
    Policy(String),
    /// The policy gave no output, or one of the wrong form.
    #[error("the policy's output cannot be used: {0}")]
    Output(String),
    #[error("the request body is not JSON: {0}")]
    BodyInvalid(String),
    #[error("the request body is larger than a policy may read")]
    BodyTooLarge,
    /// The policy wants to read a body that the caller has not fetched yet. Ask again with it.
    #[error("the policy reads the request body, which was not supplied")]
    BodyWanted,
    #[error("the registry did not answer: {0}")]
    Lookup(String),
    /// The policy ran past a limit of time, output or lookups.
    #[error("the policy exceeded its limits: {0}")]
    Exceeded(String),
    /// The evaluator died of this request, or could not be run.
    #[error("the evaluator failed: {0}")]
    Evaluator(String),
    /// The policy broke its evaluators again and again, and rests.
    #[error("the policy is quarantined for another {seconds} s")]
    Quarantined { seconds: u64 },
    #[error("too many evaluations are waiting")]
    Busy,
}

/// Why a policy is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refused {
    #[error(transparent)]
    Source(#[from] InvalidSource),
    #[error("the module is not Rego: {0}")]
    Syntax(String),
    #[error("the package is {0}, not router")]
    Package(String),
    #[error("there is no rule {0}")]
    NoOutput(String),
    /// As OPA says it.
    #[error("rego_recursion_error: rule {rule} is recursive: {path}")]
    Recursive { rule: String, path: String },
    #[error("line {line}: the function {name} is not defined or not allowed here")]
    Function { name: String, line: u32 },
    #[error("line {line}: {what}")]
    Construct { what: String, line: u32 },
    #[error("a module has at most {max} rules, not {rules}")]
    TooManyRules { rules: usize, max: usize },
    #[error("a chain of rules that need each other has at most {max} links, not {depth}")]
    TooDeep { depth: usize, max: usize },
    #[error("a trial evaluation failed: {0}")]
    Trial(EvalError),
    /// Says nothing about the policy unless the evaluator died of it.
    #[error("the policy could not be checked: {0}")]
    Unchecked(EvalError),
}

/// Why policies cannot be evaluated at all.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot start a thread for policies")]
    Thread(#[source] io::Error),
    #[error("cannot start the policy evaluator: {0}")]
    Evaluator(EvalError),
}

// === impl EvalError ===

impl EvalError {
    /// A word for the kind of failure, as metrics have it.
    pub(crate) fn cause(&self) -> &'static str {
        match self {
            Self::Policy(_) => "policy",
            Self::Output(_) => "output",
            Self::BodyInvalid(_) | Self::BodyTooLarge | Self::BodyWanted => "body",
            Self::Lookup(_) => "lookup",
            Self::Exceeded(_) => "limit",
            Self::Evaluator(_) => "evaluator",
            Self::Quarantined { .. } => "quarantine",
            Self::Busy => "busy",
        }
    }

    /// Whether the policy is to blame in a way that costs others: time, memory or an evaluator.
    pub(crate) fn is_strike(&self) -> bool {
        match self {
            Self::Exceeded(_) | Self::Evaluator(_) => true,
            Self::Policy(_)
            | Self::Output(_)
            | Self::BodyInvalid(_)
            | Self::BodyTooLarge
            | Self::BodyWanted
            | Self::Lookup(_)
            | Self::Quarantined { .. }
            | Self::Busy => false,
        }
    }
}
