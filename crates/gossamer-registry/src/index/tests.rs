//! The index by itself: leases, marks and bounds.

use std::collections::HashMap;

use gossamer_oci::Digest;

use super::{Found, Index, Key, Lease, Value};
use crate::testing::name;

fn key(number: u32) -> Key {
    Key::blob(&name("a"), &Digest::sha256(&number.to_be_bytes()))
}

fn lease(index: &Index, key: Key) -> Lease<'_> {
    match index.find(key) {
        Found::Miss(lease) => lease,
        Found::Hit(value) => panic!("found {value:?}"),
    }
}

fn commit(index: &Index, key: Key, value: Option<Value>, committed: bool) {
    let effects = HashMap::from([(key, value)]);
    index.begin(effects.keys());
    index.finish(effects, committed);
}

#[test]
fn a_reader_fills_in_what_it_read() {
    let index = Index::new(1 << 20);
    lease(&index, key(1)).fill(Value::Blob(7));
    assert_eq!(index.get(&key(1)), Some(Value::Blob(7)));
    drop(lease(&index, key(2)));
    lease(&index, key(2)).fill(Value::Blob(8));
    assert_eq!(index.get(&key(2)), Some(Value::Blob(8)), "a lease given up does not block the next");
}

#[test]
fn what_was_read_before_a_commit_cannot_arrive_after_it() {
    let index = Index::new(1 << 20);
    for committed in [true, false] {
        let stale = lease(&index, key(1));
        commit(&index, key(1), None, committed);
        stale.fill(Value::Blob(1));
        assert_eq!(index.get(&key(1)), None);

        let stale = lease(&index, key(1));
        commit(&index, key(1), None, committed);
        let fresh = lease(&index, key(1));
        stale.fill(Value::Blob(1));
        assert_eq!(index.get(&key(1)), None, "nor into another reader's lease");
        drop(fresh);
    }
    let stale = lease(&index, key(1));
    commit(&index, key(1), Some(Value::Blob(2)), true);
    stale.fill(Value::Blob(1));
    assert_eq!(index.get(&key(1)), Some(Value::Blob(2)));
}

#[test]
fn while_a_writer_commits_everybody_asks_the_catalog() {
    let index = Index::new(1 << 20);
    lease(&index, key(1)).fill(Value::Blob(1));
    let effects = HashMap::from([(key(1), Some(Value::Blob(2)))]);
    index.begin(effects.keys());
    assert_eq!(index.get(&key(1)), None, "the old value may be old any moment");
    lease(&index, key(1)).fill(Value::Blob(1));
    assert_eq!(index.get(&key(1)), None, "and what is read now may be old already");
    index.finish(effects, true);
    assert_eq!(index.get(&key(1)), Some(Value::Blob(2)));
}

#[test]
fn a_failed_commit_leaves_nothing_of_itself() {
    let index = Index::new(1 << 20);
    lease(&index, key(1)).fill(Value::Blob(1));
    commit(&index, key(1), Some(Value::Blob(2)), false);
    assert_eq!(index.get(&key(1)), None);
    lease(&index, key(1)).fill(Value::Blob(1));
    assert_eq!(index.get(&key(1)), Some(Value::Blob(1)));
}

#[test]
fn the_bytes_are_bounded_and_what_is_asked_for_stays() {
    let index = Index::new(256 << 10);
    let often = key(0);
    lease(&index, often.clone()).fill(Value::Blob(0));
    for number in 1..20_000 {
        if let Found::Miss(lease) = index.find(key(number)) {
            lease.fill(Value::Blob(1));
        }
        assert_eq!(index.get(&often), Some(Value::Blob(0)), "at {number}");
    }
    let kept = (0..20_000).filter(|number| index.get(&key(*number)).is_some()).count();
    assert!((64..=512).contains(&kept), "{kept} entries of 512 bytes in 256 KiB");
    // Changing the same entries for ever does not grow the queue either.
    for _ in 0..10_000 {
        commit(&index, often.clone(), Some(Value::Blob(1)), true);
    }
    let places: usize = index.shards.iter().map(|shard| shard.read().unwrap().places()).sum();
    assert!(places < 4_096, "{places}");
}
