//! The bound of the memory, and who is forgotten first.

use super::*;

fn key(number: usize) -> Key {
    Key::new(Digest::sha256(b"policy"), &number.to_string()).unwrap()
}

fn remembered(number: usize) -> Remembered {
    Remembered { decision: Decision::NotFound { reason: number.to_string() }, lookups: Arc::from([]) }
}

fn shard(capacity: usize) -> Shard {
    Shard { capacity, ..Shard::default() }
}

fn holds(shard: &Shard) -> Vec<usize> {
    let mut numbers: Vec<usize> = shard.places.keys().map(|key| key.input.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_shard_never_holds_more_than_its_capacity() {
    let mut shard = shard(3);
    for number in 0..10 {
        assert_eq!(shard.keep(key(number), remembered(number)), number >= 3);
        assert!(shard.slots.len() <= 3 && shard.places.len() == shard.slots.len());
    }
    assert_eq!(holds(&shard), [7, 8, 9]);
}

#[test]
fn what_was_used_stays_a_round_longer() {
    let mut shard = shard(3);
    for number in 0..3 {
        shard.keep(key(number), remembered(number));
    }
    assert!(shard.find(&key(0)).is_some());
    shard.keep(key(3), remembered(3));
    assert_eq!(holds(&shard), [0, 2, 3]);
}

#[test]
fn a_newer_decision_takes_the_place_of_the_old_one() {
    let mut shard = shard(2);
    shard.keep(key(1), remembered(1));
    shard.keep(key(1), remembered(2));
    assert_eq!(shard.find(&key(1)).unwrap().decision, remembered(2).decision);
    assert_eq!(shard.slots.len(), 1);
}

#[test]
fn without_capacity_nothing_is_kept() {
    let mut shard = shard(0);
    assert!(!shard.keep(key(1), remembered(1)));
    assert!(shard.find(&key(1)).is_none());
}

#[test]
fn long_inputs_are_not_remembered() {
    assert!(Key::new(Digest::sha256(b""), &"x".repeat(KEY_BYTES_MAX + 1)).is_none());
}
