//! What the plugin says of itself, and the calls by which others ask for it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use gossamer_cluster::{Calls, Refusal, RefusalKind, Witness};
use gossamer_identity::Peer;
use gossamer_wire::{Announcement, Generation, NodeId, PullRequest, PullResponse, Record, Role, method};

use crate::Plugin;
use crate::trusting::Trusting;

/// Why the plugin cannot be announced; all of it is the plugin author's to mend.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDeclaration {
    #[error("NAME {0:?} is not a plugin name")]
    Name(&'static str),
    #[error("VERSION {0:?} is not a semantic version")]
    Version(&'static str, #[source] semver::Error),
    #[error("{0:?} in MEDIA_TYPES is not a media type")]
    MediaType(&'static str),
}

/// The announcement of `P` in this life of the node.
pub(crate) fn announcement<P: Plugin>(
    node: NodeId,
    generation: Generation,
    service: SocketAddr,
) -> Result<Announcement, InvalidDeclaration> {
    let media_types = P::MEDIA_TYPES.iter();
    let media_types = media_types.map(|text| text.parse().map_err(|_| InvalidDeclaration::MediaType(text)));
    Ok(Announcement {
        node,
        generation,
        plugin: P::NAME.parse().map_err(|_| InvalidDeclaration::Name(P::NAME))?,
        version: P::VERSION.parse().map_err(|error| InvalidDeclaration::Version(P::VERSION, error))?,
        media_types: media_types.collect::<Result<_, _>>()?,
        kinds: Vec::new(),
        service,
        policy: P::policy(),
    })
}

/// What the node gossips while it is a member that does not serve yet.
///
/// The role is that of the certificate, whatever is announced: others believe no other.
pub(crate) fn silent_record(announcement: &Announcement, role: Role) -> Record {
    Record {
        node: announcement.node,
        revision: 0, // the cluster counts
        generation: announcement.generation,
        role,
        version: Some(announcement.version.clone()),
        service: None,
        announcement: None,
        route_table: None,
        leaving: false,
    }
}

/// What it gossips once it serves.
pub(crate) fn record(announcement: &Announcement, role: Role) -> Record {
    Record {
        service: Some(announcement.service),
        announcement: Some(announcement.digest()),
        ..silent_record(announcement, role)
    }
}

/// What it gossips before it stops.
pub(crate) fn leaving_record(announcement: &Announcement, role: Role) -> Record {
    Record { leaving: true, ..record(announcement, role) }
}

/// Answers the calls of other members: whoever has seen the digest in gossip may pull what it names; cores may ask
/// what this node sees.
#[derive(Clone)]
pub(crate) struct Pulls {
    announcement: Arc<Announcement>,
    witness: Witness,
    trusting: Trusting,
}

// === impl Pulls ===

impl Pulls {
    pub(crate) fn new(announcement: Arc<Announcement>, trusting: Trusting) -> Self {
        Self { announcement, witness: Witness::default(), trusting }
    }

    /// What this node sees, once it has a place in the cluster.
    pub(crate) fn witness(&self) -> &Witness {
        &self.witness
    }

    fn pull(&self, request: &[u8]) -> Result<Bytes, Refusal> {
        let PullRequest { digest } = PullRequest::decode(request)
            .map_err(|error| Refusal::new(RefusalKind::Invalid, error.to_string()))?;
        let encoded = self.announcement.encode();
        let announcement = (self.announcement.digest() == digest).then_some(encoded);
        Ok(PullResponse { announcement }.encode())
    }
}

impl Calls for Pulls {
    async fn call(&self, peer: Peer, method: &str, request: Bytes) -> Result<Bytes, Refusal> {
        match method {
            method::PULL => self.pull(&request),
            method::TRUST => self.trusting.hear(&peer, &request),
            method::DIAGNOSE => self.witness.answer(&peer).await,
            _ => Err(Refusal::new(RefusalKind::UnknownMethod, method)),
        }
    }

    async fn join(&self, _method: &str, _request: Bytes) -> Result<Bytes, Refusal> {
        Err(Refusal::new(RefusalKind::UnknownMethod, "a plugin lets nobody join"))
    }
}

#[cfg(test)]
mod tests;
