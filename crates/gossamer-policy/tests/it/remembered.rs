//! Remembered decisions are those that a fresh evaluation would give; records replay to what they say.

use std::sync::Arc;

use gossamer_policy::{Decision, How, Input, Policies, Policy, Tuning};
use proptest::prelude::*;

use crate::support::{
    Layer, PLACES, Registry, blob, decide, forward, layer, policies, policies_with, source,
};

const FILE: &str = "application/vnd.ciq.static.v1.file";
const NAME: &str = "artifacts/static/docs/files";

fn reference(file: &str) -> String {
    use md5::Digest as _;
    format!("{NAME}:{}", hex::encode(md5::Md5::digest(file.as_bytes())))
}

fn get(file: &str) -> Input {
    Input::new("GET", format!("/artifacts/static/docs/file/{file}"))
}

async fn router(policies: &Policies, place: crate::support::Place) -> Arc<Policy> {
    let source = source(include_str!("../fixtures/static.rego"), include_str!("../fixtures/static.json"));
    place.take(policies, &source).await.unwrap()
}

#[tokio::test]
async fn a_repeated_request_is_remembered_while_its_answers_hold() {
    for place in PLACES {
        let policies = policies().await;
        let (policy, registry) = (router(&policies, place).await, Arc::new(Registry::default()));
        let ask = async || {
            let (decision, trail) = decide(&policies, &policy, get("a"), &registry).await.unwrap();
            (decision, trail.how == How::Memo)
        };
        let (first, second) = (layer(FILE, "first"), layer(FILE, "second"));
        registry.put(&reference("a"), std::slice::from_ref(&first));
        assert_eq!(ask().await, (blob(NAME, &first), false));
        assert_eq!(ask().await, (blob(NAME, &first), true));
        registry.put(&reference("a"), std::slice::from_ref(&second));
        assert_eq!(ask().await, (blob(NAME, &second), false));
        assert_eq!(ask().await, (blob(NAME, &second), true));
        registry.delete(&reference("a"));
        assert!(matches!(ask().await, (Decision::NotFound { .. }, false)));
        assert!(matches!(ask().await, (Decision::NotFound { .. }, true)));
        registry.put(&reference("a"), std::slice::from_ref(&first));
        assert_eq!(ask().await, (blob(NAME, &first), false));
    }
}

#[tokio::test]
async fn what_the_policy_does_not_read_does_not_matter() {
    let (policies, registry) = (policies().await, Arc::new(Registry::default()));
    let policy = router(&policies, PLACES[0]).await;
    decide(&policies, &policy, get("a"), &registry).await.unwrap();
    let mut other = get("a");
    other.set_headers([("traceparent", "00-1")]);
    other.principal = "admin".to_owned();
    let (_, trail) = decide(&policies, &policy, other.clone(), &registry).await.unwrap();
    assert_eq!((trail.how, &*trail.input), (How::Memo, &other));
    let mut head = get("a");
    head.method = "HEAD".to_owned();
    let (_, trail) = decide(&policies, &policy, head, &registry).await.unwrap();
    assert_eq!(trail.how, How::Trusted);
}

#[tokio::test]
async fn one_header_may_be_all_that_matters() {
    let (policies, registry) = (policies().await, Arc::new(Registry::default()));
    let module = "package router\noutput := {\"found\": true, \"repository\": input.headers[\"x-shard\"]}\n";
    let policy = policies.trust(&source(module, "")).unwrap();
    let ask = async |headers: &[(&str, &str)]| {
        let mut input = Input::new("GET", "/");
        input.set_headers(headers.iter().copied());
        let (decision, trail) = decide(&policies, &policy, input, &registry).await.unwrap();
        (decision, trail.how)
    };
    assert_eq!(ask(&[("X-Shard", "1"), ("A", "1")]).await, (forward("1"), How::Trusted));
    assert_eq!(ask(&[("X-Shard", "1"), ("A", "2")]).await, (forward("1"), How::Memo));
    assert_eq!(ask(&[("X-Shard", "2"), ("A", "2")]).await, (forward("2"), How::Trusted));
}

