//! What is learnt from a module, and what is refused.

use std::time::Duration;

use super::*;
use crate::engine::Prepared;
use crate::{Input, PolicySource};

fn check_module(module: &str) -> Result<Facts, Refused> {
    let digest = gossamer_oci::Digest::sha256(module.as_bytes());
    let source = PolicySource::parse(digest, module, "").unwrap();
    Prepared::new(&source, Duration::from_secs(1)).map(|prepared| prepared.facts().clone())
}

fn router(rules: &str) -> Result<Facts, Refused> {
    check_module(&format!("package router\nimport rego.v1\n{rules}"))
}

fn input() -> Input {
    let mut input = Input::new("GET", "/p");
    input.set_headers([("a", "1"), ("b", "2")]);
    input.query.insert("q".to_owned(), vec!["x".to_owned()]);
    input
}

fn shown(rules: &str) -> String {
    router(rules).unwrap().reads.project(&input())
}

#[test]
fn a_policy_is_shown_what_it_reads() {
    let whole = serde_json::json!({
        "accept": [], "headers": {"a": "1", "b": "2"}, "host": "", "method": "GET", "path": "/p", "principal": "",
        "query": {"q": ["x"]}
    })
    .to_string();
    let rows = [
        ("output := {}", "{}"),
        ("output := {\"x\": input.path}", r#"{"path":"/p"}"#),
        ("output := {\"x\": input[\"path\"], \"y\": input.method}", r#"{"method":"GET","path":"/p"}"#),
        ("output := {\"x\": input.headers.a}", r#"{"headers":{"a":"1"}}"#),
        ("output := {\"x\": input.headers[\"b\"], \"y\": input.headers.c}", r#"{"headers":{"b":"2"}}"#),
        ("output := {\"x\": input.headers}", r#"{"headers":{"a":"1","b":"2"}}"#),
        ("output := {\"x\": input.headers.a, \"y\": input.headers[_]}", r#"{"headers":{"a":"1","b":"2"}}"#),
        ("output := {\"x\": input.query.q[0]}", r#"{"query":{"q":["x"]}}"#),
        ("output := {\"x\": input.nothing}", "{}"),
        ("output := {\"x\": input.media_type}", "{}"),
        ("output := {\"x\": input}", &whole),
        ("output := {\"x\": input[input.path]}", &whole),
        ("output := {k: v | some k, v in input}", &whole),
        ("output := {\"x\": f(input)}\nf(x) := x.path", &whole),
        ("output := {\"x\": g} if { some key in [\"path\"]; g := input[key] }", &whole),
    ];
    for (rules, expected) in rows {
        assert_eq!(shown(rules), expected, "{rules}");
    }
}

#[test]
fn imported_input_is_read() {
    let facts = check_module("package router\nimport input.path as p\noutput := {\"x\": p}").unwrap();
    assert_eq!(facts.reads.project(&input()), r#"{"path":"/p"}"#);
    let facts = check_module("package router\nimport input as i\noutput := {\"x\": i.path}").unwrap();
    assert_eq!(facts.reads, Reads::everything());
}

#[test]
fn a_call_of_the_body_is_noticed() {
    assert!(!router("output := {}").unwrap().reads_body);
    assert!(router("output := {\"x\": f(1)}\nf(_) := request.body().x").unwrap().reads_body);
}

#[test]
fn rules_that_only_look_recursive_are_taken() {
    let rules = [
        "output := {\"x\": a.b}\na.b := a.c\na.c := 1",
        "output := {\"x\": f(g(1))}\nf(x) := x + 1\ng(x) := x + 2",
        "output := {\"x\": y}\ny := f(1)\nf(x) := x\nx := y",
        "output := {\"x\": f(1)}\nf(output) := output",
        "output := {\"x\": data.other.output}",
        "output := {\"x\": input.output}",
        "output := {\"output\": obj.output}\nobj := {\"output\": 1}",
    ];
    for rules in rules {
        assert!(router(rules).is_ok(), "{rules}: {:?}", router(rules));
    }
}

#[test]
fn recursion_is_told_with_its_path() {
    let refused = router("output := {\"x\": a}\na := b(1)\nb(x) := c(x)\nc(x) := b(x)").unwrap_err();
    let text = refused.to_string();
    assert!(text.starts_with("rego_recursion_error: rule data.router."), "{text}");
    assert!(
        text.contains("data.router.b -> data.router.c -> data.router.b")
            || text.contains("c -> data.router.b -> data.router.c"),
        "{text}"
    );
}

#[test]
fn the_longest_chain_of_rules_is_known() {
    let depth = |rules: &str| router(rules).unwrap().depth;
    assert_eq!(depth("output := {}"), 1);
    assert_eq!(depth("output := {\"x\": a, \"y\": c}\na := b\nb := c\nc := 1"), 4);
    assert_eq!(depth("c := 1\nb := c\na := b\nz := a\noutput := {\"x\": c}"), 4);
}

#[test]
fn recursion_hides_nowhere() {
    let rules = [
        "output := output",
        "output := {\"x\": f(1)}\nf(x) := [f(y) | some y in [x]]",
        "output := {\"x\": f(1)}\nf(x) := 1 if { every y in [x] { f(y) } }",
        "output := {\"x\": f(1)}\nf(x) := 1 if not f(x)",
        "output := {\"x\": f(1)}\nf(x) := y if { y := data[\"router\"].f(x) }",
        "output := {\"x\": f(1)}\nf(x) := g(x)\ndefault g(_) := 1\ng(x) := f(x)",
        "output := {\"x\": s}\ns contains x if { some x in s }",
        "output := {\"x\": o}\no[k] := 1 if { o[k] }",
        "output := {\"x\": data[input.path]}",
        "output := {\"x\": data.router[input.path]}",
    ];
    for rules in rules {
        assert!(router(rules).is_err(), "{rules}");
    }
}

#[test]
fn with_may_replace_input_and_plain_data_only() {
    assert!(router("output := {\"x\": y}\ny if input.path == \"/\" with input.path as \"/\"").is_ok());
    assert!(router("output := {\"x\": y}\ny if data.z == 1 with data.z as 1").is_ok());
    for target in ["count", "f", "data.router.f", "data", "data.router"] {
        let rules = format!("output := {{\"x\": y}}\nf(_) := 1\ny if f([]) == 1 with {target} as 1");
        assert!(router(&rules).is_err(), "{target}");
    }
}

#[test]
fn both_dialects_are_understood() {
    let v0 = "package router\ndefault output = {}\noutput = {\"found\": true} { input.path == \"/\" }";
    let v0_keywords =
        "package router\nimport future.keywords.if\nimport future.keywords.in\noutput = {} if 1 in [1]";
    let v1 = "package router\noutput := {} if 1 in [1]";
    for module in [v0, v0_keywords, v1] {
        assert!(check_module(module).is_ok(), "{module}");
    }
    let refused = check_module("package router\noutput = {").unwrap_err();
    assert!(refused.to_string().contains("as Rego v0"), "{refused}");
}

#[test]
fn odd_imports_are_refused() {
    assert!(check_module("package router\nimport opa.x\noutput := {}").is_err());
}

#[test]
fn a_module_has_a_bounded_number_of_rules() {
    let rules: String = (0..RULES_MAX).map(|number| format!("r{number} := 1\n")).collect();
    assert!(matches!(router(&format!("output := {{}}\n{rules}")), Err(Refused::TooManyRules { .. })));
}

#[test]
fn the_list_of_builtins_is_sorted_and_known_to_the_interpreter() {
    assert!(functions::plain().is_sorted());
    for name in functions::plain() {
        assert!(*name == "print" || regorus::unstable::BUILTINS.contains_key(name), "{name}");
        assert!(functions::is_allowed(name));
    }
}
