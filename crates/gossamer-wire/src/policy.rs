//! The routing policy that a plugin brings along.

use gossamer_oci::{Algorithm, Digest, Hasher};

use crate::codec::bounded;
use crate::error::InvalidMessage;
use crate::proto::mesh::v1 as proto;

/// What the policy engine's own parser takes, and a hundred times what any policy of ours has.
pub(crate) const MODULE_BYTES_MAX: usize = 1024 * 1024;
/// Data is loaded once per version and kept in memory by every core.
pub(crate) const DATA_BYTES_MAX: usize = 1024 * 1024;

/// Keeps this digest from being that of anything else that is hashed.
const DIGEST_DOMAIN: &[u8] = b"gossamer-policy/1\0";

/// A Rego module and its data document. Text, not yet looked at by any engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Rego, at most 1 MiB.
    pub module: String,
    /// JSON, the root of `data`; at most 1 MiB.
    pub data: String,
}

// === impl Policy ===

impl Policy {
    /// The name of this policy: SHA-256 over both texts, each after its length.
    pub fn digest(&self) -> Digest {
        let Self { module, data } = self;
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(DIGEST_DOMAIN);
        for text in [module, data] {
            hasher.update(&(text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finish()
    }
}

impl From<&Policy> for proto::Policy {
    fn from(policy: &Policy) -> Self {
        let Policy { module, data } = policy.clone();
        Self { module, data }
    }
}

impl TryFrom<proto::Policy> for Policy {
    type Error = InvalidMessage;

    fn try_from(wire: proto::Policy) -> Result<Self, InvalidMessage> {
        let proto::Policy { module, data } = wire;
        bounded("policy.module", module.len(), MODULE_BYTES_MAX)?;
        bounded("policy.data", data.len(), DATA_BYTES_MAX)?;
        Ok(Self { module, data })
    }
}
