//! Tests of what is kept and noted.

use gossamer_policy::rollout::{Canary, Command, Guard, Versions};
use gossamer_policy::{Difference, RuleDifference};

use super::difference::Pair;
use super::*;

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn yum() -> PluginName {
    "yum".parse().unwrap()
}

fn versions() -> Versions {
    Versions { active: Some(version("1.0.0")), admitted: vec![version("1.0.0"), version("2.0.0")] }
}

#[tokio::test]
async fn a_plan_is_on_disk_when_it_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rollouts.json");
    let (plans, _keeper) = Plans::open(file.clone()).unwrap();
    let canary =
        Canary { version: version("2.0.0"), percent: 10.try_into().unwrap(), guard: Guard::default() };
    let plan = plans.ask(yum(), Command::Canary(canary), versions()).await.unwrap();
    let (again, _keeper) = Plans::open(file).unwrap();
    assert_eq!(again.table().get("yum"), Some(&plan));
    assert_eq!(pins(&BTreeMap::new(), &again.table()), BTreeMap::from([(yum(), version("1.0.0"))]));
}

#[tokio::test]
async fn a_guard_ends_a_canary_without_being_asked() {
    let directory = tempfile::tempdir().unwrap();
    let (plans, _keeper) = Plans::open(directory.path().join("rollouts.json")).unwrap();
    let canary =
        Canary { version: version("2.0.0"), percent: 10.try_into().unwrap(), guard: Guard::default() };
    plans.ask(yum(), Command::Canary(canary), versions()).await.unwrap();
    for _ in 0..20 {
        plans.answered(&yum(), &version("2.0.0"), Outcome::ServerError);
    }
    assert_eq!(plans.table()["yum"].canary, None);
}

#[test]
fn plans_that_cannot_be_read_are_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rollouts.json");
    std::fs::write(&path, "{\"yum\": 1}").unwrap();
    assert!(Plans::open(path).is_err());
}

fn different(rule: &str) -> Difference {
    let decision = Decision::NotFound { reason: String::new() };
    Difference {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        ours: decision.clone(),
        theirs: Ok(decision),
        rules: vec![RuleDifference { rule: rule.to_owned(), ours: None, theirs: None }],
    }
}

#[test]
fn differences_are_gathered_by_rule_and_bounded() {
    let mut differences = Differences::default();
    let pair = Pair { plugin: yum(), ours: version("1.0.0"), theirs: version("2.0.0") };
    differences.note(pair.clone(), None);
    for _ in 0..3 {
        differences.note(pair.clone(), Some(different("file")));
    }
    let shown = differences.show(&yum());
    assert_eq!(shown[0]["requests"], 4);
    assert_eq!(shown[0]["differences"][0]["count"], 3);
    assert_eq!(shown[0]["differences"][0]["rules"][0], "file");
    for number in 0..1000 {
        differences.note(pair.clone(), Some(different(&format!("rule_{number}"))));
    }
    let shown = differences.show(&yum());
    assert_eq!(shown[0]["differences"].as_array().unwrap().len(), 64);
    assert_eq!(shown[0]["others"], 1000 - 63);
}
