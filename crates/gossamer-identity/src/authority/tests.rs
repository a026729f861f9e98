//! The authority: its files, what it issues, whom it takes back.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use gossamer_wire::Role;
use rcgen::{BasicConstraints, CertificateParams, IsCa};
use time::macros::datetime;

use super::store::{CERTIFICATE_FILE, KEY_FILE};
use super::*;
use crate::Peer;
use crate::renewal::GRACE;
use crate::testing::{HOUR, TestMesh, plugin};
use crate::tls::Trust;

const NOON: OffsetDateTime = datetime!(2030-01-01 12:00 UTC);

fn yum() -> Grant {
    let media_types =
        ["application/vnd.example.rpm.v1", "application/vnd.yum.*"].map(|text| text.parse().unwrap());
    Grant { role: plugin("yum"), media_types: media_types.into() }
}

#[test]
fn an_authority_is_made_once_with_a_private_key_file() {
    let mesh = TestMesh::new("dev");
    let again = Authority::open_or_create(mesh.directory.path(), mesh.authority.mesh()).unwrap();
    assert_eq!(again.pin(), mesh.authority.pin());
    assert_eq!(again.roots(), mesh.authority.roots());

    let mode = fs::metadata(mesh.directory.path().join(KEY_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!format!("{:?}", mesh.authority).contains("PRIVATE"));
}

#[test]
fn a_lost_key_or_another_mesh_is_refused_and_nothing_is_overwritten() {
    let mesh = TestMesh::new("dev");
    let directory = mesh.directory.path();
    let before = fs::read(directory.join(CERTIFICATE_FILE)).unwrap();

    let other = Authority::open_or_create(directory, &"prod".parse().unwrap());
    assert!(matches!(other, Err(AuthorityError::OtherMesh { .. })));
    fs::remove_file(directory.join(KEY_FILE)).unwrap();
    let lost = Authority::open_or_create(directory, mesh.authority.mesh());
    assert!(matches!(lost, Err(AuthorityError::KeyLost { .. })));
    assert_eq!(fs::read(directory.join(CERTIFICATE_FILE)).unwrap(), before);
}

#[test]
fn identity_grant_and_dates_round_trip_through_the_certificate() {
    let mesh = TestMesh::new("dev");
    let key = NodeKey::generate().unwrap();
    let request = SigningRequest::parse(&key.signing_request().unwrap()).unwrap();
    assert_eq!(request.node(), key.node());
    let another = SigningRequest::parse(&key.signing_request().unwrap()).unwrap();
    assert_eq!(another.key_digest(), request.key_digest());

    let validity = Validity::starting(NOON, HOUR);
    let issued = mesh.authority.issue(&request, request.node(), &yum(), validity).unwrap();
    let peer = Peer::from_chain(&issued.chain).unwrap();
    assert_eq!(peer.id.to_string(), format!("spiffe://dev/plugin/yum/{}", key.node()));
    assert_eq!(peer.grant, yum());
    assert_eq!(peer.not_after, NOON + HOUR);

    let again = mesh.authority.issue(&request, request.node(), &yum(), validity).unwrap();
    assert_ne!(issued.chain, again.chain, "every certificate has a serial of its own");
}

#[test]
fn a_request_that_is_not_signed_by_its_key_or_on_another_curve_is_refused() {
    let mut forged = NodeKey::generate().unwrap().signing_request().unwrap();
    *forged.last_mut().unwrap() ^= 1;
    assert!(matches!(SigningRequest::parse(&forged), Err(InvalidSigningRequest::Malformed(_))));

    let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let request = CertificateParams::default().serialize_request(&pair).unwrap();
    assert!(matches!(SigningRequest::parse(request.der()), Err(InvalidSigningRequest::Curve)));
}

#[test]
fn what_a_request_asks_for_beyond_its_key_is_ignored() {
    let mesh = TestMesh::new("dev");
    let mut greedy = CertificateParams::new(["example.org".to_owned()]).unwrap();
    greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let request = greedy.serialize_request(&pair).unwrap();
    let request = SigningRequest::parse(request.der()).unwrap();

    let grant = Grant::role(Role::Agent);
    let validity = Validity::starting(NOON, HOUR);
    let issued = mesh.authority.issue(&request, request.node(), &grant, validity).unwrap();
    let (_, leaf) = x509_parser::parse_x509_certificate(&issued.chain[0]).unwrap();
    assert!(!leaf.is_ca());
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names.len(), 1, "its own SPIFFE id");
}

