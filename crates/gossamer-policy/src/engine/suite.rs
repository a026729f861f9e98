//! Rules named `test_…`, run one by one on an interpreter of their own.

use std::time::Duration;

use regorus::Value;
use regorus::utils::limits::ExecutionTimerConfig;

use super::{CHECK_INTERVAL, Failure, Host, Session, shorten};
use crate::EvalError;
use crate::checks::tests_of;

/// One rule that is a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The index of its module.
    pub(crate) module: usize,
    /// From `data` on, dotted.
    pub(crate) path: String,
    pub(crate) line: u32,
}

/// What one test came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) found: Found,
    /// Whether the rule held; an error if it could not be evaluated.
    pub(crate) held: Result<bool, EvalError>,
    pub(crate) prints: Vec<String>,
}

/// Runs every test of `modules`, each a name and a text, over one data document. Each test has a host of its own.
pub(crate) fn run(
    modules: &[(String, String)],
    data: &serde_json::Value,
    limit: Duration,
    host: impl Fn() -> Box<dyn Host>,
) -> Result<Vec<Ran>, String> {
    let mut pristine = regorus::Engine::new();
    pristine.set_strict_builtin_errors(false);
    pristine.set_gather_prints(true);
    for (name, text) in modules {
        add(&mut pristine, name, text)?;
    }
    pristine.add_data(Value::from(data.clone())).map_err(|error| error.to_string())?;
    pristine.set_execution_timer_config(ExecutionTimerConfig { limit, check_interval: CHECK_INTERVAL });
    let parsed = pristine.get_modules().iter().enumerate();
    let found = parsed.flat_map(|(module, parsed)| {
        tests_of(parsed).into_iter().map(move |(path, line)| Found { module, path, line })
    });
    Ok(found.collect::<Vec<_>>().into_iter().map(|found| one(&pristine, found, host())).collect())
}

fn one(pristine: &regorus::Engine, found: Found, host: Box<dyn Host>) -> Ran {
    let session = Session::default();
    let mut engine = match session.equip(pristine.clone()) {
        Ok(engine) => engine,
        Err(error) => return Ran { found, held: Err(error), prints: Vec::new() },
    };
    session.open(host);
    let value = engine.eval_rule(found.path.clone());
    let held = match session.close() {
        Some(failure) => Err(failure),
        None => {
            value.map(|value| value == Value::Bool(true)).map_err(|error| EvalError::from(Failure::of(error)))
        }
    };
    let prints = engine.take_prints().unwrap_or_default().into_iter().map(shorten).collect();
    Ran { found, held, prints }
}

/// As Rego v1, else as v0, each file for itself.
fn add(engine: &mut regorus::Engine, name: &str, text: &str) -> Result<(), String> {
    engine.set_rego_v0(false);
    let Err(as_v1) = engine.add_policy(name.to_owned(), text.to_owned()) else { return Ok(()) };
    engine.set_rego_v0(true);
    let as_v0 = engine.add_policy(name.to_owned(), text.to_owned());
    as_v0
        .map(drop)
        .map_err(|as_v0| shorten(format!("{name} is not Rego: as Rego v1: {as_v1}; as Rego v0: {as_v0}")))
}
