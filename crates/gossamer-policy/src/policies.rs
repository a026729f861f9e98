//! The facade: takes policies, decides by them, explains and replays.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{counter, histogram};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tracing::warn;

use crate::evaluation::{Evaluated, Evaluation};
use crate::evaluator::{Pool, Task};
use crate::memo::{Key, Memo, Remembered};
use crate::policy::Place;
use crate::recorder::{Recorded, Recorder};
use crate::trusted::{Home, Trusted};
use crate::{
    Body, Decision, EvalError, Explanation, How, Input, Lookups, Policy, PolicySource, Refused, StartError,
    Trail, clock,
};

mod trial;

/// The one package that an announced policy may have.
const ROUTER: &str = "router";

/// What is needed to evaluate policies.
#[derive(Clone, Debug)]
pub struct Config {
    /// A program that ends in [`crate::evaluator_main`] when run with `arguments`: normally this one again.
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub tuning: Tuning,
}

/// How much policies may use. The defaults suit a core with some twenty plugins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tuning {
    /// Evaluator children. One policy holds at most all but one, so that two is the least that isolates well.
    pub children: usize,
    /// Threads for trusted policies; 0 stands for one per processor, at most 8.
    pub threads: usize,
    /// Longest evaluation, in milliseconds of wall-clock time. A busy machine needs at least 250.
    pub evaluation_ms_max: u64,
    /// Address space of a child, in bytes, its program included.
    pub memory_bytes_max: u64,
    /// Decisions that are remembered; 0 turns that off.
    pub memo_entries: usize,
}

/// Decides requests by policies. Cheap to clone; all clones share threads, children and memory.
#[derive(Clone)]
pub struct Policies {
    shared: Arc<Shared>,
}

struct Shared {
    trusted: Trusted,
    isolated: Pool,
    memo: Memo,
    evaluation: Duration,
    /// Children that one policy may hold at once.
    share: usize,
    /// One admission at a time: texts that take for ever to parse must not take all children with them.
    admissions: Semaphore,
}

// === impl Config ===

impl Config {
    /// Starts the threads and the first evaluator child. Needs a tokio runtime.
    pub async fn start(self) -> Result<Policies, StartError> {
        let Self { program, arguments, tuning } = self;
        let Tuning { children, threads, evaluation_ms_max, memory_bytes_max, memo_entries } = tuning;
        let evaluation = Duration::from_millis(evaluation_ms_max);
        let isolated = Pool::start(program, arguments, children, memory_bytes_max, evaluation).await;
        let isolated =
            isolated.map_err(|error| StartError::Evaluator(EvalError::Evaluator(error.to_string())))?;
        let shared = Shared {
            trusted: Trusted::start(if threads == 0 { processors() } else { threads })?,
            isolated,
            memo: Memo::new(memo_entries),
            evaluation,
            share: children.saturating_sub(1).max(1),
            admissions: Semaphore::new(1),
        };
        Ok(Policies { shared: Arc::new(shared) })
    }
}

/// More threads than this would only keep more engines: a decision takes 100 µs.
const THREADS_MAX: usize = 8;

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX)
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            children: 2,
            threads: 0,
            evaluation_ms_max: 500,
            memory_bytes_max: 256 * 1024 * 1024,
            memo_entries: 16 * 1024,
        }
    }
}

// === impl Policies ===

impl Policies {
    /// Takes a policy that ships with this program or that an operator has pinned. It runs in this process.
    ///
    /// Its package need not be `router`: the core's own policies have names of their own.
    pub fn trust(&self, source: &PolicySource) -> Result<Arc<Policy>, Refused> {
        let home = Home::new(source.clone(), self.shared.evaluation)?;
        let facts = home.facts().clone();
        Ok(Policy::new(source.clone(), facts, Place::Trusted(Box::new(home))))
    }

    /// Takes a stranger's policy: parses, checks and tries it in an evaluator child, where it will always run.
    pub async fn admit(&self, source: &PolicySource) -> Result<Arc<Policy>, Refused> {
        let turn = self.shared.admissions.acquire().await;
        let _turn = turn.map_err(|_| Refused::Unchecked(EvalError::Busy))?;
        let facts = self.shared.isolated.load(Arc::new(source.clone())).await?;
        if facts.package != ROUTER {
            return Err(Refused::Package(facts.package));
        }
        let permits = Arc::new(Semaphore::new(self.shared.share));
        let policy = Policy::new(source.clone(), facts, Place::Isolated(permits));
        trial::run(self, &policy).await?;
        Ok(policy)
    }

