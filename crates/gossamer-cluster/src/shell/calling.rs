//! Calling other members: over the connection there is, in whichever direction it was made.

use std::{
    collections::HashMap,
    net::{Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use gossamer_identity::{Identity, Peer};
use gossamer_wire::{NodeId, alpn};
use quinn::{Connection, ConnectionError, Endpoint, EndpointConfig};
use tokio::{sync::mpsc, time::timeout};

use super::{
    frame,
    quic::{self, Close, DialError},
};
use crate::{
    calls::{CALL_BYTES_MAX, JOIN_BYTES_MAX},
    error::CallError,
    meter,
    view::Member,
};

/// How long a call may take, dialling included.
const CALL_MAX: Duration = Duration::from_secs(15);

/// How many connections are kept for the next call.
const POOL_MAX: usize = 512;

/// Connections for calls, by who is at their other end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool(Arc<Mutex<HashMap<NodeId, Connection>>>);

/// Everything that it takes to call.
#[derive(Debug)]
pub(crate) struct Calling {
    endpoint: Endpoint,
    identity: Identity,
    pool: Pool,
    /// Connections that we have made: the other end may call us over them.
    made: mpsc::Sender<(Connection, Peer)>,
}

// === impl Pool ===

impl Pool {
    /// Keeps a connection for calls to its peer; the newest is the one that the peer has not forgotten.
    pub(super) fn keep(&self, peer: &Peer, connection: Connection) {
        let mut pool = self.lock();
        if pool.len() >= POOL_MAX {
            pool.retain(|_, connection| connection.close_reason().is_none());
        }
        if pool.len() < POOL_MAX {
            pool.insert(peer.id.node, connection);
        }
    }

    /// An open connection to where the member is now. One to where it was belongs to an earlier life, or to a way
    /// that is gone: whoever asks there waits until it goes idle.
    fn get(&self, member: &Member) -> Option<Connection> {
        let is_current = |connection: &&Connection| {
            connection.close_reason().is_none() && is_same(connection.remote_address(), member.address)
        };
        self.lock().get(&member.node).filter(is_current).cloned()
    }

    fn forget(&self, node: NodeId) {
        self.lock().remove(&node);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeId, Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Calling ===

impl Calling {
    pub(crate) fn new(
        endpoint: Endpoint,
        identity: Identity,
        pool: Pool,
        made: mpsc::Sender<(Connection, Peer)>,
    ) -> Self {
        Self { endpoint, identity, pool, made }
    }

    /// Calls a member. Whoever answers has that member's certificate and, if its role is known, that role.
    pub(crate) async fn call(
        &self,
        member: &Member,
        method: &str,
        request: &[u8],
    ) -> Result<Bytes, CallError> {
        if request.len() > CALL_BYTES_MAX {
            return Err(CallError::TooLong { bytes: request.len() });
        }
        let called = timeout(CALL_MAX, self.call_once_or_again(member, method, request));
        let result = called.await.unwrap_or(Err(CallError::TimedOut));
        meter::called("sent", matches!(result, Ok(_) | Err(CallError::Refused(_))));
        result
    }

    /// A pooled connection may belong to an earlier life of the peer, which cannot have acted on the request.
    async fn call_once_or_again(
        &self,
        member: &Member,
        method: &str,
        request: &[u8],
    ) -> Result<Bytes, CallError> {
        if let Some(connection) = self.pool.get(member) {
            match exchange(&connection, method, request).await {
                Err(Unanswered::NotReceived) => self.pool.forget(member.node),
                Err(Unanswered::Failed(error)) => return Err(error),
                Ok(answer) => return Ok(answer),
            }
        }
        let connection = self.dial(member).await?;
        exchange(&connection, method, request).await.map_err(CallError::from)
    }

    async fn dial(&self, member: &Member) -> Result<Connection, CallError> {
        let address = member.address;
        if quic::is_crowded(&self.endpoint) {
            meter::dropped("connections", 1);
            return Err(CallError::Unreachable { address, source: quic::Crowded.into() });
        }
        let tls = self.identity.client_config(&[alpn::CALL]);
        let dialled = quic::dial(&self.endpoint, address, Some(member.node), tls, false).await;
        meter::dialled(dialled.is_ok());
        let (connection, peer) = dialled.map_err(|error| unreachable(address, error))?;
        if member.role().is_some_and(|role| *role != peer.id.role) {
            quic::close(&connection, Close::Refused);
            return Err(CallError::WrongPeer { address });
        }
        self.pool.keep(&peer, connection.clone());
        drop(self.made.try_send((connection.clone(), peer))); // if they are too many, this one is for our calls only
        Ok(connection)
    }
}

/// Calls a node as one that has no certificate yet. `tls` says whom to trust and names the protocol JOIN.
pub async fn join_call(
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    method: &str,
    request: Bytes,
) -> Result<Bytes, CallError> {
    if request.len() > JOIN_BYTES_MAX {
        return Err(CallError::TooLong { bytes: request.len() });
    }
    let failed = |error: std::io::Error| CallError::Unreachable { address, source: error.into() };
    let endpoint = stranger_endpoint(address).map_err(failed)?;
    let call = async {
        let connected = quic::connect(&endpoint, address, tls, false).await;
        let connection = connected.map_err(|error| unreachable(address, error))?;
        let answer = exchange(&connection, method, &request).await;
        quic::close(&connection, Close::Done);
        answer.map_err(CallError::from)
    };
    let result = timeout(CALL_MAX, call).await.unwrap_or(Err(CallError::TimedOut));
    endpoint.wait_idle().await;
    result
}

/// Any port of the family of the address that is to be dialled.
fn stranger_endpoint(address: SocketAddr) -> std::io::Result<Endpoint> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any)?;
    Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(quinn::TokioRuntime))
}

/// Why a connection brought no answer.
enum Unanswered {
    /// The peer had forgotten the connection.
    NotReceived,
    Failed(CallError),
}

// === impl Unanswered ===

impl From<Unanswered> for CallError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::NotReceived => Self::Broken("the peer had forgotten the connection".into()),
            Unanswered::Failed(error) => error,
        }
    }
}

