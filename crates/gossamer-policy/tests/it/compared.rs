//! Two policies beside each other: where they part, and by which rules.

use std::sync::Arc;

use gossamer_policy::{EvalError, Input};

use crate::support::{PLACES, Registry, decide, forward, policies, source};

fn router(api: &str) -> String {
    format!(
        "package router\nimport rego.v1\ndefault output := {{\"found\": false}}\n\
         output := {{\"found\": true, \"repository\": \"r\"}} if is_api\nis_api if startswith(input.path, \"{api}\")\n"
    )
}

#[tokio::test]
async fn policies_that_agree_have_no_difference_and_others_differ_by_rule() {
    let (policies, registry) = (policies().await, Arc::new(Registry::default()));
    for place in PLACES {
        let old = place.take(&policies, &source(&router("/api/v1/"), "")).await.unwrap();
        let new = place.take(&policies, &source(&router("/api/"), "")).await.unwrap();
        for (path, differs) in [("/api/v1/x", false), ("/else", false), ("/api/v2/x", true)] {
            let (_, trail) = decide(&policies, &old, Input::new("GET", path), &registry).await.unwrap();
            let difference = policies.compare(&old, &trail, &new, registry.clone()).await.unwrap();
            assert_eq!(difference.is_some(), differs, "{path}");
            let Some(difference) = difference else { continue };
            assert_eq!(difference.theirs, Ok(forward("r")));
            let names: Vec<_> = difference.rules.iter().map(|rule| rule.rule.as_str()).collect();
            assert_eq!(names, ["is_api", "output"]);
            assert_eq!(difference.rules[0].ours.as_ref().unwrap().value, None);
            assert_eq!(difference.rules[0].theirs.as_ref().unwrap().value, Some(true.into()));
        }
    }
}

#[tokio::test]
async fn a_policy_that_fails_beside_another_is_a_difference_and_an_unread_body_is_none() {
    let (policies, registry) = (policies().await, Arc::new(Registry::default()));
    let old = policies.trust(&source(&router("/api/"), "")).unwrap();
    let fails =
        policies.trust(&source("package router\noutput := x\nx := {} \nx := {\"a\": 1}", "")).unwrap();
    let reads = "package router\nimport rego.v1\noutput := {\"found\": true, \"body\": request.body()}\n";
    let reads = policies.trust(&source(reads, "")).unwrap();
    let mut input = Input::new("POST", "/api/x");
    input.body = gossamer_policy::Body::Unread;
    let (_, trail) = decide(&policies, &old, input, &registry).await.unwrap();
    let difference = policies.compare(&old, &trail, &fails, registry.clone()).await.unwrap().unwrap();
    assert!(difference.theirs.is_err(), "{difference:?}");
    let unread = policies.compare(&old, &trail, &reads, registry.clone()).await.unwrap_err();
    assert_eq!(unread, EvalError::BodyWanted);
}
