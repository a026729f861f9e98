//! One policy on regorus' interpreter: parsed and checked once, evaluated many times, never by two threads at once.
//!
//! The interpreter, not the register VM: in 0.14.1 the VM does not go on to an `else` after a body that iterates or
//! meets something undefined, which every router does.

use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{LimitError, Value};

use crate::evaluation::Evaluated;
use crate::facts::{Facts, RuleSpan};
use crate::output::Output;
use crate::{EvalError, Explanation, PolicySource, Refused, RuleOutcome, SourceLine, checks};

mod conditions;
pub(crate) mod functions;
mod growth;
mod host;
mod patterns;
pub(crate) mod suite;

pub(crate) use host::Host;
use host::Session;

/// The name under which the module appears in messages.
const FILE: &str = "router.rego";

/// Units of work between two looks at the clock: some 20 microseconds' worth, so that most routers need none.
const CHECK_INTERVAL: NonZeroU32 = NonZeroU32::MIN.saturating_add(1023);

/// Longest message of the interpreter that is passed on, in bytes. Its messages quote values.
const MESSAGE_BYTES_MAX: usize = 2000;

/// Largest value of a rule that an explanation shows, in bytes of JSON.
const SHOWN_BYTES_MAX: usize = 4096;

/// A policy that was parsed and checked, ready to be given to engines.
pub(crate) struct Prepared {
    pristine: regorus::Engine,
    facts: Facts,
    entry: String,
    /// Whether the module is Rego v0.
    v0: bool,
}

/// Evaluates one policy. After any failure it starts from the pristine copy again: the interpreter keeps state.
pub(crate) struct Engine {
    prepared: Arc<Prepared>,
    session: Session,
    running: Option<regorus::Engine>,
}

// === impl Prepared ===

impl Prepared {
    /// Parses as Rego v1, else as v0, checks, and plans the evaluation; nothing of the policy runs.
    ///
    /// An evaluation longer than `limit` ends in `EvalError::Exceeded`.
    pub(crate) fn new(source: &PolicySource, limit: Duration) -> Result<Self, Refused> {
        let (mut engine, v0) = match parse(source, false) {
            Ok(engine) => (engine, false),
            Err(as_v1) => {
                let engine = parse(source, true).map_err(|as_v0| {
                    Refused::Syntax(shorten(format!("as Rego v1: {as_v1}; as Rego v0: {as_v0}")))
                })?;
                (engine, true)
            }
        };
        let module = engine.get_modules().first().cloned();
        let module = module.ok_or_else(|| Refused::Syntax("the module is empty".to_owned()))?;
        let facts = checks::check(&module, source.data())?;
        engine.set_execution_timer_config(ExecutionTimerConfig { limit, check_interval: CHECK_INTERVAL });
        let unplanned = |error: String| Refused::Syntax(shorten(error));
        engine.add_data(Value::from(source.data().clone())).map_err(|error| unplanned(error.to_string()))?;
        let entry = facts.entry();
        let compiled = engine.compile_with_entrypoint(&entry.as_str().into());
        compiled.map_err(|error| unplanned(error.to_string()))?;
        Ok(Self { pristine: engine, facts, entry, v0 })
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// Builtin errors are undefined, as in OPA, where Beskar's routers count on it.
fn parse(source: &PolicySource, v0: bool) -> Result<regorus::Engine, String> {
    let mut engine = regorus::Engine::new();
    engine.set_rego_v0(v0);
    engine.set_strict_builtin_errors(false);
    engine.set_gather_prints(true);
    let parsed = engine.add_policy(FILE.to_owned(), source.module().to_owned());
    parsed.map(|_| engine).map_err(|error| error.to_string())
}

// === impl Engine ===

impl Engine {
    pub(crate) fn new(prepared: Arc<Prepared>) -> Self {
        Self { prepared, session: Session::default(), running: None }
    }

    /// Evaluates the policy's output for `input`, a JSON text, asking `host` what the policy asks.
    ///
    /// To explain costs several evaluations.
    pub(crate) fn evaluate(
        &mut self,
        input: &str,
        host: Box<dyn Host>,
        explain: bool,
    ) -> Result<Evaluated, EvalError> {
        let (prepared, session) = (Arc::clone(&self.prepared), self.session.clone());
        let (value, explanation) = self.run(input, host, |engine| {
            if explain {
                return observe(engine, &prepared, &session).map(|(value, seen)| (value, Some(seen)));
            }
            let value = engine.eval_rule(prepared.entry.clone()).map_err(Failure::of)?;
            Ok((value, None))
        })?;
        Ok((Output::read(&value)?, explanation))
    }

    fn run<T>(
        &mut self,
        input: &str,
        host: Box<dyn Host>,
        work: impl FnOnce(&mut regorus::Engine) -> Result<T, Failure>,
    ) -> Result<T, EvalError> {
        let input = Value::from_json_str(input).map_err(|error| EvalError::Policy(error.to_string()))?;
        let mut engine = match self.running.take() {
            Some(engine) => engine,
            None => self.session.equip(self.prepared.pristine.clone())?,
        };
        engine.set_input(input);
        self.session.open(host);
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut engine)));
        if let Some(failure) = self.session.close() {
            return Err(failure);
        }
        match outcome {
            Ok(Ok(value)) => {
                drop(engine.take_prints());
                self.running = Some(engine);
                Ok(value)
            }
            Ok(Err(failure)) => Err(failure.into()),
            Err(_) => Err(EvalError::Policy("the interpreter panicked".to_owned())),
        }
    }
}