/// One request and its answer, on a stream of their own.
async fn exchange(connection: &Connection, method: &str, request: &[u8]) -> Result<Bytes, Unanswered> {
    let failed = |error: CallError| match connection.close_reason() {
        Some(ConnectionError::Reset) => Unanswered::NotReceived,
        Some(_) | None => Unanswered::Failed(error),
    };
    let bytes = frame::encode_request(method, request);
    let bytes = bytes.ok_or(Unanswered::Failed(CallError::TooLong { bytes: method.len() }))?;
    // Nothing has left before the stream is open.
    let (mut send, mut receive) = connection.open_bi().await.map_err(|_| Unanswered::NotReceived)?;
    send.write_all(&bytes).await.map_err(|error| failed(CallError::Broken(error.into())))?;
    drop(send.finish());
    let answer = receive.read_to_end(CALL_BYTES_MAX + frame::OVERHEAD_BYTES_MAX).await;
    let answer = answer.map_err(|error| failed(CallError::Broken(error.into())))?;
    match frame::decode_answer(answer.into()) {
        Some(answer) => answer.map_err(|refusal| Unanswered::Failed(CallError::Refused(refusal))),
        None => Err(Unanswered::Failed(CallError::Malformed)),
    }
}

/// A socket of both families shows an IPv4 peer by its mapped address.
fn is_same(left: SocketAddr, right: SocketAddr) -> bool {
    (left.ip().to_canonical(), left.port()) == (right.ip().to_canonical(), right.port())
}

fn unreachable(address: SocketAddr, error: DialError) -> CallError {
    match error {
        DialError::WrongPeer => CallError::WrongPeer { address },
        DialError::Connect(_) | DialError::Connection(_) | DialError::TimedOut | DialError::Tls(_) => {
            CallError::Unreachable { address, source: error.into() }
        }
    }
}
