//! What a core answers to other nodes' calls.

use bytes::Bytes;
use gossamer_cluster::{Calls, Refusal, RefusalKind};
use gossamer_identity::Peer;
use gossamer_wire::method;

use crate::issuer::Issuer;

/// Certificates, and nothing else: cores announce by being cores.
pub(crate) struct CoreCalls {
    pub(crate) issuer: Issuer,
}

impl Calls for CoreCalls {
    async fn call(&self, peer: Peer, method: &str, request: Bytes) -> Result<Bytes, Refusal> {
        match method {
            method::RENEW => self.issuer.renew(peer, request).await,
            _ => Err(Refusal::new(RefusalKind::UnknownMethod, format!("cores do not answer {method:?}"))),
        }
    }

    async fn join(&self, method: &str, request: Bytes) -> Result<Bytes, Refusal> {
        self.issuer.join(method, request).await
    }
}
