//! The list of evicted nodes: what is news, what is forgotten, what survives.

use time::macros::datetime;

use super::*;

const NOON: OffsetDateTime = datetime!(2030-01-01 12:00 UTC);

fn eviction(node: u16, until: OffsetDateTime) -> Eviction {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&node.to_be_bytes());
    Eviction { node: NodeId::from_bytes(id), until: until.unix_timestamp() }
}

#[test]
fn two_lists_that_hear_of_each_other_are_the_same() {
    let hour = time::Duration::HOUR;
    let (mut one, mut other) = (Evictions::default(), Evictions::default());
    assert_eq!(one.evict(eviction(1, NOON + hour), NOON), Ok(true));
    assert_eq!(one.evict(eviction(1, NOON + hour), NOON), Ok(false), "it is known");
    other.evict(eviction(1, NOON + hour * 2), NOON).unwrap();
    other.evict(eviction(2, NOON + hour), NOON).unwrap();

    let (ours, theirs): (Vec<_>, Vec<_>) = (one.iter().collect(), other.iter().collect());
    assert!(one.merge(&theirs, NOON));
    assert!(!other.merge(&ours, NOON));
    assert_eq!(one, other);
}

#[test]
fn what_has_ended_is_forgotten_and_not_learnt_again() {
    let mut evictions = Evictions::default();
    let old = eviction(1, NOON);
    evictions.evict(old, NOON).unwrap();
    let later = NOON + time::Duration::HOUR;
    assert_eq!(evictions.evict(eviction(2, later), later), Ok(true));
    assert!(!evictions.contains(old.node));
    assert!(!evictions.merge(&[old], later));
}

#[test]
fn the_list_has_an_end() {
    let mut evictions = Evictions::default();
    for node in 0..Trust::EVICTIONS_MAX {
        evictions.evict(eviction(u16::try_from(node).unwrap(), NOON), NOON).unwrap();
    }
    assert_eq!(evictions.evict(eviction(u16::MAX, NOON), NOON), Err(EvictionsFull));
    assert_eq!(evictions.nodes().len(), Trust::EVICTIONS_MAX);
}

#[test]
fn an_eviction_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("evictions.json");
    let out = eviction(1, NOON);
    let mut file = EvictionsFile::open(&path).unwrap();
    let evict = |list: &mut Evictions| Ok::<_, EvictionsFileError>(list.evict(out, NOON).unwrap());
    assert!(file.update(evict).unwrap());
    assert!(EvictionsFile::open(&path).unwrap().evictions().contains(out.node));
}
