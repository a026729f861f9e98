//! Whole TLS handshakes in memory: who gets in, and who does not.

use gossamer_wire::Role;
use rustls::{ClientConnection, Connection, Error, ProtocolVersion, ServerConnection};
use time::OffsetDateTime;

use super::*;
use crate::testing::{HOUR, TestMesh, plugin};
use crate::{Credentials, Grant, Identity, NodeKey, Peer, SigningRequest, Validity};

const CALL: &[u8] = b"test-call/1";
const JOIN: &[u8] = b"test-join/1";

/// Passes bytes between the two until nothing moves. The error is that of the side which refused.
fn shake(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Result<(Connection, Connection), Error> {
    let mut client = Connection::from(ClientConnection::new(client, server_name()).unwrap());
    let mut server = Connection::from(ServerConnection::new(server).unwrap());
    while client.wants_write() || server.wants_write() {
        pass(&mut client, &mut server)?;
        pass(&mut server, &mut client)?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}

fn pass(from: &mut Connection, to: &mut Connection) -> Result<(), Error> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut bytes = bytes.as_slice();
    while !bytes.is_empty() {
        to.read_tls(&mut bytes).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

fn dial(client: &Identity, server: &Identity) -> Result<(Connection, Connection), Error> {
    shake(client.client_config(&[CALL]), server.server_config(&[CALL, JOIN], ClientAuth::Required))
}

fn peer_of(connection: &Connection) -> Peer {
    Peer::from_chain(connection.peer_certificates().unwrap()).unwrap()
}

#[track_caller]
fn assert_refused(outcome: Result<(Connection, Connection), Error>, why: &str) {
    let refused = outcome.map(|_| ()).unwrap_err();
    let said = if let Error::InvalidCertificate(rustls::CertificateError::Other(other)) = &refused {
        other.0.to_string()
    } else {
        format!("{refused:?}")
    };
    assert!(said.contains(why), "{said}");
}

#[test]
fn two_nodes_of_a_mesh_know_each_other_after_the_handshake() {
    let mesh = TestMesh::new("dev");
    let (core, yum) = (mesh.node(Role::Core), mesh.node(plugin("yum")));
    let (client, server) = dial(&yum, &core).unwrap();

    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(client.alpn_protocol(), Some(CALL));
    assert_eq!(peer_of(&client), core.peer());
    assert_eq!(peer_of(&server), yum.peer());
    dial(&core, &yum).unwrap();
}

#[test]
fn a_stranger_is_refused_on_either_side() {
    let (mesh, strange) = (TestMesh::new("dev"), TestMesh::new("dev"));
    let (core, stranger) = (mesh.node(Role::Core), strange.node(Role::Core));
    assert_refused(dial(&stranger, &core), "UnknownIssuer");
    assert_refused(dial(&core, &stranger), "UnknownIssuer");

    // Even one that trusts our roots.
    let key = NodeKey::generate().unwrap();
    let request = SigningRequest::parse(&key.signing_request().unwrap()).unwrap();
    let validity = Validity::starting(OffsetDateTime::now_utc(), HOUR);
    let Credentials { chain, mut roots } =
        strange.authority.issue(&request, key.node(), &Grant::role(Role::Core), validity).unwrap();
    roots.extend_from_slice(mesh.authority.roots());
    let spy = Identity::new(key, Credentials { chain, roots }).unwrap();
    assert_refused(dial(&spy, &core), "UnknownIssuer");
}

#[test]
fn a_node_of_another_mesh_is_refused_even_under_a_trusted_root() {
    let (dev, prod) = (TestMesh::new("dev"), TestMesh::new("prod"));
    let trusting_both = |mesh: &TestMesh| {
        let key = NodeKey::generate().unwrap();
        let request = SigningRequest::parse(&key.signing_request().unwrap()).unwrap();
        let validity = Validity::starting(OffsetDateTime::now_utc(), HOUR);
        let grant = Grant::role(Role::Agent);
        let chain = mesh.authority.issue(&request, key.node(), &grant, validity).unwrap().chain;
        let roots = [dev.authority.roots(), prod.authority.roots()].concat();
        Identity::new(key, Credentials { chain, roots }).unwrap()
    };
    let (ours, theirs) = (trusting_both(&dev), trusting_both(&prod));
    assert_refused(dial(&theirs, &ours), "of another mesh");
    assert_refused(dial(&ours, &theirs), "of another mesh");
}

#[test]
fn an_ended_certificate_is_refused_on_either_side() {
    let mesh = TestMesh::new("dev");
    let core = mesh.node(Role::Core);
    let ended = mesh.node_with(&Grant::role(Role::Agent), OffsetDateTime::now_utc() - HOUR * 2);
    assert_refused(dial(&ended, &core), "Expired");
    assert_refused(dial(&core, &ended), "Expired");
}

#[test]
fn a_certificate_of_the_future_is_refused() {
    let mesh = TestMesh::new("dev");
    let core = mesh.node(Role::Core);
    let early = mesh.node_with(&Grant::role(Role::Agent), OffsetDateTime::now_utc() + HOUR);
    assert_refused(dial(&early, &core), "NotValidYet");
}

#[test]
fn who_shows_no_certificate_gets_in_only_where_that_is_allowed() {
    let mesh = TestMesh::new("dev");
    let core = mesh.node(Role::Core);
    let anonymous = || pinned_client_config(mesh.authority.pin(), &[JOIN]).unwrap();

    let refused = shake(anonymous(), core.server_config(&[JOIN], ClientAuth::Required));
    assert_refused(refused, "NoCertificatesPresented");
    let (client, server) = shake(anonymous(), core.server_config(&[JOIN], ClientAuth::Optional)).unwrap();
    assert_eq!(peer_of(&client).id, core.id());
    assert!(server.peer_certificates().is_none());
}

#[test]
fn a_certificate_that_need_not_be_shown_is_still_verified() {
    let (mesh, strange) = (TestMesh::new("dev"), TestMesh::new("dev"));
    let (core, stranger) = (mesh.node(Role::Core), strange.node(Role::Core));
    let mut trusting = (*pinned_client_config(mesh.authority.pin(), &[CALL]).unwrap()).clone();
    trusting.client_auth_cert_resolver = stranger.client_config(&[CALL]).client_auth_cert_resolver.clone();
    let outcome = shake(Arc::new(trusting), core.server_config(&[CALL], ClientAuth::Optional));
    assert_refused(outcome, "UnknownIssuer");
}

#[test]
fn a_joiner_accepts_only_a_core_under_the_pinned_authority() {
    let (mesh, strange) = (TestMesh::new("dev"), TestMesh::new("dev"));
    let pinned = || pinned_client_config(mesh.authority.pin(), &[JOIN]).unwrap();
    let listen = |node: Identity| node.server_config(&[JOIN], ClientAuth::Optional);

    shake(pinned(), listen(mesh.node(Role::Core))).unwrap();
    assert_refused(shake(pinned(), listen(strange.node(Role::Core))), "UnknownIssuer");
    assert_refused(shake(pinned(), listen(mesh.node(plugin("yum")))), "UnknownIssuer");

    // A stranger's core that shows our root behind its own chain.
    let key = NodeKey::generate().unwrap();
    let request = SigningRequest::parse(&key.signing_request().unwrap()).unwrap();
    let validity = Validity::starting(OffsetDateTime::now_utc(), HOUR);
    let Credentials { chain, mut roots } =
        strange.authority.issue(&request, key.node(), &Grant::role(Role::Core), validity).unwrap();
    roots.extend_from_slice(mesh.authority.roots());
    let impostor = Identity::new(key, Credentials { chain, roots }).unwrap();
    assert_refused(shake(pinned(), listen(impostor)), "UnknownIssuer");
}

#[test]
fn configurations_made_before_a_renewal_show_the_new_certificate() {
    let mesh = TestMesh::new("dev");
    let core = mesh.node(Role::Core);
    let listening = core.server_config(&[CALL], ClientAuth::Required);
    let key = NodeKey::generate().unwrap();
    let agent = mesh
        .authority
        .enrol(key.clone(), &Grant::role(Role::Agent), HOUR, OffsetDateTime::now_utc() - HOUR * 2)
        .unwrap();
    let dialling = agent.client_config(&[CALL]);
    assert_refused(shake(dialling.clone(), listening.clone()), "Expired");

    let request = SigningRequest::parse(&agent.signing_request().unwrap()).unwrap();
    let validity = Validity::starting(OffsetDateTime::now_utc(), HOUR);
    let renewed = mesh.authority.issue(&request, key.node(), &Grant::role(Role::Agent), validity).unwrap();
    agent.replace(renewed).unwrap();

    let (_, server) = shake(dialling, listening).unwrap();
    assert_eq!(peer_of(&server), agent.peer());
}

#[test]
fn sessions_are_not_resumed() {
    let mesh = TestMesh::new("dev");
    let (core, agent) = (mesh.node(Role::Core), mesh.node(Role::Agent));
    let (dialling, listening) =
        (agent.client_config(&[CALL]), core.server_config(&[CALL], ClientAuth::Required));
    for _ in 0..2 {
        let (client, _) = shake(dialling.clone(), listening.clone()).unwrap();
        assert_eq!(client.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

#[test]
fn no_common_protocol_is_an_error() {
    let mesh = TestMesh::new("dev");
    let (core, agent) = (mesh.node(Role::Core), mesh.node(Role::Agent));
    let outcome = shake(agent.client_config(&[JOIN]), core.server_config(&[CALL], ClientAuth::Required));
    assert_refused(outcome, "NoApplicationProtocol");
}
