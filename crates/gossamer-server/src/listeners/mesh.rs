//! The mesh's door: a TLS handshake in both directions, then HTTP/2 in the name of the certificate.

use axum::Router;
use gossamer_cluster::{until_stale, until_unwelcome};
use gossamer_identity::{ClientAuth, Identity, Peer};
use gossamer_wire::Role;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Config;
use super::connection::{self, Ended, Origin};
use crate::access::Principal;

const H2: &[u8] = b"h2";

/// Serves one connection in the name of its peer's certificate, which the handshake has verified.
pub(super) async fn serve(
    stream: TcpStream,
    origin: Origin,
    identity: &Identity,
    app: Router,
    (config, closing): (&Config, CancellationToken),
) -> Result<(), Ended> {
    let acceptor = TlsAcceptor::from(identity.server_config(&[H2], ClientAuth::Required));
    let stream = timeout(config.header_timeout(), acceptor.accept(stream)).await??;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let peer = Peer::from_chain(chain)?;
    let principal = Some(principal(&peer)?);
    // Either certificate ends one day: until then the peer opens a new connection, with what it has by then.
    let closing = closing.child_token();
    let serving = connection::serve(stream, Origin { principal, ..origin }, app, config, closing.clone());
    tokio::pin!(serving);
    let stale = async {
        until_stale(identity, &peer).await;
        closing.cancel();
        until_unwelcome(identity, &peer).await
    };
    tokio::select! {
        served = &mut serving => served,
        unwelcome = until_unwelcome(identity, &peer) => Err(format!("{unwelcome:?}").into()),
        _ = stale => Err("the certificate has ended".into()),
    }
}

/// Agents speak for processes, and no process speaks to the registry as an agent.
fn principal(peer: &Peer) -> Result<Principal, Ended> {
    match &peer.id.role {
        Role::Core => Ok(Principal::Core),
        Role::Plugin(name) => Ok(Principal::Plugin(name.clone())),
        Role::Agent => Err("an agent has no business at this door".into()),
    }
}