#[test]
fn a_grant_that_would_not_fit_is_refused() {
    let mesh = TestMesh::new("dev");
    let mut grant = yum();
    grant.media_types = vec!["application/*".parse().unwrap(); Grant::MEDIA_TYPES_MAX + 1];
    let refused = mesh.authority.enrol(NodeKey::generate().unwrap(), &grant, HOUR, NOON);
    assert!(matches!(refused, Err(IssueError::GrantTooLong)));
}

#[test]
fn a_core_issues_its_own_certificate_once_and_renews_it_at_half_life() {
    let mesh = TestMesh::new("dev");
    let directory = mesh.directory.path();
    let first = mesh.authority.own_identity(directory, HOUR, NOON).unwrap();
    assert_eq!(first.id().role, Role::Core);

    let restarted = mesh.authority.own_identity(directory, HOUR, NOON + HOUR / 4).unwrap();
    assert_eq!(restarted.peer(), first.peer());
    let renewed = mesh.authority.own_identity(directory, HOUR, NOON + HOUR * 3).unwrap();
    assert_eq!(renewed.id(), first.id());
    assert_eq!(renewed.validity().not_after, NOON + HOUR * 4);
    assert_eq!(Identity::load(directory).unwrap().unwrap().peer(), renewed.peer(), "it is stored");
}

#[test]
fn an_ended_certificate_brings_its_node_back_inside_the_grace_window_only() {
    let mesh = TestMesh::new("dev");
    let key = NodeKey::generate().unwrap();
    let chain_of = |mesh: &TestMesh, key: &NodeKey| {
        let request = SigningRequest::parse(&key.signing_request().unwrap()).unwrap();
        let validity = Validity::starting(NOON, HOUR);
        mesh.authority.issue(&request, request.node(), &yum(), validity).unwrap().chain
    };
    let request = SigningRequest::parse(&key.signing_request().unwrap()).unwrap();
    let chain = chain_of(&mesh, &key);
    let end = NOON + HOUR;

    let peer = mesh.authority.reattest(&request, &chain, end + GRACE).unwrap();
    assert_eq!((peer.id.node, peer.grant), (key.node(), yum()));
    let late = mesh.authority.reattest(&request, &chain, end + GRACE + HOUR);
    assert!(matches!(late, Err(ReattestRefused::TooLate)));

    let thief = SigningRequest::parse(&NodeKey::generate().unwrap().signing_request().unwrap()).unwrap();
    let stolen = mesh.authority.reattest(&thief, &chain, end);
    assert!(matches!(stolen, Err(ReattestRefused::OtherKey)));
    let foreign = mesh.authority.reattest(&request, &chain_of(&TestMesh::new("dev"), &key), end);
    assert!(matches!(foreign, Err(ReattestRefused::NotOurs(_))));
}

/// The authority of a further core, below the root of `mesh`.
fn further(mesh: &TestMesh, directory: &std::path::Path) -> Authority {
    let key = AuthorityKey::load_or_create(directory).unwrap();
    let request = SigningRequest::parse(&key.signing_request().unwrap()).unwrap();
    let certificates = mesh.authority.delegate(&request, Validity::starting(NOON, HOUR * 24)).unwrap();
    key.install(mesh.authority.mesh(), certificates, mesh.authority.roots().to_vec()).unwrap()
}

fn node_of(authority: &Authority) -> Identity {
    authority.enrol(NodeKey::generate().unwrap(), &yum(), HOUR, NOON + HOUR).unwrap()
}

#[test]
fn a_further_core_issues_what_leads_to_the_root_and_certifies_no_other() {
    let (mesh, directory) = (TestMesh::new("dev"), tempfile::tempdir().unwrap());
    let authority = further(&mesh, directory.path());
    assert!(!authority.is_root());
    assert_eq!(authority.pin(), mesh.authority.pin());
    let issued = node_of(&authority);
    assert_eq!(issued.roots(), mesh.authority.roots());

    let request = NodeKey::generate().unwrap().signing_request().unwrap();
    let below = authority.delegate(&SigningRequest::parse(&request).unwrap(), Validity::starting(NOON, HOUR));
    assert!(matches!(below, Err(IssueError::NotTheRoot)));
    let again = Authority::open(directory.path(), mesh.authority.mesh()).unwrap().unwrap();
    assert_eq!(again.roots_digest(), authority.roots_digest());
}

#[test]
fn what_a_further_core_issues_ends_with_its_own_certificate() {
    let (mesh, directory) = (TestMesh::new("dev"), tempfile::tempdir().unwrap());
    let authority = further(&mesh, directory.path());
    let end = authority.validity().unwrap().not_after;
    let late = authority.enrol(NodeKey::generate().unwrap(), &yum(), HOUR * 48, NOON).unwrap();
    assert_eq!(late.validity().not_after, end);
    let early = authority.enrol(NodeKey::generate().unwrap(), &yum(), HOUR, NOON).unwrap();
    assert!(early.validity().not_after < end);
}

