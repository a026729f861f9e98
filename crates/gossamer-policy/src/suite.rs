//! Tests and dry runs of a policy at its author's desk: in this process, with answers from a file.
//!
//! For policies that whoever runs this has written or read: nothing here protects the process from a stranger's.

mod fixtures;

use std::sync::Arc;
use std::time::Duration;

use gossamer_oci::Digest;
use serde::Serialize;

use crate::engine::{self, Engine, Prepared};
use crate::recorder::Recorder;
use crate::{Answer, Decision, EvalError, Explanation, Input, Lookup, PolicySource, Refused};

pub use fixtures::{Fixtures, InvalidFixtures};

/// Longest run of one test. Patience of a person, not of a client.
const TEST_MAX: Duration = Duration::from_secs(10);

/// Stack of the thread that evaluates, in bytes: room for any chain of calls that the static checks let through.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// A policy with its tests.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Name and text of each module: the policy's first.
    pub modules: Vec<(String, String)>,
    /// The data document.
    pub data: serde_json::Value,
    pub fixtures: Fixtures,
}

/// What one test came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestOutcome {
    /// Its whole path, such as `data.router_test.test_files`.
    pub test: String,
    /// The name of its module.
    pub file: String,
    /// From 1.
    pub line: u32,
    pub verdict: Verdict,
    /// Why it could not be evaluated, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prints: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Passed,
    Failed,
    Broken,
}

/// What a policy would do with one request.
#[derive(Clone, Debug, Serialize)]
pub struct DryRun {
    pub decision: Decision,
    pub lookups: Vec<(Lookup, Answer)>,
    pub explanation: Explanation,
}

/// Why a policy cannot be tried out.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    #[error("a core would refuse this policy")]
    Refused(#[source] Refused),
    #[error("{0}")]
    Syntax(String),
    #[error("the request cannot be decided")]
    Undecided(#[source] EvalError),
    #[error("cannot start a thread to evaluate on")]
    Thread(#[source] std::io::Error),
    #[error("the interpreter panicked")]
    Panicked,
}

// === impl Suite ===

impl Suite {
    /// Checks the policy as a core would, without trying it on requests, then runs every rule whose name begins with
    /// `test_`. A test passes if the rule is true.
    pub fn run(&self) -> Result<Vec<TestOutcome>, SuiteError> {
        with_stack(|| {
            self.prepare()?;
            let host = || -> Box<dyn engine::Host> {
                Box::new(Recorder::new(Arc::new(self.fixtures.clone()), self.fixtures.body()))
            };
            let ran = engine::suite::run(&self.modules, &self.data, TEST_MAX, host);
            Ok(ran.map_err(SuiteError::Syntax)?.into_iter().map(|ran| self.outcome(ran)).collect())
        })
    }

    /// Decides one request. A body that the input does not have comes from the fixtures.
    pub fn dry_run(&self, mut input: Input) -> Result<DryRun, SuiteError> {
        if input.body == crate::Body::Absent {
            input.body = self.fixtures.body();
        }
        with_stack(|| {
            let prepared = self.prepare()?;
            let shown = prepared.facts().reads.project(&input);
            let host = Recorder::new(Arc::new(self.fixtures.clone()), input.body);
            let mut engine = Engine::new(Arc::new(prepared));
            let evaluated = engine.evaluate(&shown, Box::new(host.clone()), true);
            let (output, explanation) = evaluated.map_err(SuiteError::Undecided)?;
            let (lookups, _) = host.finish();
            let decision = output.decide(&lookups).map_err(SuiteError::Undecided)?;
            let explanation = explanation.ok_or(SuiteError::Panicked)?;
            Ok(DryRun { decision, lookups: lookups.to_vec(), explanation })
        })
    }

    fn prepare(&self) -> Result<Prepared, SuiteError> {
        let module = self.modules.first().map(|(_, text)| text.as_str()).unwrap_or_default();
        let source = PolicySource::new(Digest::sha256(module.as_bytes()), module, self.data.clone());
        let source = source.map_err(|error| SuiteError::Refused(error.into()))?;
        Prepared::new(&source, TEST_MAX).map_err(SuiteError::Refused)
    }

    fn outcome(&self, ran: engine::suite::Ran) -> TestOutcome {
        let engine::suite::Ran { found, held, prints } = ran;
        let (verdict, error) = match held {
            Ok(true) => (Verdict::Passed, None),
            Ok(false) => (Verdict::Failed, None),
            Err(error) => (Verdict::Broken, Some(error.to_string())),
        };
        let file = self.modules.get(found.module).map(|(name, _)| name.clone()).unwrap_or_default();
        TestOutcome { test: found.path, file, line: found.line, verdict, error, prints }
    }
}

fn with_stack<T: Send>(work: impl FnOnce() -> Result<T, SuiteError> + Send) -> Result<T, SuiteError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        thread.map_err(SuiteError::Thread)?.join().unwrap_or(Err(SuiteError::Panicked))
    })
}

#[cfg(test)]
mod tests;
