//! How long a connection may live: no longer than the certificates that opened it, and not beyond an eviction.

use std::time::{Duration, SystemTime};

use gossamer_identity::{Identity, Peer};
use tokio::time::{sleep, timeout};

/// Why a peer may not stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwelcome {
    /// The certificate that it showed has ended.
    Expired,
    /// It was evicted.
    Evicted,
}

/// Ready once the peer may not stay, whatever it is doing. The connection is to be closed then.
pub async fn until_unwelcome(identity: &Identity, peer: &Peer) -> Unwelcome {
    let mut evicted = identity.evicted();
    let barred = async { drop(evicted.wait_for(|nodes| nodes.contains(&peer.id.node)).await) };
    match timeout(rest(peer.not_after.into()), barred).await {
        Ok(()) => Unwelcome::Evicted,
        Err(_) => Unwelcome::Expired,
    }
}

/// For how long new requests may go over a connection that was just made. Whoever dials leaves it before the other end
/// asks for that, so that no request meets a connection that is being closed.
pub fn fresh_for(identity: &Identity, peer: &Peer) -> Duration {
    rest(peer.not_after.min(identity.validity().not_after).into()) / 2
}

/// Ready once requests had better go over a new connection, which shows newer certificates: three quarters of the
/// way to the end of either certificate. What is under way then has the last quarter to finish.
pub async fn until_stale(identity: &Identity, peer: &Peer) {
    let ends = peer.not_after.min(identity.validity().not_after);
    sleep(rest(ends.into()) * 3 / 4).await;
}

fn rest(end: SystemTime) -> Duration {
    end.duration_since(SystemTime::now()).unwrap_or_default()
}
