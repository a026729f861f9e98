//! One QUIC endpoint per process: its keys, its limits, and what a new connection must show.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use gossamer_identity::{ClientAuth, Identity, Peer, server_name};
use gossamer_wire::{NodeId, alpn};
use quinn::{Connection, Endpoint, EndpointConfig, TransportConfig, VarInt, crypto};
use quinn_proto::HashedConnectionIdGenerator;
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

use crate::{
    calls::CALL_BYTES_MAX,
    error::StartError,
    meter,
    welcome::{Unwelcome, until_unwelcome},
};

/// How long a silent connection lives. Shorter means redialling all the time, longer means talking to the dead.
const IDLE: Duration = Duration::from_secs(15);

/// How often a connection that must not go idle shows that it is there: twice within [`IDLE`], and once to lose.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// What is assumed of the way to a peer before it is measured: a local network. The usual third of a second makes
/// a lost first packet cost a second.
const INITIAL_ROUND_TRIP: Duration = Duration::from_millis(30);

/// How many calls one peer may have open at a time on one connection.
const BIDIRECTIONAL_MAX: u8 = 64;

/// How many letters one peer may have under way at a time.
const UNIDIRECTIONAL_MAX: u8 = 32;

/// How many bytes of datagrams wait to be sent or read, one peer's: a second of the busiest gossip.
const DATAGRAMS_BYTES_MAX: usize = 256 * 1024;

/// How many connections there may be in all, of every protocol and direction: each of the 200 members that a full
/// mesh is good for may have one for gossip and one for calls, and as many for a while after it has moved.
const CONNECTIONS_MAX: usize = 1_024;

/// How many connections may be waiting to be accepted.
const INCOMING_MAX: usize = 512;

/// How long a dial may take before it has failed: several lost packets on a slow path.
const DIAL_MAX: Duration = Duration::from_secs(3);

/// The code with which a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// The node says goodbye.
    Leaving = 1,
    /// The other is not who it should be, or may not be here.
    Refused = 2,
    /// The certificate that the other showed has ended.
    Expired = 3,
    /// Nothing more to say.
    Done = 4,
}

/// Why nobody was reached, or not the right one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("cannot dial")]
    Connect(#[from] quinn::ConnectError),
    #[error("the connection failed")]
    Connection(#[from] quinn::ConnectionError),
    #[error("no answer within {} s", DIAL_MAX.as_secs())]
    TimedOut,
    #[error("the credentials cannot be used for QUIC")]
    Tls(#[from] crypto::rustls::NoInitialCipherSuite),
    #[error("the peer is not the one that was dialled")]
    WrongPeer,
}

/// This node has as many connections as it may have.
#[derive(Debug, thiserror::Error)]
#[error("this node has {CONNECTIONS_MAX} connections already")]
pub(crate) struct Crowded;

/// The HMAC-SHA-256 (RFC 2104) by which the endpoint proves to old peers that it has forgotten them.
struct ResetKey {
    inner: Sha256,
    outer: Sha256,
}

// === endpoint ===

/// Binds the socket. The keys are derived from the node's own, so that after a restart on the same address old
/// peers are told that their connections are gone: without both, they talk into a black hole until [`IDLE`].
pub(crate) fn bind(address: SocketAddr, identity: &Identity) -> Result<Endpoint, StartError> {
    let server = server_config(identity).map_err(|error| StartError::Tls(Box::new(error)))?;
    let refused = |source| StartError::Bind { address, source };
    let socket = UdpSocket::bind(address).map_err(refused)?;
    let secret = identity.reset_key();
    let mut config = EndpointConfig::new(Arc::new(ResetKey::new(&secret)));
    let ids = connection_id_key(&secret);
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(ids)));
    Endpoint::new(config, Some(server), socket, Arc::new(quinn::TokioRuntime)).map_err(refused)
}

fn server_config(identity: &Identity) -> Result<quinn::ServerConfig, crypto::rustls::NoInitialCipherSuite> {
    // Optional, because JOIN is for those that have no certificate yet; the acceptor refuses them everywhere else.
    let tls = identity.server_config(&[alpn::GOSSIP, alpn::CALL, alpn::JOIN], ClientAuth::Optional);
    let crypto = crypto::rustls::QuicServerConfig::try_from(tls)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(transport(None)).migration(false).max_incoming(INCOMING_MAX);
    Ok(config)
}

fn transport(keep_alive: Option<Duration>) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(quinn::IdleTimeout::try_from(IDLE).ok())
        .keep_alive_interval(keep_alive)
        .initial_rtt(INITIAL_ROUND_TRIP)
        .max_concurrent_bidi_streams(BIDIRECTIONAL_MAX.into())
        .max_concurrent_uni_streams(UNIDIRECTIONAL_MAX.into())
        .receive_window(VarInt::try_from(2 * CALL_BYTES_MAX).unwrap_or(VarInt::MAX))
        .datagram_receive_buffer_size(Some(DATAGRAMS_BYTES_MAX))
        .datagram_send_buffer_size(DATAGRAMS_BYTES_MAX);
    Arc::new(config)
}

