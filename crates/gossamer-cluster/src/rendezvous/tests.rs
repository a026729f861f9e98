//! Keys spread evenly, stay where they are, and are where they were in earlier versions.

use super::*;

fn nodes(count: u8) -> Vec<NodeId> {
    (0..count).map(|index| NodeId::from_bytes([index; 16])).collect()
}

fn owner(nodes: &[NodeId], key: &str) -> NodeId {
    rank(nodes.iter().copied(), key)[0]
}

#[test]
fn the_order_does_not_depend_on_who_is_named_first() {
    let forwards = nodes(9);
    let backwards: Vec<_> = forwards.iter().rev().copied().collect();
    assert_eq!(rank(forwards, "yum/epel"), rank(backwards, "yum/epel"));
}

#[test]
fn when_a_node_goes_only_its_keys_move_and_each_to_its_next() {
    let all = nodes(7);
    let gone = all[3];
    let rest: Vec<_> = all.iter().copied().filter(|node| *node != gone).collect();
    for key in (0..1_000).map(|key| format!("repository/{key}")) {
        let before = rank(all.iter().copied(), &key);
        let expected = if before[0] == gone { before[1] } else { before[0] };
        assert_eq!(owner(&rest, &key), expected, "{key}");
    }
}

#[test]
fn keys_spread_evenly() {
    let nodes = nodes(5);
    let mut owned = vec![0_u32; nodes.len()];
    for key in (0..10_000).map(|key| format!("repository/{key}")) {
        let owner = owner(&nodes, &key);
        owned[nodes.iter().position(|node| *node == owner).unwrap()] += 1;
    }
    assert!(owned.iter().all(|owned| (1_800..2_200).contains(owned)), "{owned:?}");
}

#[test]
fn owners_are_the_same_in_every_version() {
    // Nodes of two versions must agree: if this fails, the change is one of the protocol.
    let ranked = rank(nodes(4), "yum/epel/9");
    let order: Vec<u8> = ranked.iter().map(|node| node.as_bytes()[0]).collect();
    assert_eq!(order, [3, 1, 2, 0]);
}
