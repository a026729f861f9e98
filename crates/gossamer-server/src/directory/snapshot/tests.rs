//! Tests of whose a request is, with the bundled router as everybody's policy.

use gossamer_policy::{Policies, PolicySource};
use gossamer_wire::{Announcement, Generation, Policy as PolicyText};

use super::*;

const MODULE: &str = "package router\nimport rego.v1\noutput := {\"found\": false}\n";

async fn known(
    policies: &Policies,
    plugins: &[(&str, &str)],
) -> BTreeMap<PluginName, roster::Plugin<Arc<Policy>>> {
    let text = PolicyText { module: MODULE.to_owned(), data: "{}".to_owned() };
    let source = PolicySource::parse(text.digest(), MODULE, "{}").unwrap();
    let policy = policies.trust(&source).unwrap();
    let plugin = |(index, (name, media_type)): (usize, &(&str, &str))| {
        let node = NodeId::from_bytes([u8::try_from(index).unwrap(); 16]);
        let announcement = Arc::new(Announcement {
            node,
            generation: Generation::new(1),
            plugin: name.parse().unwrap(),
            version: "1.0.0".parse().unwrap(),
            media_types: vec![media_type.parse().unwrap()],
            kinds: Vec::new(),
            service: "127.0.0.1:1".parse().unwrap(),
            policy: text.clone(),
        });
        let hint = Hint { node, plugin: announcement.plugin.clone(), announcement: announcement.digest() };
        let announced =
            Announced { standing: Standing::Admitted, announcement: Some(Arc::clone(&announcement)) };
        let active = Active { announcement, policy_digest: policy.digest(), policy: Arc::clone(&policy) };
        let announced = BTreeMap::from([(hint, announced)]);
        let plugin = roster::Plugin { candidates: vec![active], announced, last_good: None };
        (name.parse().unwrap(), plugin)
    };
    plugins.iter().enumerate().map(plugin).collect()
}

fn select(snapshot: &Snapshot, path: &str) -> Result<String, StatusCode> {
    let selected = snapshot.select(&Input::new("GET", path));
    selected.map(|route| route.plugin.to_string()).map_err(|none| none.status)
}

#[tokio::test]
async fn a_path_names_its_plugin_and_a_mount_its_own() {
    let policies = crate::testing::policies().await;
    let known = known(&policies, &[("yum", "a/yum"), ("static", "a/static")]).await;
    let mount = Mount { host: None, prefix: Some("/rpms".to_owned()), plugin: "yum".parse().unwrap() };
    let snapshot = Snapshot::new(known, &[mount], &BTreeMap::new());
    assert_eq!(select(&snapshot, "/artifacts/static/docs/file/a"), Ok("static".to_owned()));
    assert_eq!(select(&snapshot, "/rpms/a.rpm"), Ok("yum".to_owned()));
    assert_eq!(select(&snapshot, "/artifacts/pypi/simple"), Err(StatusCode::NOT_FOUND));
    assert_eq!(select(&snapshot, "/elsewhere"), Err(StatusCode::NOT_FOUND));
}

#[tokio::test]
async fn two_claimants_are_a_conflict_and_never_a_coin_toss() {
    let policies = crate::testing::policies().await;
    let known = known(&policies, &[("yum", "a/same"), ("dnf", "a/same")]).await;
    let snapshot = Snapshot::new(known, &[], &BTreeMap::new());
    let mut input = Input::new("GET", "/artifacts/-/x");
    input.accept = vec!["a/same".parse().unwrap()];
    assert_eq!(snapshot.select(&input).unwrap_err().status, StatusCode::CONFLICT);
    assert_eq!(snapshot.claimant(&"a/same".parse().unwrap()), None);
    assert_eq!(snapshot.conflicts().len(), 1);
}

#[tokio::test]
async fn instances_are_those_that_were_admitted() {
    let policies = crate::testing::policies().await;
    let mut known = known(&policies, &[("yum", "a/yum")]).await;
    let yum: PluginName = "yum".parse().unwrap();
    assert_eq!(Snapshot::new(known.clone(), &[], &BTreeMap::new()).instances(&yum).len(), 1);
    for announced in known.get_mut(&yum).unwrap().announced.values_mut() {
        announced.standing = Standing::Refused { reason: "no".to_owned() };
    }
    assert_eq!(Snapshot::new(known, &[], &BTreeMap::new()).instances(&yum), []);
}
