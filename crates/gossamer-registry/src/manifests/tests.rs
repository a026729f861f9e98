//! Manifests and tags, and the events that tell of them.

use gossamer_events::{Action, Event, Origin};
use gossamer_oci::{Algorithm, Digest, Manifest, Reference};
use serde_json::json;

use crate::testing::{CONFIG, Fixture, IMAGE, INDEX, author, descriptor, digest_of, image, name, put};
use crate::{Error, PutManifest};

/// What the events say, in short.
fn told(events: &[Event]) -> Vec<(Action, Option<&str>, Digest)> {
    events
        .iter()
        .map(|event| (event.action, event.tag.as_ref().map(|tag| tag.as_str()), event.digest))
        .collect()
}

async fn found(fixture: &Fixture, reference: &str) -> Option<Digest> {
    let (repository, reference): (_, Reference) = (name("a"), reference.parse().unwrap());
    let by_waiting = fixture.registry.manifest(&repository, &reference).await.ok();
    let at_once = fixture.registry.resolve(&repository, &reference).unwrap();
    assert_eq!(by_waiting, at_once);
    at_once.map(|manifest| manifest.digest)
}

#[tokio::test]
async fn a_push_is_found_by_tag_and_digest_and_told_once() {
    let fixture = Fixture::new().await;
    let stored = fixture.image("a", "v1", b"layer").await;
    let content = image(b"layer");
    assert_eq!(stored.digest, digest_of(&content));
    assert_eq!(found(&fixture, "v1").await, Some(stored.digest));
    let by_digest = Reference::Digest(stored.digest);
    let manifest = fixture.registry.manifest(&name("a"), &by_digest).await.unwrap();
    assert_eq!(manifest.content, content.to_string());
    assert_eq!(manifest.manifest.media_type().as_str(), IMAGE);

    let events = fixture.events().await;
    assert_eq!(told(&events), [(Action::ManifestPut, Some("v1"), stored.digest)]);
    assert_eq!(Some(events[0].sequence), stored.sequence);
    assert_eq!(events[0].payload, content.to_string());
    assert_eq!(events[0].media_type.as_ref().unwrap().as_str(), CONFIG);
    assert_eq!(events[0].origin, Origin::External { principal: "ann".into() });

    let again = fixture.image("a", "v1", b"layer").await;
    assert_eq!((again.digest, again.sequence), (stored.digest, None));
    assert_eq!(fixture.events().await.len(), 1, "a push that changes nothing is no event");

    let fixture = fixture.reopen().await;
    assert_eq!(found(&fixture, "v1").await, Some(stored.digest));
    assert_eq!(fixture.events().await, events);
}

#[tokio::test]
async fn each_change_of_a_tag_is_told_as_what_it_was() {
    let fixture = Fixture::new().await;
    let one = fixture.image("a", "v1", b"one").await.digest;
    let two = fixture.image("a", "v2", b"two").await.digest;
    fixture.image("a", "v1", b"two").await; // moves
    let by_digest = digest_of(&image(b"one")).to_string();
    fixture.image("a", &by_digest, b"one").await; // changes nothing
    let three = image(b"three");
    fixture.blob("a", b"three").await;
    let tags = ["x", "v1", "y"].map(|tag| tag.parse().unwrap()).to_vec();
    let reference = digest_of(&three).to_string();
    let pushed = fixture.registry.put_manifest(PutManifest { tags, ..put("a", &reference, IMAGE, &three) });
    let three = pushed.await.unwrap().digest;
    fixture.registry.delete_tag(&name("a"), &"y".parse().unwrap(), author()).await.unwrap();
    fixture.registry.delete_manifest(&name("a"), &three, author()).await.unwrap();

    let events = fixture.events().await;
    let expected = [
        (Action::ManifestPut, Some("v1"), one),
        (Action::ManifestPut, Some("v2"), two),
        (Action::TagPut, Some("v1"), two),
        (Action::ManifestPut, Some("x"), three),
        (Action::TagPut, Some("v1"), three),
        (Action::TagPut, Some("y"), three),
        (Action::TagDelete, Some("y"), three),
        (Action::ManifestDelete, None, three),
    ];
    assert_eq!(told(&events), expected);
    for (event, number) in events.iter().zip(1..) {
        assert_eq!(event.sequence.get(), number);
        assert_eq!(Digest::sha256(&event.payload), event.digest, "the bytes, on delete too");
        assert_eq!(event.media_type.as_ref().unwrap().as_str(), CONFIG);
    }
    assert_eq!(found(&fixture, "v1").await, None, "a manifest takes its tags along");
    assert_eq!(found(&fixture, "x").await, None);
    assert_eq!(found(&fixture, "v2").await, Some(two));
    assert_eq!(found(&fixture, &three.to_string()).await, None);
}

#[tokio::test]
async fn deleting_what_is_not_there_is_refused_and_not_told() {
    let fixture = Fixture::new().await;
    let stored = fixture.image("a", "v1", b"layer").await;
    for repository in ["a", "b"] {
        let (repository, other) = (name(repository), Digest::sha256(b"other"));
        let refused = fixture.registry.delete_manifest(&repository, &other, author()).await;
        assert!(matches!(refused, Err(Error::ManifestUnknown(_))));
        let refused = fixture.registry.delete_tag(&repository, &"other".parse().unwrap(), author()).await;
        assert!(matches!(refused, Err(Error::ManifestUnknown(_))));
    }
    let refused = fixture.registry.delete_manifest(&name("b"), &stored.digest, author()).await;
    assert!(matches!(refused, Err(Error::ManifestUnknown(_))));
    let refused = fixture.registry.delete_repository(&name("b"), author()).await;
    assert!(matches!(refused, Err(Error::NameUnknown(_))));
    assert_eq!(fixture.events().await.len(), 1);
}

