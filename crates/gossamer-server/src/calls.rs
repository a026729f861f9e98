//! What a core answers to other nodes' calls.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use gossamer_cluster::{Calls, Refusal, RefusalKind, Witness};
use gossamer_identity::Peer;
use gossamer_wire::{PullRequest, PullResponse, Role, method};

use crate::directory::Directory;
use crate::issuer::Issuer;

/// Certificates for all who may have them; for cores, by what this one routes.
pub(crate) struct CoreCalls {
    pub(crate) issuer: Issuer,
    /// Set when the directory is there, which needs the cluster, which needs this.
    pub(crate) directory: Arc<OnceLock<Directory>>,
    pub(crate) witness: Witness,
}

impl Calls for CoreCalls {
    async fn call(&self, peer: Peer, method: &str, request: Bytes) -> Result<Bytes, Refusal> {
        match method {
            method::RENEW => self.issuer.renew(peer, request).await,
            method::DELEGATE => self.issuer.delegate(peer, request).await,
            method::TRUST => self.issuer.compare(peer, request).await,
            method::ROUTES => Ok(self.directory(&peer)?.snapshot().routes().encode()),
            method::DIAGNOSE => self.witness.answer(&peer).await,
            method::PULL => pull(self.directory(&peer)?, &request),
            _ => Err(Refusal::new(RefusalKind::UnknownMethod, format!("cores do not answer {method:?}"))),
        }
    }

    async fn join(&self, method: &str, request: Bytes) -> Result<Bytes, Refusal> {
        self.issuer.join(method, request).await
    }
}

// === impl CoreCalls ===

impl CoreCalls {
    /// The directory, for those who may look into it.
    fn directory(&self, peer: &Peer) -> Result<&Directory, Refusal> {
        if peer.id.role != Role::Core {
            return Err(Refusal::new(RefusalKind::Forbidden, "cores tell this to cores"));
        }
        self.directory.get().ok_or_else(|| Refusal::new(RefusalKind::Unavailable, "this core has only begun"))
    }
}

/// What a plugin was last routed by here.
fn pull(directory: &Directory, request: &[u8]) -> Result<Bytes, Refusal> {
    let PullRequest { digest } = PullRequest::decode(request)
        .map_err(|error| Refusal::new(RefusalKind::Invalid, error.to_string()))?;
    let announcement = directory.snapshot().announcement(digest).map(|announcement| announcement.encode());
    Ok(PullResponse { announcement }.encode())
}
