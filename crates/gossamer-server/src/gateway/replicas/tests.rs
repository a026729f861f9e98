//! Tests of who is asked first.

use gossamer_oci::Digest;
use gossamer_wire::{Generation, NodeId};

use super::*;

fn instance(node: u8, version: &str) -> Instance {
    Instance {
        node: NodeId::from_bytes([node; 16]),
        generation: Generation::new(1),
        plugin: "yum".parse().unwrap(),
        version: version.parse().unwrap(),
        service: "127.0.0.1:1".parse().unwrap(),
        announcement: Digest::sha256(&[node]),
    }
}

#[test]
fn every_core_asks_in_the_same_order() {
    let one = [instance(1, "1.0.0"), instance(2, "1.0.0"), instance(3, "1.0.0")];
    let mut other = one.clone();
    other.reverse();
    let version = "1.0.0".parse().unwrap();
    assert_eq!(order(&one, &version, "artifacts/yum/r"), order(&other, &version, "artifacts/yum/r"));
}

#[test]
fn the_version_that_decided_comes_first() {
    let instances = [instance(1, "1.0.0"), instance(2, "2.0.0"), instance(3, "1.0.0")];
    for key in ["a", "b", "c", "d"] {
        assert_eq!(order(&instances, &"2.0.0".parse().unwrap(), key)[0].node, NodeId::from_bytes([2; 16]));
    }
}

#[test]
fn different_keys_go_to_different_instances() {
    let instances = [instance(1, "1.0.0"), instance(2, "1.0.0")];
    let version = "1.0.0".parse().unwrap();
    let owner = |key: u32| order(&instances, &version, &key.to_string())[0].node;
    assert!((0..64).any(|key| owner(key) != owner(0)));
}

#[test]
fn who_is_silent_comes_last_and_who_is_left_alone_is_not_asked() {
    let ranked = (1..=4).map(|node| instance(node, "1.0.0")).collect();
    let standing = |instance: &Instance| match instance.node.as_bytes()[0] {
        1 => Standing::Ejected,
        2 => Standing::Stalled,
        _ => Standing::Well,
    };
    let candidates = candidates(ranked, standing);
    let order = |candidate: &Candidate| candidate.instance.node.as_bytes()[0];
    assert_eq!(candidates.iter().map(order).collect::<Vec<_>>(), [3, 4, 2, 1]);
    assert_eq!(candidates.iter().filter(|candidate| candidate.is_asked()).count(), 3);
}
