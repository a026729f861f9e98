//! What a core answers to nodes that want a certificate: join, confirm, renew, and come back.

pub mod delegation;
pub mod entering;
mod error;
pub mod evicting;
pub mod own;
pub mod sharing;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use gossamer_cluster::{Refusal, RefusalKind};
use gossamer_identity::renewal::GRACE;
use gossamer_identity::{
    Authority, Credentials, EvictionsFile, Grant, Identity, JoinToken, LedgerFile, OwnIdentityError, Peer,
    SigningRequest, Validity,
};
use gossamer_wire::{
    JoinConfirm, JoinConfirmed, JoinRequest, JoinResponse, MeshName, NodeId, ReattestRequest, RenewRequest,
    Role, method,
};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::info;

pub use error::{OpenError, TokenError};
use error::{Unissued, stopped};

/// Beside the CA key, in the core's identity directory.
const LEDGER_FILE: &str = "tokens.json";

/// Who was put out of the mesh, likewise.
const EVICTIONS_FILE: &str = "evictions.json";

/// A token is for a node that is being set up now; a longer life is a standing invitation.
pub const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long a further core may issue before the root certifies it again, which it does at half of that.
const INTERMEDIATE_LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The issuer of one mesh. Cheap to clone; all clones share the authority and the ledger.
#[derive(Clone, Debug)]
pub struct Issuer {
    desk: Arc<Desk>,
}

/// Where certificates are written: used from blocking threads, as the ledger waits for the disk.
#[derive(Debug)]
struct Desk {
    authority: ArcSwap<Authority>,
    ledger: Mutex<LedgerFile>,
    evictions: Mutex<EvictionsFile>,
    /// This core's own: refuses whoever is evicted.
    identity: OnceLock<Identity>,
    /// Counts changes of roots and evictions, for whoever tells others.
    news: watch::Sender<u64>,
    /// Another core has other roots, so that the one that holds the root is to be asked.
    differs: AtomicBool,
    directory: PathBuf,
    /// How long a node certificate holds.
    lifetime: Duration,
    /// QUIC addresses of cores, for tokens and joiners.
    cores: ArcSwap<Vec<SocketAddr>>,
}

// === impl Issuer ===

impl Issuer {
    /// Opens the authority and the token ledger in a core's identity directory; if there is none and none was
    /// brought by [`entering`], makes the root of a new mesh. Blocks on the disk.
    pub fn open(directory: &Path, mesh: &MeshName, lifetime: Duration) -> Result<Self, OpenError> {
        let authority = ArcSwap::from_pointee(Authority::open_or_create(directory, mesh)?);
        let ledger = Mutex::new(LedgerFile::open(&directory.join(LEDGER_FILE))?);
        let evictions = Mutex::new(EvictionsFile::open(&directory.join(EVICTIONS_FILE))?);
        let (directory, cores) = (directory.to_owned(), ArcSwap::default());
        let (identity, news, differs) = (OnceLock::new(), watch::Sender::default(), AtomicBool::default());
        let desk = Desk { authority, ledger, evictions, identity, news, differs, directory, lifetime, cores };
        Ok(Self { desk: Arc::new(desk) })
    }

    /// The identity of this core itself. Blocks on the disk. [`own::keep`] renews it.
    pub fn own_identity(&self) -> Result<Identity, OwnIdentityError> {
        let Desk { authority, directory, lifetime, .. } = &*self.desk;
        let identity = authority.load().own_identity(directory, *lifetime, OffsetDateTime::now_utc())?;
        drop(self.desk.identity.set(identity.clone())); // the first one is the one in use
        self.desk.bar();
        Ok(identity)
    }

    /// Sets where cores are to be reached over QUIC, the one to be asked first in front.
    pub fn advertise(&self, cores: Vec<SocketAddr>) {
        self.desk.cores.store(Arc::new(cores));
    }

    /// A token that lets one node join with `grant`, for at most [`TOKEN_LIFETIME_MAX`].
    pub async fn create_token(&self, grant: Grant, ttl: Duration) -> Result<JoinToken, TokenError> {
        self.at_the_desk(move |desk| desk.create_token(grant, ttl)).await.ok_or(TokenError::Stopped)?
    }

    /// Answers a node that has no certificate: [`method::JOIN`], [`method::CONFIRM`] or
    /// [`method::REATTEST`].
    pub async fn join(&self, method: &str, request: Bytes) -> Result<Bytes, Refusal> {
        match method {
            method::JOIN => self.answer(move |desk| desk.join(&request)).await,
            method::CONFIRM => self.answer(move |desk| desk.confirm(&request)).await,
            method::REATTEST => self.answer(move |desk| desk.reattest(&request)).await,
            _ => Err(Refusal::new(RefusalKind::UnknownMethod, "cores answer join, confirm and reattest")),
        }
    }

    /// Answers a member's [`method::RENEW`] with its next certificate: same node, same grant.
    pub async fn renew(&self, peer: Peer, request: Bytes) -> Result<Bytes, Refusal> {
        self.answer(move |desk| desk.renew(&peer, &request)).await
    }

    async fn answer(
        &self,
        act: impl FnOnce(&Desk) -> Result<Bytes, Unissued> + Send + 'static,
    ) -> Result<Bytes, Refusal> {
        match self.at_the_desk(act).await {
            Some(answer) => answer.map_err(Unissued::refuse),
            None => Err(stopped()),
        }
    }

    /// `None` if the process is stopping.
    async fn at_the_desk<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Desk) -> T + Send + 'static,
    ) -> Option<T> {
        let desk = Arc::clone(&self.desk);
        spawn_blocking(move || act(&desk)).await.ok()
    }
}

