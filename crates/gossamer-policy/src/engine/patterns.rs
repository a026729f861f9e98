//! Regular expressions, compiled once per engine and matched by one thread at a time.
//!
//! The interpreter keeps its own in one cache behind one lock, and takes a copy for each use: a copy starts with an
//! empty automaton, which costs more than the match, and its counters are shared by all threads.

use std::collections::HashMap;
use std::sync::Arc;

use regex::{Captures, Error, Regex, RegexBuilder};
use regorus::Value;

use crate::EvalError;

/// Most expressions that an engine keeps. A router has a handful; one that makes them up is no faster for keeping them.
const KEPT_MAX: usize = 32;

/// Largest compiled expression, in bytes: what the interpreter allows.
const SIZE_MAX: usize = 100 * 1024;

/// Most memory of one expression's automaton, in bytes: with all that are kept, 4 MiB for an engine.
const AUTOMATON_BYTES_MAX: usize = 128 * 1024;

/// Texts that are expressions, and those that are none.
#[derive(Default)]
pub(super) struct Patterns(HashMap<Arc<str>, Option<Regex>>);

/// A wrong argument is undefined, as with any builtin.
pub(super) type Matcher = fn(&mut Patterns, &[Value]) -> Result<Value, EvalError>;

/// Name, number of arguments, function: the builtins by which routers read paths.
pub(super) const MATCHERS: &[(&str, u8, Matcher)] =
    &[("regex.find_all_string_submatch_n", 3, find_all_string_submatch_n), ("regex.match", 2, is_match)];

// === impl Patterns ===

impl Patterns {
    /// None for a text that is no expression.
    fn get(&mut self, pattern: &Arc<str>) -> Result<Option<&Regex>, EvalError> {
        if !self.0.contains_key(pattern) {
            let compiled = compile(pattern)?;
            if self.0.len() >= KEPT_MAX {
                self.0.clear();
            }
            self.0.insert(Arc::clone(pattern), compiled);
        }
        Ok(self.0.get(pattern).and_then(Option::as_ref))
    }
}

fn compile(pattern: &str) -> Result<Option<Regex>, EvalError> {
    let mut builder = RegexBuilder::new(pattern);
    match builder.size_limit(SIZE_MAX).dfa_size_limit(AUTOMATON_BYTES_MAX).build() {
        Ok(compiled) => Ok(Some(compiled)),
        Err(Error::CompiledTooBig(_)) => {
            Err(EvalError::Exceeded(format!("a regular expression of more than {SIZE_MAX} bytes, compiled")))
        }
        Err(_) => Ok(None),
    }
}

/// `regex.match(pattern, text)`
fn is_match(patterns: &mut Patterns, arguments: &[Value]) -> Result<Value, EvalError> {
    let [Value::String(pattern), Value::String(text)] = arguments else { return Ok(Value::Undefined) };
    let compiled = patterns.get(pattern)?;
    Ok(compiled.map_or(Value::Undefined, |compiled| Value::Bool(compiled.is_match(text))))
}

/// `regex.find_all_string_submatch_n(pattern, text, n)`: at most `n` matches with their groups, all if it is negative.
fn find_all_string_submatch_n(patterns: &mut Patterns, arguments: &[Value]) -> Result<Value, EvalError> {
    let [Value::String(pattern), Value::String(text), Value::Number(most)] = arguments else {
        return Ok(Value::Undefined);
    };
    if !most.is_integer() {
        return Ok(Value::Undefined);
    }
    let most = most.as_i64().and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let Some(compiled) = patterns.get(pattern)? else { return Ok(Value::Undefined) };
    Ok(Value::from(compiled.captures_iter(text).take(most).map(|found| groups(&found)).collect::<Vec<_>>()))
}

/// A group that took no part is empty.
fn groups(found: &Captures<'_>) -> Value {
    let texts = found.iter().map(|group| group.map_or("", |group| group.as_str()));
    Value::from(texts.map(Value::from).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
