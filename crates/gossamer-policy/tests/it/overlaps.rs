//! Plugins that get in each other's way are told with both rules and a request that shows it.

use std::sync::Arc;

use gossamer_policy::{Input, Overlap, Party, Policies, Policy};

use crate::support::{PLACES, policies, source};

/// A router for everything below `place`, which answers with `repository`.
fn router(place: &str, repository: &str) -> String {
    format!(
        "package router\nimport rego.v1\ndefault output := {{\"found\": false}}\n\
         output := {{\"found\": true, \"repository\": \"{repository}\", \"redirect_url\": url}} if digest != \"\"\n\
         url := sprintf(\"/v2/{repository}/blobs/sha256:%s\", [digest])\n\
         digest := oci.blob_digest(\"{repository}:latest\", \"mediatype\", \"a/b\") if regex.match(`^/artifacts/{place}/[a-z]+/file$`, input.path)\n"
    )
}

fn party(name: &str, policy: Arc<Policy>) -> Party {
    Party {
        plugin: name.parse().unwrap(),
        policy,
        media_types: [format!("a/{name}").parse().unwrap()].into(),
        recorded: Vec::new(),
    }
}

async fn overlaps(policies: &Policies, parties: &[Party]) -> Vec<Overlap> {
    policies.overlaps(parties).await
}

#[tokio::test]
async fn plugins_that_keep_to_themselves_do_not_overlap() {
    let policies = policies().await;
    let bundled = source(
        include_str!("../../../../policies/static.rego"),
        include_str!("../../../../policies/static.json"),
    );
    for place in PLACES {
        let own = place.take(&policies, &bundled).await.unwrap();
        let other = place.take(&policies, &source(&router("yum", "artifacts/yum/r"), "")).await.unwrap();
        let found = overlaps(&policies, &[party("static", own), party("yum", other)]).await;
        assert!(found.is_empty(), "{place:?} {found:#?}");
    }
}

#[tokio::test]
async fn a_blob_of_another_plugins_repository_is_a_trespass() {
    let policies = policies().await;
    for place in PLACES {
        let thief = place.take(&policies, &source(&router("thief", "artifacts/yum/r"), "")).await.unwrap();
        let found = overlaps(&policies, &[party("thief", thief)]).await;
        let [Overlap::Trespass { by, repository, owner, witness }] = found.as_slice() else {
            panic!("{place:?} {found:#?}")
        };
        assert_eq!((by.plugin.as_str(), owner.as_str()), ("thief", "yum"));
        assert_eq!(repository.as_str(), "artifacts/yum/r");
        assert_eq!((witness.method.as_str(), witness.path.as_str()), ("GET", "/artifacts/thief/a/file"));
        assert!(by.rules.contains(&("digest".to_owned(), 6)), "{by:?}");
    }
}

#[tokio::test]
async fn a_trespass_that_only_a_recorded_request_shows_is_found() {
    let policies = policies().await;
    let module = "package router\nimport rego.v1\ndefault output := {\"found\": false}\n\
                  output := {\"found\": true, \"repository\": \"artifacts/yum/r\"} if input.query.x[0] == \"1\"\n";
    let policy = policies.admit(&source(module, "")).await.unwrap();
    let mut party = party("thief", policy);
    assert!(overlaps(&policies, std::slice::from_ref(&party)).await.is_empty());
    let mut input = Input::new("GET", "/artifacts/thief/x");
    input.query.insert("x".to_owned(), vec!["1".to_owned()]);
    party.recorded.push(input);
    assert!(matches!(overlaps(&policies, &[party]).await.as_slice(), [Overlap::Trespass { .. }]));
}

#[tokio::test]
async fn two_answers_below_the_shared_place_are_ambiguous() {
    let policies = policies().await;
    let first = policies.admit(&source(&router("-", "artifacts/one/r"), "")).await.unwrap();
    let second = policies.admit(&source(&router("-", "artifacts/two/r"), "")).await.unwrap();
    let found = overlaps(&policies, &[party("one", first), party("two", second)]).await;
    let [Overlap::Ambiguous { first, second, witness }] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((first.plugin.as_str(), second.plugin.as_str()), ("one", "two"));
    assert_eq!(witness.path, "/artifacts/-/a/file");
    assert!(!first.rules.is_empty() && !second.rules.is_empty());
}