// === impl Desk ===

impl Desk {
    fn create_token(&self, grant: Grant, ttl: Duration) -> Result<JoinToken, TokenError> {
        if ttl > TOKEN_LIFETIME_MAX {
            return Err(TokenError::TooLong);
        }
        if grant.media_types.len() > Grant::MEDIA_TYPES_MAX {
            return Err(TokenError::TooBroad);
        }
        let cores = self.cores.load().to_vec();
        if cores.is_empty() {
            return Err(TokenError::NoAddress);
        }
        let authority = self.authority.load();
        if grant.role == Role::Core && !authority.is_root() {
            return Err(TokenError::NotTheRoot);
        }
        let token = JoinToken::new(cores, authority.mesh().clone(), authority.pin(), grant)?;
        let now = OffsetDateTime::now_utc();
        self.ledger(|ledger| {
            ledger.update(|ledger| ledger.create(&token, now + ttl, now).map_err(TokenError::from))
        })?;
        info!(token = %token.id(), role = %token.grant().role, ttl_s = ttl.as_secs(), "Token created");
        Ok(token)
    }

    /// Attests the token, issues, and has on disk what was issued before anybody is told.
    fn join(&self, request: &[u8]) -> Result<Bytes, Unissued> {
        let JoinRequest { token_id, secret, csr, authority_csr } = JoinRequest::decode(request)?;
        let (id, secret) = (token_id.parse()?, secret.parse()?);
        let request = SigningRequest::parse(&csr)?;
        self.admit(request.node())?;
        let (issued, authority) = self.ledger(|ledger| {
            ledger.update(|ledger| {
                let grant = ledger.attest(id, &secret, request.key_digest(), OffsetDateTime::now_utc())?;
                let authority = match (&grant.role, authority_csr) {
                    (Role::Core, Some(csr)) => self.delegate(&SigningRequest::parse(&csr)?)?,
                    (Role::Core, None) => return Err(Unissued::NoAuthorityKey),
                    (Role::Plugin(_) | Role::Agent, _) => Vec::new(),
                };
                let credentials = self.issue("join", &request, request.node(), &grant)?;
                ledger.issued(id, credentials.leaf_digest());
                Ok::<_, Unissued>((credentials, authority))
            })
        })?;
        info!(token = %id, node = %request.node(), is_core = !authority.is_empty(), "Node joins");
        Ok(JoinResponse { authority, ..self.response(&issued) }.encode())
    }

    fn confirm(&self, request: &[u8]) -> Result<Bytes, Unissued> {
        let JoinConfirm { token_id, secret, certificate_digest } = JoinConfirm::decode(request)?;
        let (id, secret) = (token_id.parse()?, secret.parse()?);
        self.ledger(|ledger| {
            ledger.update(|ledger| ledger.confirm(id, &secret, certificate_digest).map_err(Unissued::from))
        })?;
        info!(token = %id, "Token burnt");
        Ok(JoinConfirmed.encode())
    }

    fn reattest(&self, request: &[u8]) -> Result<Bytes, Unissued> {
        let ReattestRequest { csr, chain } = ReattestRequest::decode(request)?;
        let request = SigningRequest::parse(&csr)?;
        let peer = self.authority.load().reattest(&request, &chain, OffsetDateTime::now_utc())?;
        self.admit(peer.id.node)?;
        let issued = self.issue("reattest", &request, peer.id.node, &peer.grant)?;
        info!(node = %peer.id.node, role = %peer.id.role, ended = %peer.not_after, "Node comes back");
        Ok(self.response(&issued).encode())
    }

    /// The connection that the request came over may have outlived the certificate that opened it. That is
    /// as good as coming back with it, for as long.
    fn renew(&self, peer: &Peer, request: &[u8]) -> Result<Bytes, Unissued> {
        self.admit(peer.id.node)?;
        if peer.not_after.saturating_add(GRACE) < OffsetDateTime::now_utc() {
            return Err(Unissued::Ended);
        }
        let RenewRequest { csr } = RenewRequest::decode(request)?;
        let request = SigningRequest::parse(&csr)?;
        let issued = self.issue("renew", &request, peer.id.node, &peer.grant)?;
        Ok(self.response(&issued).encode())
    }

    fn issue(
        &self,
        occasion: &'static str,
        request: &SigningRequest,
        node: NodeId,
        grant: &Grant,
    ) -> Result<Credentials, Unissued> {
        let validity = Validity::starting(OffsetDateTime::now_utc(), self.lifetime);
        let issued = self.authority.load().issue(request, node, grant, validity)?;
        metrics::counter!("gossamer_identity_issued_total", "occasion" => occasion).increment(1);
        Ok(issued)
    }

    /// Certifies a core's CA key.
    fn delegate(&self, request: &SigningRequest) -> Result<Vec<Bytes>, Unissued> {
        let validity = Validity::starting(OffsetDateTime::now_utc(), INTERMEDIATE_LIFETIME);
        let certificates = self.authority.load().delegate(request, validity)?;
        metrics::counter!("gossamer_identity_issued_total", "occasion" => "delegate").increment(1);
        Ok(certificates.iter().map(|der| der.to_vec().into()).collect())
    }

    fn response(&self, issued: &Credentials) -> JoinResponse {
        issued.to_response(self.authority.load().mesh().clone(), self.cores.load().to_vec())
    }

    /// A panic elsewhere leaves the ledger as it was: `update` changes it last.
    fn ledger<T>(&self, act: impl FnOnce(&mut LedgerFile) -> T) -> T {
        act(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