/// A failure inside the interpreter, as text: its error type does not leave this file.
enum Failure {
    Policy(String),
    TooLong(String),
}

impl Failure {
    fn of(error: impl AsRef<dyn std::error::Error + Send + Sync> + std::fmt::Display) -> Self {
        let text = shorten(error.to_string());
        // Inside a function the interpreter turns its limit errors into text.
        let limit = error.as_ref().downcast_ref::<LimitError>().is_some();
        if limit || text.contains("execution exceeded time limit") {
            Self::TooLong(text)
        } else {
            Self::Policy(text)
        }
    }
}

impl From<Failure> for EvalError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Policy(text) => Self::Policy(text),
            Failure::TooLong(text) => Self::Exceeded(text),
        }
    }
}

fn observe(
    engine: &mut regorus::Engine,
    prepared: &Prepared,
    session: &Session,
) -> Result<(Value, Explanation), Failure> {
    engine.set_enable_coverage(true);
    let value = engine.eval_rule(prepared.entry.clone()).map_err(Failure::of)?;
    let lines = lines(engine);
    engine.set_enable_coverage(false);
    let mut prints = engine.take_prints().unwrap_or_default();
    prints.truncate(Explanation::PRINTS_MAX);
    let prints = prints.into_iter().map(shorten).collect();
    if session.has_failed() {
        return Ok((value, Explanation { rules: Vec::new(), bodies: Vec::new(), lines, prints }));
    }
    // What the decision did not need may ask what it did not ask: that fails alone.
    let outcomes = prepared.facts.rules.iter().map(|rule| {
        let outcome = outcome(engine, &prepared.facts, rule);
        drop(session.take_failure());
        outcome
    });
    let rules = outcomes.collect();
    let bodies = conditions::examine(engine, prepared, session);
    Ok((value, Explanation { rules, bodies, lines, prints }))
}

fn outcome(engine: &mut regorus::Engine, facts: &Facts, rule: &RuleSpan) -> RuleOutcome {
    let RuleSpan { name, line } = rule.clone();
    let value = engine.eval_rule(format!("data.{}.{name}", facts.package));
    let value = value.ok().filter(|value| *value != Value::Undefined).map(|value| shown(&value));
    RuleOutcome { name, line, value }
}

fn shown(value: &Value) -> serde_json::Value {
    let text = value.to_json_str().unwrap_or_default();
    if text.len() > SHOWN_BYTES_MAX {
        return serde_json::Value::String(format!("({} bytes)", text.len()));
    }
    serde_json::from_str(&text).unwrap_or(serde_json::Value::Null)
}

fn lines(engine: &regorus::Engine) -> Vec<SourceLine> {
    let report = engine.get_coverage_report().unwrap_or_default();
    let Some(file) = report.files.first() else { return Vec::new() };
    let known = |number: u32| file.covered.contains(&number) || file.not_covered.contains(&number);
    let numbered = (1..).zip(file.code.lines());
    numbered
        .filter(|(number, _)| known(*number))
        .map(|(number, text)| SourceLine {
            number,
            text: text.to_owned(),
            reached: file.covered.contains(&number),
        })
        .collect()
}

/// Cuts a message to what is worth passing on.
fn shorten(mut text: String) -> String {
    if text.len() > MESSAGE_BYTES_MAX {
        let end = (0..=MESSAGE_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
