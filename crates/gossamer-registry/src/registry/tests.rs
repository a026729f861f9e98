//! The registry as a whole: one owner, and readers that never see the past.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use gossamer_oci::Reference;
use serde_json::json;

use crate::index::{Found, Key, Value};
use crate::testing::{Fixture, IMAGE, author, image, name};
use crate::{Config, Error, Registry, StoredManifest};

mod crash;

#[tokio::test]
async fn a_directory_has_one_registry_at_a_time() {
    let fixture = Fixture::new().await;
    let second = Config::new(fixture.directory.path()).open().await;
    assert!(matches!(second, Err(Error::Locked)));
    let fixture = fixture.reopen().await;
    fixture.registry.close().await;
    let refused = fixture.registry.put_blob(&name("a"), &gossamer_oci::Digest::sha256(b""), empty()).await;
    assert!(matches!(refused, Err(Error::Closed)));
}

fn empty() -> futures::stream::Empty<Result<bytes::Bytes, Error>> {
    futures::stream::empty()
}

#[test]
fn a_configuration_needs_only_a_directory_and_knows_its_fields() {
    let config: Config = serde_json::from_value(json!({ "directory": "/var/lib/x" })).unwrap();
    assert!(!config.sparse && config.limits.page_max > 0);
    let typo = json!({ "directory": "/x", "limits": { "page_maximum": 1 } });
    assert!(serde_json::from_value::<Config>(typo).is_err());
}

/// The number that a version of the tag carries; none if it is deleted.
fn version(registry: &Registry) -> Option<u64> {
    let reference: Reference = "latest".parse().unwrap();
    let manifest = registry.resolve(&name("a"), &reference).unwrap()?;
    Some(manifest.manifest.annotations()["number"].parse().unwrap())
}

/// Forgets the tag, asks the catalog, dawdles, and only then fills the answer in: the worst of readers.
fn dawdle(registry: &Registry, nap: Duration) {
    let key = Key::tag(&name("a"), &"latest".parse().unwrap());
    registry.inner.index.evict(&key);
    if let Found::Miss(lease) = registry.inner.index.find(key) {
        let row = registry.inner.catalog.manifest(&name("a"), &"latest".parse().unwrap()).unwrap();
        let manifest = StoredManifest::from_row(row.unwrap()).unwrap();
        thread::sleep(nap);
        lease.fill(Value::Manifest(Arc::new(manifest)));
    }
}

/// One writer moves a tag and says how far it is after each acknowledgement; readers note that before
/// they look, and must never see less. They must not see the tag go back either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reader_sees_the_past() {
    let fixture = Fixture::new().await;
    fixture.blob("a", b"{}").await;
    fixture.blob("a", b"layer").await;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let ended = Arc::new(AtomicBool::new(false));
    let put = async |number: u64, tag: &str| {
        let mut content = image(b"layer");
        content["annotations"] = json!({ "number": number.to_string() });
        fixture.put("a", tag, IMAGE, &content).await.unwrap();
    };
    put(1, "latest").await;
    acknowledged.store(1, Ordering::SeqCst);

    let readers = (0..3).map(|_| {
        let (registry, acknowledged, ended) = (fixture.registry.clone(), acknowledged.clone(), ended.clone());
        thread::spawn(move || {
            let mut highest = 0;
            while !ended.load(Ordering::SeqCst) {
                let least = acknowledged.load(Ordering::SeqCst).max(highest);
                highest = version(&registry).expect("the tag is never deleted");
                assert!(highest >= least, "saw {highest} after {least}");
            }
        })
    });
    let dawdlers = (0..3).map(|number| {
        let (registry, ended) = (fixture.registry.clone(), ended.clone());
        thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                dawdle(&registry, Duration::from_micros(number * 700));
            }
        })
    });
    let threads: Vec<_> = readers.chain(dawdlers).collect();
    for number in 2..400 {
        // Others push to the repository at the same time, and share the commit.
        let noise = number.to_string();
        tokio::join!(put(number, "latest"), put(number + 100_000, &noise), put(number + 200_000, "noise"));
        acknowledged.store(number, Ordering::SeqCst);
    }
    ended.store(true, Ordering::SeqCst);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_tag_is_gone_for_everybody_at_once() {
    let fixture = Fixture::new().await;
    fixture.image("a", "other", b"layer").await;
    // Even: the tag is there. Odd: it is not. Only while both looks agree nothing may have changed.
    let phase = Arc::new(AtomicU64::new(1));
    let ended = Arc::new(AtomicBool::new(false));
    let reader = {
        let (registry, phase, ended) = (fixture.registry.clone(), phase.clone(), ended.clone());
        thread::spawn(move || {
            let reference: Reference = "latest".parse().unwrap();
            while !ended.load(Ordering::SeqCst) {
                let before = phase.load(Ordering::SeqCst);
                let found = registry.resolve(&name("a"), &reference).unwrap().is_some();
                if phase.load(Ordering::SeqCst) == before && before < CHANGING {
                    assert_eq!(found, before % 2 == 0, "in phase {before}");
                }
            }
        })
    };
    for number in 0..200 {
        let next = (number + 1) % 2;
        phase.store(CHANGING + number, Ordering::SeqCst);
        if next == 1 {
            fixture.image("a", "latest", b"layer").await;
            phase.store(2 * number + 2, Ordering::SeqCst);
        } else {
            let tag = "latest".parse().unwrap();
            fixture.registry.delete_tag(&name("a"), &tag, author()).await.unwrap();
            phase.store(2 * number + 3, Ordering::SeqCst);
        }
    }
    ended.store(true, Ordering::SeqCst);
    reader.join().unwrap();
}

/// Phases from here on promise nothing.
const CHANGING: u64 = 1 << 32;
