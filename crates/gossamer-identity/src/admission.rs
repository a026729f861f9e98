//! Whether what a core answered to a joining node is what its token says.

use gossamer_wire::JoinResponse;

use crate::identity::InvalidCredentials;
use crate::{Credentials, Identity, JoinToken, NodeKey};

/// Why the answer is not taken. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    #[error("the core certified something else than the token grants")]
    NotAsGranted,
    #[error("the core's answer does not contain the root that the token pins")]
    NotThePinnedRoot,
    #[error("the new certificate cannot be used")]
    Invalid(#[from] InvalidCredentials),
}

/// The identity that `response` makes of `key`, checked against everything that the token says.
pub fn admit(key: NodeKey, token: &JoinToken, response: &JoinResponse) -> Result<Identity, NotAdmitted> {
    let node = key.node();
    let identity = Identity::new(key, Credentials::from_response(response))?;
    if !identity.pins().contains(&token.pin()) {
        return Err(NotAdmitted::NotThePinnedRoot);
    }
    let (peer, granted) = (identity.peer(), token.grant());
    if peer.id.mesh != *token.mesh() || peer.id.node != node || peer.grant != *granted {
        return Err(NotAdmitted::NotAsGranted);
    }
    Ok(identity)
}
