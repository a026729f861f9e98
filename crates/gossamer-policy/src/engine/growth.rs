//! Builtins whose output can be far larger than their input, behind an estimate of what they would make.
//!
//! `numbers.range(1, 3e8)` alone would take gigabytes before the interpreter looks at any limit.

use std::sync::Arc;

use regorus::Value;
use regorus::unstable::{BUILTINS, Expr, Ref, Source, Span};

use crate::EvalError;

/// Most that one call may make, in bytes.
pub(super) const CALL_BYTES_MAX: usize = 1024 * 1024;

/// Most that all such calls of one evaluation may make, in bytes.
pub(super) const EVALUATION_BYTES_MAX: usize = 8 * 1024 * 1024;

/// About what one element of an array costs, in bytes.
const ELEMENT_BYTES: usize = 32;

/// Most digits of a width in a format: 999 columns are enough for everybody, and wider ones overflow the builtin.
const WIDTH_DIGITS_MAX: usize = 3;

/// Largest left shift, in bits.
const SHIFT_BITS_MAX: i64 = 4096;

/// Most arguments that a builtin of the list takes.
const ARGUMENTS_MAX: usize = 3;

/// An upper bound for the bytes that a call makes; none if the call is undefined.
pub(super) type Estimate = fn(&[Value]) -> Option<usize>;

/// Name, number of arguments, estimate.
pub(super) const BOUNDED: &[(&str, u8, Estimate)] = &[
    ("array.concat", 2, array_concat),
    ("bits.lsh", 2, shift),
    ("concat", 2, concat),
    ("numbers.range", 2, range),
    ("numbers.range_step", 3, range_step),
    ("regex.replace", 3, regex_replace),
    ("replace", 3, replace),
    ("split", 2, split),
    ("sprintf", 2, sprintf),
    ("strings.replace_n", 2, replace_n),
];

/// The interpreter's own versions, called once the estimate is fine.
#[derive(Clone)]
pub(super) struct Originals {
    span: Span,
    /// Builtins quote their parameters in messages. Nobody sees these.
    parameters: Arc<[Ref<Expr>]>,
}

// === impl Originals ===

impl Originals {
    pub(super) fn new() -> Result<Self, EvalError> {
        let source = Source::from_contents("builtin".to_owned(), "_".to_owned());
        let source = source.map_err(|error| EvalError::Policy(error.to_string()))?;
        let span = Span { source, line: 1, col: 1, start: 0, end: 1 };
        let parameter = || Ref::new(Expr::Null { span: span.clone(), value: Value::Null, eidx: 0 });
        let parameters = (0..ARGUMENTS_MAX).map(|_| parameter()).collect();
        Ok(Self { span, parameters })
    }

    /// An error of a builtin is undefined, as it is for all others.
    pub(super) fn call(&self, name: &str, arguments: &[Value]) -> Value {
        let Some((function, _)) = BUILTINS.get(name) else { return Value::Undefined };
        let parameters = self.parameters.get(..arguments.len()).unwrap_or_default();
        function(&self.span, parameters, arguments, false).unwrap_or(Value::Undefined)
    }
}

// === estimates ===

fn array_concat(arguments: &[Value]) -> Option<usize> {
    let [Value::Array(left), Value::Array(right)] = arguments else { return None };
    Some(left.iter().count().saturating_add(right.iter().count()).saturating_mul(ELEMENT_BYTES))
}

fn shift(arguments: &[Value]) -> Option<usize> {
    let [number, by] = arguments else { return None };
    let by = by.as_i64().ok().filter(|by| (0..=SHIFT_BITS_MAX).contains(by))?;
    Some(printed(number).saturating_add(usize::try_from(by).ok()? / 8))
}

fn concat(arguments: &[Value]) -> Option<usize> {
    let [Value::String(delimiter), collection] = arguments else { return None };
    let (mut bytes, mut pieces) = (0usize, 0usize);
    for element in elements(collection)? {
        bytes = bytes.saturating_add(element.as_string().ok()?.len());
        pieces += 1;
    }
    Some(bytes.saturating_add(delimiter.len().saturating_mul(pieces)))
}

fn range(arguments: &[Value]) -> Option<usize> {
    let [from, to] = arguments else { return None };
    steps(from, to, 1)
}

fn range_step(arguments: &[Value]) -> Option<usize> {
    let [from, to, step] = arguments else { return None };
    steps(from, to, step.as_i64().ok().filter(|step| *step > 0)?)
}