#[tokio::test]
async fn a_decision_that_read_the_body_is_never_remembered() {
    let (policies, registry) = (policies().await, Arc::new(Registry::default()));
    for place in PLACES {
        let policy = router(&policies, place).await;
        for repository in ["one", "two", "two"] {
            let input = Input::new("POST", "/artifacts/static/api/v1/repository")
                .with_body(format!("{{\"repository\":\"{repository}\"}}"));
            let (decision, trail) = decide(&policies, &policy, input, &registry).await.unwrap();
            assert_eq!(decision, forward(repository));
            assert!(trail.body_read && trail.how != How::Memo);
            assert_eq!(policies.replay(&policy, &trail).await.unwrap(), decision);
        }
    }
}

#[tokio::test]
async fn a_full_memory_forgets_and_stays_right() {
    let policies = policies_with(Tuning { memo_entries: 16, ..Tuning::default() }).await;
    let (policy, registry) = (router(&policies, PLACES[0]).await, Arc::new(Registry::default()));
    let file = layer(FILE, "file");
    registry.put(&reference("7"), std::slice::from_ref(&file));
    for round in 0..3 {
        for number in 0..100 {
            let (decision, _) =
                decide(&policies, &policy, get(&number.to_string()), &registry).await.unwrap();
            assert_eq!(decision == blob(NAME, &file), number == 7, "round {round}");
        }
    }
}

#[tokio::test]
async fn a_record_replays_to_the_same_decision_when_the_registry_has_moved_on() {
    let policies = policies().await;
    for place in PLACES {
        let (policy, registry) = (router(&policies, place).await, Arc::new(Registry::default()));
        let file = layer(FILE, "replayed");
        registry.put(&reference("a"), std::slice::from_ref(&file));
        let (decision, trail) = decide(&policies, &policy, get("a"), &registry).await.unwrap();
        registry.delete(&reference("a"));
        let asked = registry.asked.lock().unwrap().len();
        assert_eq!(policies.replay(&policy, &trail).await.unwrap(), decision);
        let explanation = policies.explain(&policy, &trail).await.unwrap();
        assert_eq!(registry.asked.lock().unwrap().len(), asked, "a replay asks only its record");
        let output = explanation.rules.iter().find(|rule| rule.name == "output").unwrap();
        assert_eq!(output.value.as_ref().unwrap()["repository"], "artifacts/static/docs", "{place:?}");
        let reached =
            |part: &str| explanation.lines.iter().any(|line| line.reached && line.text.contains(part));
        assert!(reached("oci.blob_digest") && !reached("request.body"), "{explanation:?}");
    }
}

/// What happens to a registry and its users.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    Get(u8),
    Call(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..4u8, 0..3u8).prop_map(|(file, content)| Step::Put(file, content)),
        (0..4u8).prop_map(Step::Delete),
        (0..4u8).prop_map(Step::Get),
        (0..4u8).prop_map(Step::Get),
        (0..4u8).prop_map(Step::Call),
    ];
    proptest::collection::vec(step, 1..40)
}

const CONTENTS: [&str; 3] = ["x", "y", "z"];

/// Decides every request twice, once with memory and once without; returns the requests that differed.
async fn differences(steps: Vec<Step>) -> Vec<String> {
    let remembering =
        policies_with(Tuning { memo_entries: 32, threads: 1, children: 1, ..Tuning::default() }).await;
    let fresh = policies_with(Tuning { memo_entries: 0, threads: 1, children: 1, ..Tuning::default() }).await;
    let registry = Arc::new(Registry::default());
    let (with, without) = (router(&remembering, PLACES[0]).await, router(&fresh, PLACES[0]).await);
    let mut differences = Vec::new();
    for step in steps {
        let input = match step {
            Step::Put(file, content) => {
                let title = CONTENTS[usize::from(content)];
                let layers: [Layer; 1] = [layer(FILE, title)];
                registry.put(&reference(&file.to_string()), &layers);
                continue;
            }
            Step::Delete(file) => {
                registry.delete(&reference(&file.to_string()));
                continue;
            }
            Step::Get(file) => get(&file.to_string()),
            Step::Call(repository) => Input::new("POST", "/artifacts/static/api/v1/x")
                .with_body(format!("{{\"repository\":\"r{repository}\"}}")),
        };
        let left = decide(&remembering, &with, input.clone(), &registry).await.unwrap();
        let right = decide(&fresh, &without, input, &registry).await.unwrap();
        assert_ne!(right.1.how, How::Memo);
        if left.0 != right.0 || left.1.lookups != right.1.lookups {
            differences.push(format!("{left:?} but {right:?}"));
        }
    }
    differences
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_remembered_decision_is_the_fresh_one(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        prop_assert_eq!(runtime.block_on(differences(steps)), Vec::<String>::new());
    }
}
