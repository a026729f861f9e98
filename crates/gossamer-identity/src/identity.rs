//! What a node is at present, as one handle whose TLS configurations follow renewals.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use gossamer_wire::{NodeId, ReattestRequest, Role};
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use crate::certificate::{Certificate, InvalidCertificate};
use crate::credentials::CredentialsError;
use crate::key::KeyError;
use crate::tls::{self, Trust};
use crate::{ClientAuth, Credentials, NodeKey, Peer, Pin, SpiffeId, TlsError, Validity};

/// A node's key and its present certificates. Cheap to clone; all clones see a replacement at once, and
/// so do the TLS configurations made from them, at the next handshake.
#[derive(Clone)]
pub struct Identity {
    shared: Arc<Shared>,
}

struct Shared {
    key: NodeKey,
    bases: tls::Bases,
    standing: Arc<Standing>,
}

/// What every handshake looks at: who this node is at the moment, and whom it does not talk to.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) current: ArcSwap<Current>,
    pub(crate) evicted: watch::Sender<Arc<BTreeSet<NodeId>>>,
}

/// One set of certificates, with everything that a handshake needs of them.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) own: Peer,
    pub(crate) validity: Validity,
    pub(crate) credentials: Credentials,
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) trust: Trust,
}

/// Why certificates cannot be a node's. What it had before stays in use.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCredentials {
    #[error("the certificate is not one of a mesh")]
    Certificate(#[from] InvalidCertificate),
    #[error("the certificate is not for this node's key")]
    Key(#[source] rustls::Error),
    #[error("the roots cannot be trusted")]
    Roots(#[source] TlsError),
    #[error("the certificate does not lead to the roots that came with it")]
    Chain(#[source] rustls::Error),
    #[error("the certificate is for {actual}, but this node is {expected}")]
    OtherNode { expected: SpiffeId, actual: SpiffeId },
}

/// Why a node's stored identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the stored key is unusable")]
    Key(#[from] KeyError),
    #[error("the stored certificates are unusable")]
    Files(#[from] CredentialsError),
    #[error("the stored certificates are unusable")]
    Invalid(#[from] InvalidCredentials),
}

// === impl Identity ===

impl Identity {
    /// Checks that the certificates are for `key` and lead to their roots; looks at no date, so that a
    /// node whose certificate has ended can still ask for a new one.
    pub fn new(key: NodeKey, credentials: Credentials) -> Result<Self, InvalidCredentials> {
        let bases = tls::Bases::new().map_err(InvalidCredentials::Roots)?;
        let current = ArcSwap::from_pointee(Current::new(&key, credentials)?);
        let standing = Arc::new(Standing { current, evicted: watch::Sender::default() });
        Ok(Self { shared: Arc::new(Shared { key, bases, standing }) })
    }

    /// What [`store`](Self::store) left in this directory, `None` if the node never joined.
    pub fn load(directory: &Path) -> Result<Option<Self>, LoadError> {
        let key = NodeKey::load(directory)?;
        let credentials = Credentials::load(directory)?;
        match key.zip(credentials) {
            Some((key, credentials)) => Ok(Some(Self::new(key, credentials)?)),
            None => Ok(None),
        }
    }

    /// Writes the certificates beside the key that [`NodeKey::load_or_create`] made there. Whole and
    /// synced, or not at all.
    pub fn store(&self, directory: &Path) -> Result<(), CredentialsError> {
        self.current().credentials.store(directory)
    }

    /// Takes renewed certificates into use: the next handshake of every configuration shows them.
    /// Connections that are open stay so.
    pub fn replace(&self, credentials: Credentials) -> Result<(), InvalidCredentials> {
        let next = Current::new(&self.shared.key, credentials)?;
        let expected = self.id();
        if next.own.id != expected {
            return Err(InvalidCredentials::OtherNode { expected, actual: next.own.id });
        }
        self.shared.standing.current.store(Arc::new(next));
        Ok(())
    }

    /// Refuses every handshake with these nodes from now on, and no others. Who holds connections to them hears of
    /// it by [`evicted`](Self::evicted).
    pub fn evict(&self, nodes: BTreeSet<NodeId>) {
        self.shared.standing.evicted.send_if_modified(|evicted| {
            let changed = **evicted != nodes;
            if changed {
                *evicted = Arc::new(nodes);
            }
            changed
        });
    }

    /// The nodes that may not speak any more, although their certificates may not have ended.
    pub fn evicted(&self) -> watch::Receiver<Arc<BTreeSet<NodeId>>> {
        self.shared.standing.evicted.subscribe()
    }

    pub fn id(&self) -> SpiffeId {
        self.current().own.id.clone()
    }

    pub fn node(&self) -> NodeId {
        self.current().own.id.node
    }

    /// This node as its peers see it.
    pub fn peer(&self) -> Peer {
        self.current().own.clone()
    }

    /// From when to when the present certificate holds; its end is worth a metric.
    pub fn validity(&self) -> Validity {
        self.current().validity
    }

    /// The pin of each root that this node trusts.
    pub fn pins(&self) -> Vec<Pin> {
        self.current().credentials.roots.iter().filter_map(|root| Pin::of(root).ok()).collect()
    }

    /// X.509, DER: whom this node trusts.
    pub fn roots(&self) -> Vec<CertificateDer<'static>> {
        self.current().credentials.roots.clone()
    }

    /// A PKCS #10 request, DER, for the next certificate of the same key.
    pub fn signing_request(&self) -> Result<Vec<u8>, KeyError> {
        self.shared.key.signing_request()
    }

    /// What to send to a core after the certificate has ended; see [`crate::renewal::Step::Reattest`].
    pub fn reattest_request(&self) -> Result<ReattestRequest, KeyError> {
        let chain = self.current().credentials.chain.iter().map(|der| der.to_vec().into()).collect();
        Ok(ReattestRequest { csr: self.signing_request()?.into(), chain })
    }

    /// See [`NodeKey::reset_key`].
    pub fn reset_key(&self) -> [u8; 64] {
        self.shared.key.reset_key()
    }

    /// For accepting connections under any of `alpns`, most wanted first. TLS 1.3 only.
    pub fn server_config(&self, alpns: &[&[u8]], clients: ClientAuth) -> Arc<rustls::ServerConfig> {
        tls::server_config(&self.shared.bases, &self.shared.standing, alpns, clients)
    }

    /// For dialling any node of this mesh. Who answered is to be checked after the handshake, by
    /// [`Peer::from_chain`]; names and addresses are not in the certificates. TLS 1.3 only.
    pub fn client_config(&self, alpns: &[&[u8]]) -> Arc<rustls::ClientConfig> {
        tls::client_config(&self.shared.bases, &self.shared.standing, alpns)
    }

    fn current(&self) -> arc_swap::Guard<Arc<Current>> {
        self.shared.standing.current.load()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.id())
    }
}

// === impl Current ===

impl Current {
    fn new(key: &NodeKey, credentials: Credentials) -> Result<Self, InvalidCredentials> {
        let own = Peer::from_chain(&credentials.chain)?;
        let leaf = credentials.chain.first().ok_or(InvalidCertificate::Empty)?;
        let validity = Certificate::parse(leaf)?.validity();
        let trust = Trust::new(&credentials.roots).map_err(InvalidCredentials::Roots)?;
        trust.verify_chain(&credentials.chain, validity.not_before).map_err(InvalidCredentials::Chain)?;
        let certified = CertifiedKey::from_der(shown(&own, &credentials), key.to_der(), tls::provider())
            .map_err(InvalidCredentials::Key)?;
        Ok(Self { own, validity, certified: Arc::new(certified), trust, credentials })
    }
}

/// What a node shows of itself. Cores add the root, for joiners that know nothing but its pin.
fn shown(own: &Peer, credentials: &Credentials) -> Vec<CertificateDer<'static>> {
    let roots = match own.id.role {
        Role::Core => credentials.roots.as_slice(),
        Role::Plugin(_) | Role::Agent => &[],
    };
    credentials.chain.iter().chain(roots).cloned().collect()
}

#[cfg(test)]
mod tests;
