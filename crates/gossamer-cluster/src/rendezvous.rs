//! Which node owns a key: rendezvous hashing, the same on every node and in every version.

use std::cmp::Reverse;

use gossamer_wire::NodeId;

/// The nodes in the order in which they are responsible for `key`, the owner first.
///
/// When a node goes, only its own keys move, each to the next in this order.
pub fn rank(nodes: impl IntoIterator<Item = NodeId>, key: &str) -> Vec<NodeId> {
    let key = scramble(key.as_bytes());
    let mut ranked: Vec<_> = nodes.into_iter().collect();
    ranked.sort_unstable_by_key(|node| Reverse((weight(key, node), *node)));
    ranked
}

/// How much a node is responsible for a key, given [`scramble`] of that key.
pub(crate) fn weight(key: u64, node: &NodeId) -> u64 {
    finish(key ^ scramble(node.as_bytes()))
}

/// FNV-1a over the bytes, then a finisher that lets every bit count.
pub(crate) fn scramble(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    finish(fnv)
}

/// The finisher of SplitMix64.
fn finish(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests;
