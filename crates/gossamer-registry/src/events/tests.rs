//! The log: without gaps, in order, and read by many.

use gossamer_events::{Cursors, DeadLetter, EventLog, Lane, Sequence};
use gossamer_oci::PluginName;

use crate::testing::{Fixture, IMAGE, image, name};

fn lane(repository: &str) -> Lane {
    Lane { plugin: plugin(), repository: name(repository) }
}

fn plugin() -> PluginName {
    "yum".parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sequences_have_no_gaps_although_pushes_collide_and_fail() {
    let fixture = Fixture::new().await;
    for repository in ["a", "b"] {
        fixture.blob(repository, b"{}").await;
        fixture.blob(repository, b"layer").await;
    }
    let mut head = fixture.registry.events_head();
    let pushes = (0..60).map(|number| {
        let repository = if number % 2 == 0 { "a" } else { "b" };
        // Every third names a layer that is missing; the others move the tag with each push.
        let layer: &[u8] = if number % 3 == 0 { b"missing" } else { b"layer" };
        let mut content = image(layer);
        content["annotations"] = serde_json::json!({ "number": number.to_string() });
        let fixture = &fixture;
        async move { fixture.put(repository, "latest", IMAGE, &content).await }
    });
    let pushed = futures::future::join_all(pushes).await;
    let mut acknowledged: Vec<_> =
        pushed.iter().flatten().map(|stored| stored.sequence.unwrap().get()).collect();
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, (1..=40).collect::<Vec<_>>());

    let events = fixture.events().await;
    assert!(events.iter().map(|event| event.sequence.get()).eq(1..=40));
    assert_eq!(*head.borrow_and_update(), Sequence::new(40));
    let reference = "latest".parse().unwrap();
    for repository in ["a", "b"] {
        let last = events.iter().rfind(|event| event.repository == repository).unwrap();
        let found = fixture.registry.manifest(&name(repository), &reference).await.unwrap();
        assert_eq!(found.digest, last.digest, "the last event of a tag is what the tag is");
    }

    let fixture = fixture.reopen().await;
    assert_eq!(*fixture.registry.events_head().borrow(), Sequence::new(40));
    fixture.image("c", "v1", b"layer").await;
    assert_eq!(fixture.events().await.last().unwrap().sequence, Sequence::new(41));
}

#[tokio::test]
async fn reads_go_on_where_they_are_told_to() {
    let fixture = Fixture::new().await;
    for (number, repository) in ["a", "b", "a", "b", "a"].iter().enumerate() {
        fixture.image(repository, "v1", format!("layer {number}").as_bytes()).await;
    }
    let sequences = |events: Vec<gossamer_events::Event>| -> Vec<u64> {
        events.iter().map(|event| event.sequence.get()).collect()
    };
    let registry = &fixture.registry;
    assert_eq!(sequences(registry.read(Sequence::new(1), 3).await.unwrap()), [2, 3, 4]);
    assert_eq!(sequences(registry.read_lane(&name("a"), Sequence::new(1), 9).await.unwrap()), [3, 5]);
    assert!(registry.read_lane(&name("c"), Sequence::ZERO, 9).await.unwrap().is_empty());
    assert!(registry.read(Sequence::ZERO, 0).await.unwrap().is_empty());

    let heads = registry.heads(Sequence::ZERO, 9).await.unwrap();
    let events = registry.read(Sequence::ZERO, 9).await.unwrap();
    assert_eq!(heads, events.iter().map(gossamer_events::Event::head).collect::<Vec<_>>());
    let heads = registry.lane_heads(&name("b"), Sequence::new(2), 9).await.unwrap();
    assert_eq!(heads, [events[3].head()]);
}

#[tokio::test]
async fn a_read_of_large_payloads_ends_early_but_gets_on() {
    let fixture = Fixture::new().await;
    fixture.blob("a", b"{}").await;
    fixture.blob("a", b"layer").await;
    for number in 0..4 {
        let mut content = image(b"layer");
        content["annotations"] = serde_json::json!({ "filler": number.to_string().repeat(3 << 20) });
        fixture.put("a", "v1", IMAGE, &content).await.unwrap();
    }
    let first = fixture.registry.read(Sequence::ZERO, 9).await.unwrap();
    assert_eq!(first.len(), 3);
    let rest = fixture.registry.read(first[2].sequence, 9).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(fixture.registry.heads(Sequence::ZERO, 9).await.unwrap().len(), 4);
}

#[tokio::test]
async fn cursors_only_go_forward_and_survive() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.registry.cursors(&plugin()).await.unwrap(), Cursors::default());
    fixture.registry.commit(&lane("a"), Sequence::new(5)).await.unwrap();
    fixture.registry.commit(&lane("a"), Sequence::new(3)).await.unwrap();
    fixture.registry.commit(&lane("b"), Sequence::new(9)).await.unwrap();
    fixture.registry.commit_low(&plugin(), Sequence::new(5)).await.unwrap();
    fixture.registry.commit_low(&plugin(), Sequence::new(4)).await.unwrap();
    fixture.registry.commit(&lane("a"), Sequence::new(4)).await.unwrap();
    let fixture = fixture.reopen().await;
    let cursors = fixture.registry.cursors(&plugin()).await.unwrap();
    assert_eq!(cursors, Cursors { low: Sequence::new(5), lanes: vec![(name("b"), Sequence::new(9))] });
    let other = fixture.registry.cursors(&"apt".parse().unwrap()).await.unwrap();
    assert_eq!(other, Cursors::default());
}

#[tokio::test]
async fn parking_an_event_gets_its_lane_past_it() {
    let fixture = Fixture::new().await;
    let mut letter =
        DeadLetter { lane: lane("a"), sequence: Sequence::new(7), attempts: 3, reason: "500".into() };
    fixture.registry.park(&letter).await.unwrap();
    letter.attempts = 4;
    fixture.registry.park(&letter).await.unwrap();
    let cursors = fixture.registry.cursors(&plugin()).await.unwrap();
    assert_eq!(cursors.lanes, [(name("a"), Sequence::new(7))]);
    let letters = fixture.registry.dead_letters(&plugin(), Sequence::ZERO, 9).await.unwrap();
    assert_eq!(letters, [letter]);
    assert!(fixture.registry.dead_letters(&plugin(), Sequence::new(7), 9).await.unwrap().is_empty());
}
