//! The identity of a node: stored, loaded, replaced.

use gossamer_wire::Role;
use time::OffsetDateTime;

use super::*;
use crate::testing::{HOUR, TestMesh, plugin};
use crate::{Grant, SigningRequest};

fn credentials_for(mesh: &TestMesh, key: &NodeKey, role: Role) -> Credentials {
    let request = SigningRequest::parse(&key.signing_request().unwrap()).unwrap();
    let validity = Validity::starting(OffsetDateTime::now_utc(), HOUR);
    mesh.authority.issue(&request, request.node(), &Grant::role(role), validity).unwrap()
}

#[test]
fn an_identity_is_found_again_after_a_restart() {
    let mesh = TestMesh::new("dev");
    let directory = tempfile::tempdir().unwrap();
    assert!(Identity::load(directory.path()).unwrap().is_none());

    let key = NodeKey::load_or_create(directory.path()).unwrap();
    assert!(Identity::load(directory.path()).unwrap().is_none(), "a key alone has not joined");
    let identity = Identity::new(key.clone(), credentials_for(&mesh, &key, Role::Agent)).unwrap();
    identity.store(directory.path()).unwrap();

    let found = Identity::load(directory.path()).unwrap().unwrap();
    assert_eq!(found.peer(), identity.peer());
    assert_eq!(found.roots(), mesh.authority.roots());
    assert_eq!(found.reset_key(), identity.reset_key());
}

#[test]
fn certificates_of_another_key_or_with_foreign_roots_are_refused() {
    let mesh = TestMesh::new("dev");
    let (own, other) = (NodeKey::generate().unwrap(), NodeKey::generate().unwrap());
    let for_other = credentials_for(&mesh, &other, Role::Agent);
    assert!(matches!(Identity::new(own.clone(), for_other), Err(InvalidCredentials::Key(_))));

    let mut foreign = credentials_for(&mesh, &own, Role::Agent);
    foreign.roots = TestMesh::new("dev").authority.roots().to_vec();
    assert!(matches!(Identity::new(own.clone(), foreign), Err(InvalidCredentials::Chain(_))));

    let mut rootless = credentials_for(&mesh, &own, Role::Agent);
    rootless.roots.clear();
    assert!(matches!(Identity::new(own, rootless), Err(InvalidCredentials::Roots(_))));
}

#[test]
fn a_replacement_is_seen_by_every_clone_and_must_be_of_the_same_node() {
    let mesh = TestMesh::new("dev");
    let key = NodeKey::generate().unwrap();
    let identity = Identity::new(key.clone(), credentials_for(&mesh, &key, plugin("yum"))).unwrap();
    let (clone, before) = (identity.clone(), identity.peer());

    identity.replace(credentials_for(&mesh, &key, plugin("yum"))).unwrap();
    assert_ne!(clone.peer().certificate, before.certificate);

    let promoted = identity.replace(credentials_for(&mesh, &key, Role::Core));
    assert!(matches!(promoted, Err(InvalidCredentials::OtherNode { .. })));
    assert_eq!(clone.id(), before.id);
}

#[test]
fn several_roots_are_trusted_while_they_overlap() {
    let (old, new) = (TestMesh::new("dev"), TestMesh::new("dev"));
    let key = NodeKey::generate().unwrap();
    let mut credentials = credentials_for(&old, &key, Role::Agent);
    credentials.roots.extend_from_slice(new.authority.roots());
    let both = credentials.roots.clone();
    let identity = Identity::new(key.clone(), credentials).unwrap();

    let mut rotated = credentials_for(&new, &key, Role::Agent);
    rotated.roots = both;
    identity.replace(rotated).unwrap();
    assert_eq!(identity.roots().len(), 2);
}