fn connection_id_key(secret: &[u8; 64]) -> u64 {
    let hash = Sha256::new().chain_update(b"gossamer quic connection ids").chain_update(secret).finalize();
    hash.iter().take(8).fold(0, |key, byte| (key << 8) | u64::from(*byte))
}

// === dialling ===

/// Dials an address as a member; whoever answers has a certificate of the mesh. `node` says who it must be.
pub(crate) async fn dial(
    endpoint: &Endpoint,
    address: SocketAddr,
    node: Option<NodeId>,
    tls: Arc<rustls::ClientConfig>,
    keep_alive: bool,
) -> Result<(Connection, Peer), DialError> {
    let connection = connect(endpoint, address, tls, keep_alive).await?;
    match peer_of(&connection) {
        Some(peer) if node.is_none_or(|node| node == peer.id.node) => Ok((connection, peer)),
        Some(_) | None => {
            close(&connection, Close::Refused);
            Err(DialError::WrongPeer)
        }
    }
}

/// Dials an address; the TLS configuration says whom to trust.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    keep_alive: bool,
) -> Result<Connection, DialError> {
    let crypto = crypto::rustls::QuicClientConfig::try_from(tls)?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(transport(keep_alive.then_some(KEEP_ALIVE)));
    let connecting = endpoint.connect_with(config, address, &server_name().to_str())?;
    Ok(tokio::time::timeout(DIAL_MAX, connecting).await.map_err(|_| DialError::TimedOut)??)
}

// === connections ===

/// Whether there is no room for one more connection.
pub(crate) fn is_crowded(endpoint: &Endpoint) -> bool {
    let open = endpoint.open_connections();
    meter::open_connections(open);
    open >= CONNECTIONS_MAX
}

/// Who is at the other end, by the certificate that TLS has verified. `None` for those that have none.
pub(crate) fn peer_of(connection: &Connection) -> Option<Peer> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    Peer::from_chain(&chain).ok()
}

/// The protocol that both ends agreed on.
pub(crate) fn protocol_of(connection: &Connection) -> Option<Vec<u8>> {
    let data = connection.handshake_data()?.downcast::<crypto::rustls::HandshakeData>().ok()?;
    data.protocol
}

pub(crate) fn close(connection: &Connection, code: Close) {
    connection.close(VarInt::from_u32(code as u32), &[]);
}

/// Whether the other end said goodbye.
pub(crate) fn is_farewell(reason: &quinn::ConnectionError) -> bool {
    let leaving = VarInt::from_u32(Close::Leaving as u32);
    matches!(reason, quinn::ConnectionError::ApplicationClosed(close) if close.error_code == leaving)
}

/// Closes the connection once the peer is not welcome any more; returns when it has closed for any reason.
pub(crate) async fn until_closed(
    connection: &Connection,
    identity: &Identity,
    peer: &Peer,
) -> quinn::ConnectionError {
    let unwelcome = tokio::select! {
        reason = connection.closed() => return reason,
        unwelcome = until_unwelcome(identity, peer) => unwelcome,
    };
    close(connection, Close::from(unwelcome));
    connection.closed().await
}

impl From<Unwelcome> for Close {
    fn from(unwelcome: Unwelcome) -> Self {
        match unwelcome {
            Unwelcome::Expired => Self::Expired,
            Unwelcome::Evicted => Self::Refused,
        }
    }
}

// === impl ResetKey ===

impl ResetKey {
    fn new(secret: &[u8; 64]) -> Self {
        Self {
            inner: Sha256::new_with_prefix(secret.map(|byte| byte ^ 0x36)),
            outer: Sha256::new_with_prefix(secret.map(|byte| byte ^ 0x5c)),
        }
    }

    fn hash(&self, data: &[u8]) -> [u8; 32] {
        let inner = self.inner.clone().chain_update(data).finalize();
        self.outer.clone().chain_update(inner).finalize().into()
    }
}

impl crypto::HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        for (out, byte) in signature_out.iter_mut().zip(self.hash(data)) {
            *out = byte;
        }
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), crypto::CryptoError> {
        // Every byte is looked at, so that the time taken says nothing about where they differ.
        let differs = self
            .hash(data)
            .iter()
            .zip(signature)
            .fold(0, |differs, (ours, theirs)| differs | (ours ^ theirs));
        if differs == 0 && signature.len() == self.signature_len() {
            Ok(())
        } else {
            Err(crypto::CryptoError)
        }
    }
}
