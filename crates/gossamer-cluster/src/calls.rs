//! What a node answers when others call it.

use std::future::Future;

use bytes::Bytes;
use gossamer_identity::Peer;

use crate::error::Refusal;

/// The longest request or answer of a call between members, in bytes: an announcement with its policy and data.
pub const CALL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest request of a node that has no certificate yet, in bytes: a token and a signing request.
pub const JOIN_BYTES_MAX: usize = 64 * 1024;

/// What a node answers when others call it. Bounded in size, time and number before it gets here.
pub trait Calls: Send + Sync + 'static {
    /// A member calls. Its certificate has been verified; what it may ask for is to be decided here.
    fn call(
        &self,
        peer: Peer,
        method: &str,
        request: Bytes,
    ) -> impl Future<Output = Result<Bytes, Refusal>> + Send;

    /// Somebody without a certificate calls; only what is in the request can speak for them.
    fn join(&self, method: &str, request: Bytes) -> impl Future<Output = Result<Bytes, Refusal>> + Send;
}
