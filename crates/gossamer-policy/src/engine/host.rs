//! What a running policy reaches outside itself, and how the interpreter's functions get there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use regorus::Value;

use super::functions::{self, Function};
use super::growth;
use super::patterns::{self, Matcher, Patterns};
use crate::{Answer, EvalError, Lookup};

/// Who answers while a policy runs.
pub(crate) trait Host: Send {
    fn lookup(&mut self, lookup: &Lookup) -> Result<Answer, EvalError>;
    /// The body as text; none if it is absent or empty.
    fn body(&mut self) -> Result<Option<String>, EvalError>;
}

/// The evaluation that is under way. The functions of one engine share it.
#[derive(Clone, Default)]
pub(super) struct Session {
    state: Arc<Mutex<State>>,
    /// Kept from one evaluation to the next.
    patterns: Arc<Mutex<Patterns>>,
}

#[derive(Default)]
struct State {
    host: Option<Box<dyn Host>>,
    /// What a function could not do. It ends the evaluation, whatever the interpreter makes of the error.
    failure: Option<EvalError>,
    /// Bytes that growing functions may still make.
    growth_left: usize,
}

// === impl Session ===

impl Session {
    /// Gives an engine all functions of ours. Those that bear a builtin's name win over the builtin.
    pub(super) fn equip(&self, mut engine: regorus::Engine) -> Result<regorus::Engine, EvalError> {
        let unusable =
            |error: String| EvalError::Policy(format!("the engine refuses our functions: {error}"));
        for &(name, arguments, function) in functions::OURS {
            let session = self.clone();
            let call = move |values: Vec<Value>| Ok(session.call(function, &values)?);
            engine
                .add_extension(name.to_owned(), arguments, Box::new(call))
                .map_err(|error| unusable(error.to_string()))?;
        }
        let originals = growth::Originals::new()?;
        for &(name, arguments, estimate) in growth::BOUNDED {
            let (session, originals) = (self.clone(), originals.clone());
            let call = move |values: Vec<Value>| Ok(session.grow(name, estimate, &originals, &values)?);
            engine
                .add_extension(name.to_owned(), arguments, Box::new(call))
                .map_err(|error| unusable(error.to_string()))?;
        }
        for &(name, arguments, matcher) in patterns::MATCHERS {
            let session = self.clone();
            let call = move |values: Vec<Value>| Ok(session.find(matcher, &values)?);
            engine
                .add_extension(name.to_owned(), arguments, Box::new(call))
                .map_err(|error| unusable(error.to_string()))?;
        }
        Ok(engine)
    }

    pub(super) fn open(&self, host: Box<dyn Host>) {
        *self.state() = State { host: Some(host), failure: None, growth_left: growth::EVALUATION_BYTES_MAX };
    }

    /// Lets go of the host; the failure, if there was one.
    pub(super) fn close(&self) -> Option<EvalError> {
        std::mem::take(&mut *self.state()).failure
    }

    /// Whether some function could not do what it was asked.
    pub(super) fn has_failed(&self) -> bool {
        self.state().failure.is_some()
    }

    /// Forgets the failure, so that the evaluation goes on; what it was, if there was one.
    pub(super) fn take_failure(&self) -> Option<EvalError> {
        self.state().failure.take()
    }

    fn call(&self, function: Function, arguments: &[Value]) -> Result<Value, EvalError> {
        let mut state = self.state();
        let Some(host) = state.host.as_mut() else {
            return Err(EvalError::Policy("no evaluation is under way".to_owned()));
        };
        let outcome = function(host.as_mut(), arguments);
        state.noted(outcome)
    }

    fn grow(
        &self,
        name: &str,
        estimate: growth::Estimate,
        originals: &growth::Originals,
        arguments: &[Value],
    ) -> Result<Value, EvalError> {
        let mut state = self.state();
        let Some(bytes) = estimate(arguments) else { return Ok(Value::Undefined) };
        let outcome = if bytes > growth::CALL_BYTES_MAX || bytes > state.growth_left {
            Err(EvalError::Exceeded(format!("{name} would make about {bytes} bytes")))
        } else {
            state.growth_left -= bytes;
            Ok(originals.call(name, arguments))
        };
        state.noted(outcome)
    }

    fn find(&self, matcher: Matcher, arguments: &[Value]) -> Result<Value, EvalError> {
        let outcome = matcher(&mut self.patterns.lock().unwrap_or_else(PoisonError::into_inner), arguments);
        if outcome.is_err() { self.state().noted(outcome) } else { outcome }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn noted(&mut self, outcome: Result<Value, EvalError>) -> Result<Value, EvalError> {
        if let Err(error) = &outcome {
            self.failure.get_or_insert_with(|| error.clone());
        }
        outcome
    }
}