    /// Decides one request. A request like one before is decided at once, without awaiting anything.
    pub async fn decide(
        &self,
        policy: &Arc<Policy>,
        input: impl Into<Arc<Input>>,
        lookups: Arc<dyn Lookups>,
    ) -> Result<(Decision, Arc<Trail>), EvalError> {
        let started = clock::now();
        let input = input.into();
        let shown = policy.facts().reads.project(&input);
        let key = Key::new(policy.digest(), &shown);
        if let Some(remembered) = key.as_ref().and_then(|key| self.shared.memo.recall(key, &*lookups)) {
            let Remembered { decision, lookups } = remembered;
            return Ok(trail(
                policy,
                input,
                decision,
                lookups,
                Came { started, how: How::Memo, body_read: false },
            ));
        }
        let host = Recorder::new(lookups, input.body.clone());
        let evaluation = Evaluation { input: shown, host: host.clone(), explain: false };
        let outcome = self.evaluate(policy, evaluation).await;
        let (lookups, body_read) = host.finish();
        let (output, _) = outcome.inspect_err(|error| refused(policy, error))?;
        let decision = output.decide(&lookups)?;
        if let Some(key) = key.filter(|_| !body_read) {
            let remembered = Remembered { decision: decision.clone(), lookups: Arc::clone(&lookups) };
            self.shared.memo.remember(key, remembered);
        }
        let how = if policy.is_trusted() { How::Trusted } else { How::Isolated };
        Ok(trail(policy, input, decision, lookups, Came { started, how, body_read }))
    }

    /// What the policy did on the way to the decision of `trail`, found by replaying it.
    pub async fn explain(&self, policy: &Arc<Policy>, trail: &Trail) -> Result<Explanation, EvalError> {
        let (_, explanation) = self.again(policy, trail, true).await?;
        explanation.ok_or_else(|| EvalError::Evaluator("it gave no explanation".to_owned()))
    }

    /// The decision again, from nothing but the record. The same as the one in `trail`, or something is broken.
    pub async fn replay(&self, policy: &Arc<Policy>, trail: &Trail) -> Result<Decision, EvalError> {
        let (output, _) = self.again(policy, trail, false).await?;
        output.decide(&trail.lookups)
    }

    async fn again(
        &self,
        policy: &Arc<Policy>,
        trail: &Trail,
        explain: bool,
    ) -> Result<Evaluated, EvalError> {
        // A body that the decision did not see is not shown to its replay either.
        let body = if trail.body_read { trail.input.body.clone() } else { Body::Absent };
        let host = Recorder::new(Arc::new(Recorded(Arc::clone(&trail.lookups))), body);
        let input = policy.facts().reads.project(&trail.input);
        self.evaluate(policy, Evaluation { input, host, explain }).await
    }

    async fn evaluate(&self, policy: &Policy, evaluation: Evaluation) -> Result<Evaluated, EvalError> {
        let permits = match policy.place() {
            Place::Trusted(home) => return self.shared.trusted.evaluate(home, evaluation).await,
            Place::Isolated(permits) => permits,
        };
        resting(policy)?;
        let _permit = permits.acquire().await.map_err(|_| EvalError::Busy)?;
        resting(policy)?; // it may have struck while this waited
        let source = Arc::clone(policy.source());
        let outcome = self.shared.isolated.evaluate(Task::Evaluate { source, evaluation }).await;
        if outcome.as_ref().is_err_and(EvalError::is_strike) {
            strike(policy);
        }
        outcome
    }
}

fn resting(policy: &Policy) -> Result<(), EvalError> {
    match policy.quarantined() {
        // A whole second more, so that who comes back then is let in.
        Some(left) => Err(EvalError::Quarantined { seconds: left.as_secs() + 1 }),
        None => Ok(()),
    }
}

fn strike(policy: &Policy) {
    counter!("gossamer_policy_strikes_total").increment(1);
    if let Some(rest) = policy.strike() {
        counter!("gossamer_policy_quarantines_total").increment(1);
        warn!(policy = %policy.digest(), rest_s = rest.as_secs(), "Quarantined a policy that breaks its evaluators");
    }
}

fn refused(policy: &Policy, error: &EvalError) {
    // A body that is wanted is fetched, and the question asked again.
    if *error != EvalError::BodyWanted {
        counter!("gossamer_policy_failures_total", "cause" => error.cause()).increment(1);
    }
    tracing::debug!(policy = %policy.digest(), %error, "A policy gave no decision");
}

/// How a decision came about.
struct Came {
    started: Instant,
    how: How,
    body_read: bool,
}

fn trail(
    policy: &Policy,
    input: Arc<Input>,
    decision: Decision,
    lookups: Arc<[(crate::Lookup, crate::Answer)]>,
    came: Came,
) -> (Decision, Arc<Trail>) {
    let Came { started, how, body_read } = came;
    let took = started.elapsed();
    counter!("gossamer_policy_decisions_total", "how" => how.as_str()).increment(1);
    histogram!("gossamer_policy_decision_seconds", "how" => how.as_str()).record(took);
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let policy = policy.digest();
    let trail = Trail { policy, input, lookups, body_read, decision: decision.clone(), micros, how };
    (decision, Arc::new(trail))
}
