//! The matchers answer as the interpreter's own do, whatever they are asked.

use super::*;

fn interpreter(expression: &str) -> Value {
    let mut engine = regorus::Engine::new();
    engine.set_strict_builtin_errors(false);
    let found = engine.eval_query(expression.to_owned(), false).unwrap();
    let first = found.result.first().and_then(|result| result.expressions.first());
    first.map_or(Value::Undefined, |expression| expression.value.clone())
}

#[test]
fn every_answer_is_the_interpreters() {
    let patterns = ["a", "^a+$", "(a)(b)?", "", "[", "(?i)A", r"\d+", "^/(x|y)/([^/]+)$"];
    let texts = ["", "a", "aab", "ba", "12 345", "/x/name", "ä"];
    let mut kept = Patterns::default();
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    for (pattern, text) in patterns.into_iter().flat_map(|pattern| texts.map(|text| (pattern, text))) {
        let call = format!("regex.match({}, {})", quoted(pattern), quoted(text));
        let ours = is_match(&mut kept, &[Value::from(pattern), Value::from(text)]).unwrap();
        assert_eq!(ours, interpreter(&call), "{call}");
        for most in ["-1", "0", "1", "2", "1.5", "\"1\""] {
            let call =
                format!("regex.find_all_string_submatch_n({}, {}, {most})", quoted(pattern), quoted(text));
            let arguments = [Value::from(pattern), Value::from(text), Value::from_json_str(most).unwrap()];
            let ours = find_all_string_submatch_n(&mut kept, &arguments).unwrap();
            assert_eq!(ours, interpreter(&call), "{call}");
        }
    }
}

#[test]
fn a_policy_that_makes_up_expressions_keeps_few_of_them() {
    let mut kept = Patterns::default();
    for number in 0..10 * KEPT_MAX {
        let pattern: Arc<str> = format!("^{number}$").into();
        assert!(kept.get(&pattern).unwrap().unwrap().is_match(&number.to_string()));
        assert!(kept.0.len() <= KEPT_MAX);
    }
}

#[test]
fn an_expression_that_is_far_too_large_ends_the_evaluation() {
    let pattern = Value::from("(a{1,1000}){1,1000}");
    let outcome = is_match(&mut Patterns::default(), &[pattern, Value::from("a")]);
    assert!(matches!(outcome, Err(EvalError::Exceeded(_))));
}
