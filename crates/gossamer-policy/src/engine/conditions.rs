//! The first condition of each rule body that did not hold, found by evaluating longer and longer beginnings of it.
//!
//! Functions are left out: what their parameters were is not known afterwards.

#[cfg(test)]
mod tests;
mod text;

use regorus::Value;
use regorus::unstable::{Module, Rule, RuleAssign, RuleBody, RuleHead};

use super::host::Session;
use super::{Prepared, shorten};
use crate::{BodyOutcome, BodyVerdict};

/// Most bodies that are looked at: each costs the analysis of a module. Ten times what a router has.
const BODIES_MAX: usize = 100;

/// Most conditions of one body that are told apart.
const CONDITIONS_MAX: usize = 50;

/// Longest text of a condition that is shown, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// What the rules are called that stand for the beginnings of a body.
const PROBE: &str = "gossamer_probe";

/// One condition of a body, or the value behind them all.
struct Condition<'a> {
    line: u32,
    text: &'a str,
    is_value: bool,
}

/// Looks at every body of every rule that is not a function, in the order of the module.
pub(super) fn examine(
    engine: &mut regorus::Engine,
    prepared: &Prepared,
    session: &Session,
) -> Vec<BodyOutcome> {
    let Some(module) = engine.get_modules().first().cloned() else { return Vec::new() };
    let prober = Prober { engine, prepared, session, module: &module };
    let mut outcomes = Vec::new();
    for rule in &module.policy {
        if let Rule::Spec { head: RuleHead::Compr { refr, assign, .. }, bodies, .. } = rule.as_ref() {
            prober.rule(refr.span().text(), assign.as_ref(), bodies, &mut outcomes);
        } else if let Rule::Spec { head: RuleHead::Set { refr, .. }, bodies, .. } = rule.as_ref() {
            prober.rule(refr.span().text(), None, bodies, &mut outcomes);
        }
        if outcomes.len() >= BODIES_MAX {
            break;
        }
    }
    outcomes
}

struct Prober<'a> {
    engine: &'a regorus::Engine,
    prepared: &'a Prepared,
    session: &'a Session,
    module: &'a Module,
}

// === impl Prober ===

impl Prober<'_> {
    fn rule(
        &self,
        name: &str,
        assign: Option<&RuleAssign>,
        bodies: &[RuleBody],
        outcomes: &mut Vec<BodyOutcome>,
    ) {
        let mut held = None;
        for body in bodies {
            let line = body.span.line;
            let verdict = match held {
                Some(line) if body.is_else => BodyVerdict::NotReached { held: line },
                Some(_) | None => self.body(body, body.assign.as_ref().or(assign.filter(|_| !body.is_else))),
            };
            if verdict == BodyVerdict::Held {
                held = Some(line);
            }
            outcomes.push(BodyOutcome { rule: name.to_owned(), line, verdict });
        }
    }

    fn body(&self, body: &RuleBody, assign: Option<&RuleAssign>) -> BodyVerdict {
        let conditions = conditions(body, assign);
        let mut engine = self.engine.clone();
        let probes = probes(self.module, self.prepared.v0, &conditions);
        if let Err(error) = engine.add_policy("probes.rego".to_owned(), probes) {
            return BodyVerdict::Unknown { because: shorten(error.to_string()) };
        }
        for (number, condition) in (1..).zip(&conditions) {
            let path = format!("data.{}.{PROBE}_{number}", self.prepared.facts.package);
            let value = engine.eval_rule(path);
            if let Some(failure) = self.session.take_failure() {
                return BodyVerdict::Unknown { because: shorten(failure.to_string()) };
            }
            match value {
                Ok(Value::Undefined) => {
                    return BodyVerdict::Failed { line: condition.line, condition: shown(condition) };
                }
                Ok(_) => {}
                Err(error) => return BodyVerdict::Unknown { because: shorten(error.to_string()) },
            }
        }
        BodyVerdict::Held
    }
}

fn conditions<'a>(body: &'a RuleBody, assign: Option<&'a RuleAssign>) -> Vec<Condition<'a>> {
    let statements = body.query.stmts.iter().take(CONDITIONS_MAX).map(|statement| Condition {
        line: statement.span.line,
        text: text::whole(&statement.span),
        is_value: false,
    });
    let value = assign.map(|assign| Condition {
        line: assign.span.line,
        text: text::whole(&assign.span).trim_start_matches([':', '=']).trim_start(),
        is_value: true,
    });
    statements.chain(value).collect()
}

/// A module of the same package with one rule for each beginning of the body.
fn probes(module: &Module, v0: bool, conditions: &[Condition<'_>]) -> String {
    let mut text = format!("package {}\n", module.package.refr.span().text());
    for import in &module.imports {
        let alias = import.r#as.as_ref().map(|name| format!(" as {}", name.text()));
        text.push_str(&format!("import {}{}\n", import.refr.span().text(), alias.unwrap_or_default()));
    }
    let opening = if v0 { "{" } else { "if {" };
    for end in 1..=conditions.len() {
        text.push_str(&format!("{PROBE}_{end} {opening}\n"));
        for Condition { text: condition, is_value, .. } in conditions.iter().take(end) {
            let name = if *is_value { "gossamer_value := " } else { "" };
            text.push_str(&format!("{name}{condition}\n"));
        }
        text.push_str("}\n");
    }
    text
}

fn shown(condition: &Condition<'_>) -> String {
    let mut text = condition.text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    if condition.is_value { format!("the value {text}") } else { text }
}
