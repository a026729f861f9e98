//! Tests of the tests: the bundled router, at its author's desk.

use super::*;

const STATIC: &str = include_str!("../../../../policies/static.rego");
const DATA: &str = include_str!("../../../../policies/static.json");

const TESTS: &str = r#"package router_test
import rego.v1
import data.router

test_a_file_is_found if {
    router.output.found with input as {"method": "GET", "path": "/artifacts/static/docs/file/a"}
}
test_a_file_is_missing if {
    not router.output.found with input as {"method": "GET", "path": "/artifacts/static/docs/file/b"}
}
test_that_fails if router.output.found == "never"
test_that_breaks if count(numbers.range(1, 900000000)) > 1
helper := 1
"#;

fn suite(module: &str, tests: &str) -> Suite {
    // The tag of a file is the MD5 of its name.
    let fixtures = r#"{"manifests": {"artifacts/static/docs/files:0cc175b9c0f1b6a831c399e269772661": {
        "layers": [{"mediaType": "application/vnd.ciq.static.v1.file", "size": 1,
        "annotations": {"org.opencontainers.image.title": "a"},
        "digest": "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"}]}}}"#;
    Suite {
        modules: vec![
            ("static.rego".to_owned(), module.to_owned()),
            ("static_test.rego".to_owned(), tests.to_owned()),
        ],
        data: serde_json::from_str(DATA).unwrap(),
        fixtures: Fixtures::parse(fixtures).unwrap(),
    }
}

#[test]
fn tests_pass_fail_or_break() {
    let outcomes = suite(STATIC, TESTS).run().unwrap();
    let said: Vec<_> = outcomes.iter().map(|outcome| (outcome.test.as_str(), outcome.verdict)).collect();
    assert_eq!(
        said,
        [
            ("data.router_test.test_a_file_is_found", Verdict::Passed),
            ("data.router_test.test_a_file_is_missing", Verdict::Passed),
            ("data.router_test.test_that_fails", Verdict::Failed),
            ("data.router_test.test_that_breaks", Verdict::Broken),
        ],
        "{outcomes:#?}"
    );
    assert_eq!((outcomes[0].file.as_str(), outcomes[0].line), ("static_test.rego", 5));
    assert!(outcomes[3].error.as_ref().unwrap().contains("exceeded"), "{outcomes:#?}");
}

#[test]
fn a_request_is_decided_without_a_core() {
    let suite = suite(STATIC, TESTS);
    let run = suite.dry_run(Input::new("GET", "/artifacts/static/docs/file/a")).unwrap();
    assert!(matches!(run.decision, Decision::Blob { .. }), "{run:?}");
    assert_eq!(run.lookups.len(), 1);
    assert!(run.explanation.rules.iter().any(|rule| rule.name == "output" && rule.value.is_some()));
}

#[test]
fn what_a_core_would_refuse_is_refused_here() {
    let error = suite("package router\nimport rego.v1\nf(n) := f(n + 1)\noutput := {\"found\": f(1)}\n", "")
        .run()
        .unwrap_err();
    assert!(matches!(error, SuiteError::Refused(Refused::Recursive { .. })), "{error:?}");
    assert!(suite(STATIC, "package x\ntest_y {").run().is_err());
    assert!(Fixtures::parse("{\"manifests\": {\"no-tag\": {}}}").is_err());
}
