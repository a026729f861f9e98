//! What SWIM calls a member: a node at an address, in one of its lives.

use std::net::SocketAddr;

use gossamer_wire::NodeId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many generations or revisions others may be ahead of what a node itself has said: no node starts or speaks
/// that often, and as many numbers are left for outbidding.
pub(super) const LEAP: u64 = 1 << 32;

/// The same for renewals.
const LEAP_OF_RENEWALS: u32 = 1 << 16;

/// One life of a node. Travels twice in every packet, so it holds nothing that is not needed there.
///
/// Two presences of one node never live side by side: the later life wins wherever they meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Presence {
    #[serde(serialize_with = "write_node", deserialize_with = "read_node")]
    node: NodeId,
    address: SocketAddr,
    /// Grows with every start of the process.
    generation: u64,
    /// Grows within one life, each time that the others had given the node up.
    renewal: u32,
}

// === impl Presence ===

impl Presence {
    pub fn new(node: NodeId, address: SocketAddr, generation: u64) -> Self {
        Self { node, address, generation, renewal: 0 }
    }

    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Where the node says that it can be dialled. A dial proves who is there.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether this life comes after the other. Only meaningful for two presences of one node.
    pub fn outranks(&self, other: &Self) -> bool {
        self.rank() > other.rank()
    }

    /// The same node at our address, in a life that wins over `other`.
    pub fn outbidding(&self, other: &Self) -> Self {
        let (generation, renewal) = (self.generation, self.renewal).max((other.generation, other.renewal));
        Self { generation, renewal: renewal.saturating_add(1), ..*self }
    }

    /// Whether this life is further beyond another, the last that is known for sure, than a node can have lived. What
    /// is less far can be outbid. Without another: beyond the first.
    pub(super) fn leaps_beyond(&self, known: Option<&Self>) -> bool {
        let generation = known.map_or(0, |known| known.generation);
        let same = known.filter(|known| known.generation == self.generation);
        let renewal = same.map_or(0, |known| known.renewal);
        self.generation > generation.saturating_add(LEAP)
            || self.renewal > renewal.saturating_add(LEAP_OF_RENEWALS)
    }

    fn rank(&self) -> (u64, u32, SocketAddr) {
        (self.generation, self.renewal, self.address)
    }
}

impl foca::Identity for Presence {
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        Some(self.outbidding(self))
    }

    fn addr(&self) -> NodeId {
        self.node
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.outranks(adversary)
    }
}

/// Sixteen bytes, where the readable form would take thirty-three.
fn write_node<S: Serializer>(node: &NodeId, serializer: S) -> Result<S::Ok, S::Error> {
    node.as_bytes().serialize(serializer)
}

fn read_node<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NodeId, D::Error> {
    <[u8; 16]>::deserialize(deserializer).map(NodeId::from_bytes)
}
