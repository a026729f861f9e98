//! Getting an announcement from the node that makes it, and believing no more than can be checked.

use std::time::Duration;

use gossamer_cluster::Cluster;
use gossamer_identity::Peer;
use gossamer_oci::Digest;
use gossamer_wire::{Announcement, PullRequest, PullResponse, method};
use tokio::time::timeout;

use super::instance::Instance;
use super::roster::{Hint, PullFailure};
use crate::chain::Chain;
use crate::proxy::Pool;

/// An announcement is at most a few megabytes, from a node that is known to be alive.
const PULL_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks the announcing node itself, by digest, then looks at the certificate of the address that it
/// announces: it must be that node's, for that plugin, and grant every media type claimed.
pub(super) async fn pull(cluster: &Cluster, proxy: &Pool, hint: &Hint) -> Result<Announcement, PullFailure> {
    let request = PullRequest { digest: hint.announcement }.encode();
    let answer = timeout(PULL_TIMEOUT, cluster.call(hint.node, method::PULL, request))
        .await
        .map_err(|_| unanswered("it did not answer in time"))?
        .map_err(|error| unanswered(Chain(&error)))?;
    let response = PullResponse::decode(&answer).map_err(|error| unacceptable(Chain(&error)))?;
    let content = response.announcement.ok_or_else(|| unanswered("it has no announcement of that digest"))?;
    let announcement = read(hint, &content).map_err(unacceptable)?;
    let peer = proxy
        .peer(&Instance::of(&announcement, hint.announcement))
        .await
        .map_err(|error| unanswered(Chain(&error)))?;
    check_grant(&announcement, &peer).map_err(unacceptable)?;
    Ok(announcement)
}

/// Content that hashes to the digest and speaks of the node and the plugin that gossip named.
pub(super) fn read(hint: &Hint, content: &[u8]) -> Result<Announcement, String> {
    let actual = Digest::sha256(content);
    if actual != hint.announcement {
        return Err(format!("its announcement hashes to {actual}, not to {}", hint.announcement));
    }
    let announcement = Announcement::decode(content).map_err(|error| Chain(&error).to_string())?;
    if announcement.node != hint.node {
        return Err(format!("it announces for the node {}", announcement.node));
    }
    if announcement.plugin != hint.plugin {
        return Err(format!("it announces the plugin {}", announcement.plugin));
    }
    Ok(announcement)
}

/// Every media type claimed must be in the certificate's grant.
pub(super) fn check_grant(announcement: &Announcement, peer: &Peer) -> Result<(), String> {
    match announcement.media_types.iter().find(|media_type| !peer.grant.allows(media_type)) {
        Some(media_type) => Err(format!("its certificate does not grant {media_type}")),
        None => Ok(()),
    }
}

fn unanswered(reason: impl ToString) -> PullFailure {
    PullFailure::Unanswered(reason.to_string())
}

fn unacceptable(reason: impl ToString) -> PullFailure {
    PullFailure::Unacceptable(reason.to_string())
}
