//! Static checks of a parsed policy: what is refused before anything runs, and what is learnt on the way.

use std::collections::BTreeSet;

use regorus::unstable::{Expr, Module, Rule};

use crate::Refused;
use crate::engine::functions;
use crate::facts::{Facts, Reads, RuleSpan};

mod literals;
mod names;
mod recursion;
mod syntax;

use names::Names;
use syntax::{Chain, Seen};

/// Most rules in a module. A router has about ten.
const RULES_MAX: usize = 2000;

/// Longest chain of rules that need each other. The interpreter recurses along it, and no stack is endless.
const DEPTH_MAX: usize = 100;

/// Checks `module` and says what is to be known of it.
pub(crate) fn check(module: &Module, data: &serde_json::Value) -> Result<Facts, Refused> {
    if module.policy.len() > RULES_MAX {
        return Err(Refused::TooManyRules { rules: module.policy.len(), max: RULES_MAX });
    }
    let names = Names::of(module)?;
    let mut facts = Facts {
        package: names.package().to_owned(),
        reads: Reads::default(),
        reads_body: false,
        depth: 0,
        rules: rules(module),
        literals: literals::of(module, data),
    };
    for import in &module.imports {
        note_input(&syntax::chain(&import.refr), &mut facts.reads);
    }
    for rule in &module.policy {
        check_rule(rule, &names, &mut facts)?;
    }
    if !names.defines("output") {
        return Err(Refused::NoOutput(facts.entry()));
    }
    facts.depth = recursion::check(module, &names)?;
    if facts.depth > DEPTH_MAX {
        return Err(Refused::TooDeep { depth: facts.depth, max: DEPTH_MAX });
    }
    Ok(facts)
}

fn check_rule(rule: &Rule, names: &Names, facts: &mut Facts) -> Result<(), Refused> {
    let mut refused = None;
    syntax::visit(rule, &mut |seen| {
        let outcome = match seen {
            Seen::Reference(chain) => {
                note_input(&chain, &mut facts.reads);
                Ok(())
            }
            Seen::Call(chain) => check_call(&chain, names, facts),
            Seen::With(chain) => check_with(&chain, names),
            Seen::Local(_) | Seen::Text(_) => Ok(()),
        };
        if let Err(error) = outcome {
            refused.get_or_insert(error);
        }
    });
    refused.map_or(Ok(()), Err)
}

fn note_input(chain: &Chain<'_>, reads: &mut Reads) {
    if chain.root_name() == Some("input") {
        reads.note(chain.literal_steps());
    }
}

fn check_call(chain: &Chain<'_>, names: &Names, facts: &mut Facts) -> Result<(), Refused> {
    let refused = |name: String| Refused::Function { name, line: chain.line() };
    let Some(path) = chain.dotted() else { return Err(refused(chain.text().to_owned())) };
    if names.resolve(chain).is_some_and(|path| names.is_rule(&path)) {
        return Ok(());
    }
    if path == functions::REQUEST_BODY {
        facts.reads_body = true;
    }
    if functions::is_allowed(&path) { Ok(()) } else { Err(refused(path)) }
}

/// `with` may stand in for input and plain data, but not for rules: replaced functions could recurse unseen.
fn check_with(chain: &Chain<'_>, names: &Names) -> Result<(), Refused> {
    let harmless = match chain.root_name() {
        Some("input") => true,
        Some("data") => names.resolve(chain).is_none(),
        Some(_) | None => false,
    };
    if harmless {
        return Ok(());
    }
    let what = format!("`with` may not replace {}", chain.text());
    Err(Refused::Construct { what, line: chain.line() })
}

fn rules(module: &Module) -> Vec<RuleSpan> {
    let mut seen = BTreeSet::new();
    let mut spans = Vec::new();
    for rule in &module.policy {
        let Some(name) = syntax::value_rule(rule) else { continue };
        if seen.insert(name.clone()) {
            spans.push(RuleSpan { name, line: rule.span().line });
        }
    }
    spans
}

/// Path, from `data` on, and line of every rule whose name begins with `test_`.
pub(crate) fn tests_of(module: &Module) -> Vec<(String, u32)> {
    let Some(package) = syntax::chain(&module.package.refr).dotted() else { return Vec::new() };
    let is_test = |name: &str| name.starts_with("test_");
    let tests = rules(module).into_iter().filter(|rule| is_test(&rule.name));
    tests.map(|rule| (format!("data.{package}.{}", rule.name), rule.line)).collect()
}

/// The name of a variable.
fn variable(expr: &Expr) -> Option<&str> {
    if let Expr::Var { span, .. } = expr { Some(span.text()) } else { None }
}

#[cfg(test)]
mod tests;
