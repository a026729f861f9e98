//! The condition that is named is the first one that failed, in both versions of the language.

use std::sync::Arc;
use std::time::Duration;

use gossamer_oci::Digest;

use crate::engine::{Engine, Prepared};
use crate::recorder::{Recorded, Recorder};
use crate::{Body, BodyOutcome, BodyVerdict, PolicySource};

fn bodies(module: &str, input: &str) -> Vec<BodyOutcome> {
    let source = PolicySource::parse(Digest::sha256(module.as_bytes()), module, "{\"n\": 3}").unwrap();
    let prepared = Prepared::new(&source, Duration::from_secs(10)).unwrap();
    let host = Recorder::new(Arc::new(Recorded(Arc::new([]))), Body::Absent);
    let (_, explanation) = Engine::new(Arc::new(prepared)).evaluate(input, Box::new(host), true).unwrap();
    explanation.unwrap().bodies
}

fn failed(line: u32, condition: &str) -> BodyVerdict {
    BodyVerdict::Failed { line, condition: condition.to_owned() }
}

const V1: &str = r#"package router
import rego.v1
default output := {"found": false}
output := {"found": true, "repository": name} if {
	input.method == "GET"
	name := segments[1]
	startswith(name, "r")
} else := {"found": true} if {
	some word in segments # any will do
	word == "api"
} else := {"found": true, "repository": data.absent} if input.method == "PUT"
segments := split(input.path, "/")
twice(x) := x * 2 if x > data.n
"#;

#[test]
fn each_body_names_the_first_condition_that_failed() {
    let said = bodies(V1, r#"{"method": "GET", "path": "/x/y"}"#);
    let said: Vec<_> = said.iter().map(|body| (body.rule.as_str(), body.line, &body.verdict)).collect();
    assert_eq!(
        said,
        [
            ("output", 4, &failed(7, "startswith(name, \"r\")")),
            ("output", 8, &failed(10, "word == \"api\"")),
            ("output", 11, &failed(11, "input.method == \"PUT\"")),
        ]
    );
}

#[test]
fn a_body_behind_one_that_held_is_not_reached() {
    let said = bodies(V1, r#"{"method": "GET", "path": "/r"}"#);
    assert_eq!(said[0].verdict, BodyVerdict::Held);
    assert_eq!(said[1].verdict, BodyVerdict::NotReached { held: 4 });
    assert_eq!(said[2].verdict, BodyVerdict::NotReached { held: 4 });
}

#[test]
fn a_value_that_is_undefined_counts_as_a_condition() {
    let said = bodies(V1, r#"{"method": "PUT", "path": "/r"}"#);
    let value = r#"the value {"found": true, "repository": data.absent}"#;
    assert_eq!(said[2].verdict, failed(11, value));
}

#[test]
fn rego_v0_is_probed_as_rego_v0() {
    let module = r#"package router
import future.keywords.in
default output = {"found": false}
output = obj {
    input.method in ["GET", "HEAD"]
    obj := {"found": true}
} else = obj {
    input.method == "POST"
    not startswith(input.path, "/a")
    obj := {"found": true}
}
"#;
    let said = bodies(module, r#"{"method": "POST", "path": "/a"}"#);
    assert_eq!(said[0].verdict, failed(5, "input.method in [\"GET\", \"HEAD\"]"));
    assert_eq!(said[1].verdict, failed(9, "not startswith(input.path, \"/a\")"));
}

#[test]
fn a_condition_that_asks_what_was_not_asked_is_unknown() {
    let module = r#"package router
import rego.v1
default output := {"found": false}
output := {"found": true} if input.path == "/"
aside if {
	input.path == "/no"
	oci.blob_digest("r:t", "mediatype", "x") != ""
}
"#;
    let said = bodies(module, r#"{"path": "/no"}"#);
    assert_eq!(said[0].verdict, failed(4, "input.path == \"/\""));
    assert!(matches!(&said[1].verdict, BodyVerdict::Unknown { because } if because.contains("record")));
}
