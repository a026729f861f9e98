//! The texts in a policy: what it compares paths with.

use std::collections::BTreeSet;

use regorus::unstable::Module;

use super::syntax::{self, Seen};

/// Texts that are kept. A router has a dozen patterns.
const LITERALS_MAX: usize = 128;

/// Longer texts are no paths and no patterns of paths, in bytes.
const LITERAL_BYTES_MAX: usize = 256;

/// Texts that could be paths or patterns of paths, in order.
pub(super) fn of(module: &Module, data: &serde_json::Value) -> Vec<String> {
    let mut literals = BTreeSet::new();
    for rule in &module.policy {
        syntax::visit(rule, &mut |seen| {
            if let Seen::Text(text) = seen {
                note(text, &mut literals);
            }
        });
    }
    walk(data, &mut literals);
    literals.into_iter().collect()
}

fn note(text: &str, literals: &mut BTreeSet<String>) {
    if literals.len() < LITERALS_MAX && text.len() <= LITERAL_BYTES_MAX && text.contains('/') {
        literals.insert(text.to_owned());
    }
}

/// Documents nest at most as deep as the JSON parser lets them: 128.
fn walk(value: &serde_json::Value, literals: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::String(text) => note(text, literals),
        serde_json::Value::Array(items) => items.iter().for_each(|item| walk(item, literals)),
        serde_json::Value::Object(fields) => fields.values().for_each(|field| walk(field, literals)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}
