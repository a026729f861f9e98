//! Who a node is, for as long as its data directory lives.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const LENGTH: usize = 16;

/// The random, stable name of one node: 16 bytes, written as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId([u8; LENGTH]);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node id is 16 bytes, written as 32 lower-case hex digits")]
pub struct InvalidNodeId;

// === impl NodeId ===

impl NodeId {
    /// A new id from the thread's cryptographic generator; nobody else will draw the same.
    pub fn random() -> Self {
        Self(rand::random())
    }

    pub const fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl TryFrom<&[u8]> for NodeId {
    type Error = InvalidNodeId;

    fn try_from(bytes: &[u8]) -> Result<Self, InvalidNodeId> {
        bytes.try_into().map(Self).map_err(|_| InvalidNodeId)
    }
}

impl FromStr for NodeId {
    type Err = InvalidNodeId;

    fn from_str(text: &str) -> Result<Self, InvalidNodeId> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidNodeId);
        }
        let mut bytes = [0; LENGTH];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidNodeId)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for NodeId {
    type Error = InvalidNodeId;

    fn try_from(text: String) -> Result<Self, InvalidNodeId> {
        text.parse()
    }
}

impl From<NodeId> for String {
    fn from(node: NodeId) -> Self {
        node.to_string()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}
