//! Modes and replacement of small files.

use super::*;

#[test]
fn a_private_file_is_written_with_mode_0600_and_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    replace(&path, b"one", Readers::Owner).unwrap();
    replace(&path, b"two", Readers::Owner).unwrap();

    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(read_private(&path).unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn a_private_file_that_others_may_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    replace(&path, b"one", Readers::Everybody).unwrap();

    assert_eq!(read_private(&path).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
}

#[test]
fn a_file_that_is_not_there_is_none() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(read_private(&directory.path().join("absent")).unwrap(), None);
}