#[test]
fn an_authority_takes_no_certificate_of_another_key_or_another_root() {
    let (mesh, directory) = (TestMesh::new("dev"), tempfile::tempdir().unwrap());
    let key = AuthorityKey::load_or_create(directory.path()).unwrap();
    let roots = || mesh.authority.roots().to_vec();
    let foreign = key.install(mesh.authority.mesh(), roots(), roots());
    assert!(matches!(foreign, Err(AuthorityError::OtherKey)));

    let key = AuthorityKey::load_or_create(directory.path()).unwrap();
    let request = SigningRequest::parse(&key.signing_request().unwrap()).unwrap();
    let certificates = mesh.authority.delegate(&request, Validity::starting(NOON, HOUR)).unwrap();
    let other = TestMesh::new("dev");
    let rootless = key.install(mesh.authority.mesh(), certificates, other.authority.roots().to_vec());
    assert!(matches!(rootless, Err(AuthorityError::NoRoot)));
    assert!(!Authority::exists(directory.path()));
}

#[test]
fn while_two_roots_overlap_who_trusts_either_trusts_what_both_issue() {
    let (mesh, directory) = (TestMesh::new("dev"), tempfile::tempdir().unwrap());
    let (old, old_core) = (&mesh.authority, further(&mesh, directory.path()));
    let before = [node_of(old), node_of(&old_core)];
    let new = old.rotate(mesh.directory.path(), NOON).unwrap();
    let next = TestMesh { authority: new, directory: tempfile::tempdir().unwrap() };
    let new_core = further(&next, directory.path());
    let after = [node_of(&next.authority), node_of(&new_core)];

    let trusts_old = Trust::new(old.roots()).unwrap();
    let trusts_both = Trust::new(next.authority.roots()).unwrap();
    for node in before.iter().chain(&after) {
        let chain: Vec<_> =
            node.reattest_request().unwrap().chain.iter().map(|der| der.to_vec().into()).collect();
        for trust in [&trusts_old, &trusts_both] {
            trust.verify_chain(&chain, NOON + HOUR).unwrap();
        }
    }
    assert!(after.iter().all(|node| node.pins().contains(&old.pin())), "an old token finds its root");
}

#[test]
fn a_rotation_is_on_disk_and_ends_when_the_old_certificates_have() {
    let mesh = TestMesh::new("dev");
    let directory = mesh.directory.path();
    let new = mesh.authority.rotate(directory, NOON).unwrap();
    assert!(matches!(new.rotate(directory, NOON), Err(RotateError::Overlapping)));
    let again = Authority::open(directory, new.mesh()).unwrap().unwrap();
    assert_eq!((again.pin(), again.roots_digest()), (new.pin(), new.roots_digest()));

    assert!(again.retire(directory, HOUR, NOON + HOUR / 2).unwrap().is_none());
    let alone = again.retire(directory, HOUR, NOON + HOUR).unwrap().unwrap();
    assert_eq!(alone.roots().len(), 1);
    assert_eq!(alone.pin(), new.pin());
    let reopened = Authority::open(directory, new.mesh()).unwrap().unwrap();
    assert_eq!(reopened.roots(), alone.roots());
    assert!(reopened.rotate(directory, NOON).is_ok());
}

#[test]
fn a_rotation_that_a_crash_cut_off_leaves_one_root_or_the_other() {
    let mesh = TestMesh::new("dev");
    let directory = mesh.directory.path();
    let (key, certificate) = (directory.join(KEY_FILE), directory.join(CERTIFICATE_FILE));
    let (old_key, old_certificate) = (fs::read(&key).unwrap(), fs::read(&certificate).unwrap());
    let new = mesh.authority.rotate(directory, NOON).unwrap();
    let (new_key, new_certificate) = (fs::read(&key).unwrap(), fs::read(&certificate).unwrap());
    let next = directory.join("ca.next.crt");

    // The key was not replaced yet.
    fs::write(&key, old_key).unwrap();
    fs::write(&certificate, &old_certificate).unwrap();
    fs::write(&next, &new_certificate).unwrap();
    let opened = Authority::open(directory, new.mesh()).unwrap().unwrap();
    assert_eq!(opened.pin(), mesh.authority.pin());
    // It was, but not the certificate.
    fs::write(&key, new_key).unwrap();
    let opened = Authority::open(directory, new.mesh()).unwrap().unwrap();
    assert_eq!(opened.pin(), new.pin());
    assert!(!next.exists());
}
