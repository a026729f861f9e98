//! A core that can do nothing but issue, on loopback: for the tests of joining and renewing.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gossamer_cluster::{Calls, Cluster, Config, Refusal, RefusalKind, Tuning};
use gossamer_identity::{
    Authority, Credentials, Grant, Identity, JoinToken, Ledger, NodeKey, Peer, SigningRequest, Validity,
};
use gossamer_wire::{
    Generation, JoinConfirm, JoinConfirmed, JoinRequest, ReattestRequest, Record, RenewRequest, Role, method,
};
use tempfile::TempDir;
use time::OffsetDateTime;

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);

/// The issuer and its mesh of one.
pub(crate) struct TestIssuer {
    desk: Arc<Desk>,
    cluster: Cluster,
    _directory: TempDir,
}

struct Desk {
    authority: Authority,
    ledger: Mutex<Ledger>,
    refuse_confirmations: AtomicBool,
}

/// The desk as the calls of others see it.
struct Counter(Arc<Desk>);

/// A member that answers nothing.
struct Silent;

// === impl TestIssuer ===

impl TestIssuer {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(directory.path(), &"dev".parse().unwrap()).unwrap();
        let own = authority.own_identity(directory.path(), HOUR, OffsetDateTime::now_utc()).unwrap();
        let desk = Desk { authority, ledger: Mutex::default(), refuse_confirmations: AtomicBool::new(false) };
        let desk = Arc::new(desk);
        let config = config(directory.path(), Vec::new());
        let cluster = config.join(own.clone(), record(&own), Counter(desk.clone())).await.unwrap();
        Self { desk, cluster, _directory: directory }
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.desk.authority
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.cluster.local_addr()
    }

    pub(crate) fn token(&self, grant: Grant) -> JoinToken {
        let authority = self.authority();
        let (mesh, pin) = (authority.mesh().clone(), authority.pin());
        let token = JoinToken::new(vec![self.address()], mesh, pin, grant).unwrap();
        let now = OffsetDateTime::now_utc();
        self.desk.ledger.lock().unwrap().create(&token, now + HOUR, now).unwrap();
        token
    }

    pub(crate) fn open_tokens(&self) -> usize {
        self.desk.ledger.lock().unwrap().open(OffsetDateTime::now_utc())
    }

    pub(crate) fn refuse_confirmations(&self, refuse: bool) {
        self.desk.refuse_confirmations.store(refuse, Ordering::SeqCst);
    }

    /// An identity issued at `issued`, for a day.
    pub(crate) fn enrol(&self, key: NodeKey, issued: OffsetDateTime) -> Identity {
        self.authority().enrol(key, &yum(), HOUR * 24, issued).unwrap()
    }
}

pub(crate) fn yum() -> Grant {
    Grant {
        role: Role::Plugin("yum".parse().unwrap()),
        media_types: vec!["application/vnd.yum.*".parse().unwrap()],
    }
}

/// Takes a place in the mesh of `seeds`.
pub(crate) async fn member(directory: &Path, identity: &Identity, seeds: Vec<SocketAddr>) -> Cluster {
    config(directory, seeds).join(identity.clone(), record(identity), Silent).await.unwrap()
}

fn config(directory: &Path, seeds: Vec<SocketAddr>) -> Config {
    Config {
        bind: "127.0.0.1:0".parse().unwrap(),
        advertise: None,
        seeds,
        directory: directory.join("cluster"),
        tuning: Tuning::default(),
    }
}

fn record(identity: &Identity) -> Record {
    Record {
        node: identity.node(),
        revision: 1,
        generation: Generation::new(1),
        role: identity.id().role,
        version: None,
        service: None,
        announcement: None,
        route_table: None,
        leaving: false,
    }
}

// === impl Desk ===

impl Desk {
    fn join(&self, request: &[u8]) -> Result<Bytes, Refusal> {
        let JoinRequest { token_id, secret, csr, authority_csr: _ } = JoinRequest::decode(request).unwrap();
        let (id, secret) = (token_id.parse().unwrap(), secret.parse().unwrap());
        let request = SigningRequest::parse(&csr).unwrap();
        let mut ledger = self.ledger.lock().unwrap();
        let grant = ledger.attest(id, &secret, request.key_digest(), OffsetDateTime::now_utc());
        let grant = grant.map_err(|error| forbidden(error.to_string()))?;
        let issued = self.issue(&request, request.node(), &grant);
        ledger.issued(id, issued.leaf_digest());
        Ok(self.response(&issued))
    }

    fn confirm(&self, request: &[u8]) -> Result<Bytes, Refusal> {
        if self.refuse_confirmations.load(Ordering::SeqCst) {
            return Err(Refusal::new(RefusalKind::Unavailable, "not now"));
        }
        let JoinConfirm { token_id, secret, certificate_digest } = JoinConfirm::decode(request).unwrap();
        let (id, secret) = (token_id.parse().unwrap(), secret.parse().unwrap());
        let confirmed = self.ledger.lock().unwrap().confirm(id, &secret, certificate_digest);
        confirmed.map_err(|error| forbidden(error.to_string()))?;
        Ok(JoinConfirmed.encode())
    }

    fn reattest(&self, request: &[u8]) -> Result<Bytes, Refusal> {
        let ReattestRequest { csr, chain } = ReattestRequest::decode(request).unwrap();
        let request = SigningRequest::parse(&csr).unwrap();
        let peer = self.authority.reattest(&request, &chain, OffsetDateTime::now_utc());
        let peer = peer.map_err(|error| forbidden(error.to_string()))?;
        Ok(self.response(&self.issue(&request, peer.id.node, &peer.grant)))
    }

    fn issue(&self, request: &SigningRequest, node: gossamer_wire::NodeId, grant: &Grant) -> Credentials {
        let validity = Validity::starting(OffsetDateTime::now_utc(), HOUR);
        self.authority.issue(request, node, grant, validity).unwrap()
    }

    fn response(&self, issued: &Credentials) -> Bytes {
        issued.to_response(self.authority.mesh().clone(), Vec::new()).encode()
    }
}

fn forbidden(reason: String) -> Refusal {
    Refusal::new(RefusalKind::Forbidden, reason)
}

// === impl Calls ===

impl Calls for Counter {
    async fn call(&self, peer: Peer, method: &str, request: Bytes) -> Result<Bytes, Refusal> {
        assert_eq!(method, method::RENEW);
        let RenewRequest { csr } = RenewRequest::decode(&request).unwrap();
        let request = SigningRequest::parse(&csr).unwrap();
        Ok(self.0.response(&self.0.issue(&request, peer.id.node, &peer.grant)))
    }

    async fn join(&self, method: &str, request: Bytes) -> Result<Bytes, Refusal> {
        match method {
            method::JOIN => self.0.join(&request),
            method::CONFIRM => self.0.confirm(&request),
            method::REATTEST => self.0.reattest(&request),
            _ => Err(Refusal::new(RefusalKind::UnknownMethod, method)),
        }
    }
}

impl Calls for Silent {
    async fn call(&self, _: Peer, method: &str, _: Bytes) -> Result<Bytes, Refusal> {
        Err(Refusal::new(RefusalKind::UnknownMethod, method))
    }

    async fn join(&self, method: &str, _: Bytes) -> Result<Bytes, Refusal> {
        Err(Refusal::new(RefusalKind::UnknownMethod, method))
    }
}
