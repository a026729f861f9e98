//! Node keys: stable on disk, silent in print.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_key_is_made_once_and_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let identity = directory.path().join("a/b");
    assert!(NodeKey::load(&identity).unwrap().is_none());

    let made = NodeKey::load_or_create(&identity).unwrap();
    let found = NodeKey::load_or_create(&identity).unwrap();
    assert_eq!(made.node(), found.node());
    assert_eq!(made.reset_key(), found.reset_key());

    let mode = fs::metadata(identity.join(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn two_keys_share_nothing() {
    let (one, other) = (NodeKey::generate().unwrap(), NodeKey::generate().unwrap());
    assert_ne!(one.node(), other.node());
    assert_ne!(one.reset_key(), other.reset_key());
}

#[test]
fn a_key_prints_only_its_node() {
    let key = NodeKey::generate().unwrap();
    assert_eq!(format!("{key:?}"), format!("NodeKey({})", key.node()));
}

#[test]
fn a_broken_key_file_is_an_error_and_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    files::replace(&path, b"not a key", Readers::Owner).unwrap();
    assert!(matches!(NodeKey::load_or_create(directory.path()), Err(KeyError::Malformed { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"not a key");
}