fn steps(from: &Value, to: &Value, step: i64) -> Option<usize> {
    let (from, to) = (i128::from(from.as_i64().ok()?), i128::from(to.as_i64().ok()?));
    let steps = (to - from).unsigned_abs() / u128::from(step.unsigned_abs().max(1));
    Some(usize::try_from(steps).unwrap_or(usize::MAX).saturating_add(1).saturating_mul(ELEMENT_BYTES))
}

/// Every match makes at most the template and, per `$`, a part of the text that no other match has.
fn regex_replace(arguments: &[Value]) -> Option<usize> {
    let [Value::String(text), Value::String(_), Value::String(template)] = arguments else { return None };
    let groups = template.matches('$').count();
    let literal = text.len().saturating_add(1).saturating_mul(template.len());
    Some(text.len().saturating_add(literal).saturating_add(text.len().saturating_mul(groups)))
}

fn replace(arguments: &[Value]) -> Option<usize> {
    let [Value::String(text), Value::String(old), Value::String(new)] = arguments else { return None };
    Some(replaced(text.len(), text.matches(&**old).count(), new.len()))
}

/// The pairs are applied one after the other, so that the bounds multiply.
fn replace_n(arguments: &[Value]) -> Option<usize> {
    let [Value::Object(pairs), Value::String(text)] = arguments else { return None };
    let mut bytes = text.len();
    for (old, new) in pairs.iter() {
        let (old, new) = (old.as_string().ok()?, new.as_string().ok()?);
        let matches = if old.is_empty() { bytes.saturating_add(1) } else { bytes / old.len() };
        bytes = if new.len() <= old.len() { bytes } else { replaced(bytes, matches, new.len()) };
    }
    Some(bytes)
}

fn replaced(bytes: usize, matches: usize, new: usize) -> usize {
    bytes.saturating_add(matches.saturating_mul(new))
}

fn split(arguments: &[Value]) -> Option<usize> {
    let [Value::String(text), Value::String(delimiter)] = arguments else { return None };
    let pieces = text.matches(&**delimiter).count().saturating_add(1);
    Some(text.len().saturating_add(pieces.saturating_mul(ELEMENT_BYTES)))
}

/// The format, every width in it, and every argument printed once.
fn sprintf(arguments: &[Value]) -> Option<usize> {
    let [Value::String(format), values] = arguments else { return None };
    let values = elements(values)?.fold(0usize, |sum, value| sum.saturating_add(printed(value)));
    let widths = widths(format)?;
    Some(format.len().saturating_add(widths).saturating_add(values))
}

/// The sum of all widths and precisions. Undefined for digits that are not ASCII, which the builtin cannot read.
fn widths(format: &str) -> Option<usize> {
    let mut sum = 0usize;
    let mut rest = format;
    while let Some((_, after)) = rest.split_once('%') {
        if let Some(escaped) = after.strip_prefix('%') {
            rest = escaped;
            continue;
        }
        let spec = after.strip_prefix('.').unwrap_or(after);
        let digits: String = spec.chars().take_while(|c| c.is_numeric()).collect();
        if !digits.is_ascii() {
            return None;
        }
        let width = if digits.len() > WIDTH_DIGITS_MAX { usize::MAX } else { digits.parse().unwrap_or(0) };
        sum = sum.saturating_add(width);
        rest = spec.get(digits.len()..).unwrap_or_default();
    }
    Some(sum)
}

/// An upper bound for the length of a value in print.
fn printed(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Undefined => 10,
        Value::Number(_) => value.to_string().len(),
        // Quoted inside a collection: six bytes at most for one.
        Value::String(text) => text.len().saturating_mul(6).saturating_add(2),
        Value::Array(items) => items.iter().fold(2, |sum: usize, item| sum.saturating_add(printed(item) + 2)),
        Value::Set(items) => items.iter().fold(2, |sum: usize, item| sum.saturating_add(printed(item) + 2)),
        Value::Object(fields) => fields.iter().fold(2, |sum: usize, (key, value)| {
            sum.saturating_add(printed(key)).saturating_add(printed(value) + 4)
        }),
    }
}

fn elements(value: &Value) -> Option<Box<dyn Iterator<Item = &Value> + '_>> {
    match value {
        Value::Array(items) => Some(Box::new(items.iter())),
        Value::Set(items) => Some(Box::new(items.iter())),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)
        | Value::Undefined => None,
    }
}