#[tokio::test]
async fn a_deleted_repository_is_gone_and_can_begin_again() {
    let fixture = Fixture::new().await;
    let first = fixture.image("a", "v1", b"layer").await.digest;
    fixture.image("b", "v1", b"layer").await;
    assert_eq!(found(&fixture, "v1").await, Some(first));
    fixture.registry.delete_repository(&name("a"), author()).await.unwrap();
    assert_eq!(found(&fixture, "v1").await, None);
    assert_eq!(found(&fixture, &first.to_string()).await, None);
    let refused = fixture.put("a", "v1", IMAGE, &image(b"layer")).await;
    assert!(matches!(refused, Err(Error::ManifestBlobUnknown(_))), "its blobs are gone too: {refused:?}");
    fixture.image("a", "v1", b"layer").await;
    assert_eq!(found(&fixture, "v1").await, Some(first));
    let events = fixture.events().await;
    let actions: Vec<_> = events.iter().map(|event| event.action).collect();
    assert_eq!(
        actions,
        [Action::ManifestPut, Action::ManifestPut, Action::RepositoryDelete, Action::ManifestPut]
    );
    assert_eq!((events[2].digest, events[2].payload.len()), (Digest::sha256(b""), 0));
}

#[tokio::test]
async fn a_manifest_needs_what_it_names_in_its_own_repository() {
    let fixture = Fixture::new().await;
    fixture.blob("a", b"{}").await;
    fixture.blob("b", b"layer").await;
    let missing = Digest::sha256(b"layer");
    let refused = fixture.put("a", "v1", IMAGE, &image(b"layer")).await;
    assert!(matches!(refused, Err(Error::ManifestBlobUnknown(digest)) if digest == missing));

    fixture.blob("a", b"layer").await;
    let mut lying = image(b"layer");
    lying["layers"][0]["size"] = json!(6);
    let refused = fixture.put("a", "v1", IMAGE, &lying).await;
    assert!(matches!(refused, Err(Error::ManifestBlobSize { stated: 6, actual: 5, .. })));

    let child = image(b"layer");
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [descriptor(IMAGE, child.to_string().as_bytes())],
    });
    let refused = fixture.put("a", "all", INDEX, &index).await;
    assert!(matches!(refused, Err(Error::ManifestBlobUnknown(_))));
    fixture.put("a", &digest_of(&child).to_string(), IMAGE, &child).await.unwrap();
    fixture.put("a", "all", INDEX, &index).await.unwrap();
    assert!(fixture.registry.tags(&name("a"), &Default::default()).await.unwrap().items == ["all"]);
}

#[tokio::test]
async fn foreign_layers_and_subjects_need_not_be_there_and_sparse_needs_nothing() {
    let fixture = Fixture::new().await;
    fixture.blob("a", b"{}").await;
    let mut foreign = image(b"layer");
    foreign["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.nondistributable.v1.tar");
    foreign["subject"] = descriptor(IMAGE, b"never pushed");
    let stored = fixture.put("a", "v1", IMAGE, &foreign).await.unwrap();
    assert_eq!(stored.subject, Some(Digest::sha256(b"never pushed")));

    let sparse = Fixture::with(|config| config.sparse = true).await;
    sparse.put("a", "v1", IMAGE, &image(b"layer")).await.unwrap();
    sparse.blob("a", b"other").await;
    let mut lying = image(b"other");
    lying["layers"][0]["size"] = json!(1);
    let refused = sparse.put("a", "v1", IMAGE, &lying).await;
    assert!(matches!(refused, Err(Error::ManifestBlobSize { .. })), "what is there must fit");
}

#[tokio::test]
async fn what_is_not_a_manifest_is_not_stored() {
    let fixture = Fixture::new().await;
    let refused = fixture.put("a", "v1", IMAGE, &json!([])).await;
    assert!(matches!(refused, Err(Error::ManifestInvalid(_))));
    let large = PutManifest {
        content: vec![b' '; Manifest::SIZE_MAX + 1].into(),
        ..put("a", "v1", IMAGE, &json!({}))
    };
    assert!(matches!(fixture.registry.put_manifest(large).await, Err(Error::TooLarge { .. })));
    let other = Digest::sha256(b"other").to_string();
    let refused = fixture.put("a", &other, IMAGE, &image(b"layer")).await;
    assert!(matches!(refused, Err(Error::DigestMismatch { .. })));
    assert!(matches!(
        fixture.registry.tags(&name("a"), &Default::default()).await,
        Err(Error::NameUnknown(_))
    ));
}

#[tokio::test]
async fn a_manifest_pushed_by_sha512_is_found_by_it() {
    let fixture = Fixture::new().await;
    fixture.blob("a", b"{}").await;
    fixture.blob("a", b"layer").await;
    let content = image(b"layer");
    let digest = Digest::of(Algorithm::Sha512, content.to_string().as_bytes());
    let stored = fixture.put("a", &digest.to_string(), IMAGE, &content).await.unwrap();
    assert_eq!(stored.digest, digest);
    assert_eq!(found(&fixture, &digest.to_string()).await, Some(digest));
    assert_eq!(found(&fixture, &digest_of(&content).to_string()).await, None);
}
