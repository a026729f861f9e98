//! The files of the registry.

use std::collections::HashSet;
use std::fs;

use gossamer_oci::{Algorithm, Digest};

use super::Files;
use crate::uploads::UploadId;

#[test]
fn a_blob_is_where_its_digest_says() {
    let directory = tempfile::tempdir().unwrap();
    let files = Files::open(directory.path()).unwrap();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let digest = Digest::of(algorithm, b"x");
        let upload = files.upload(&UploadId::random().unwrap());
        fs::write(&upload, b"x").unwrap();
        files.publish(&upload, &digest).unwrap();
        let hex = digest.hex();
        let expected = directory.path().join(format!("blobs/{algorithm}/{}/{hex}", &hex[..2]));
        assert_eq!(fs::read(expected).unwrap(), b"x");
        assert!(!upload.exists());
    }
}

#[test]
fn publishing_what_is_not_there_fails_and_replaces_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let files = Files::open(directory.path()).unwrap();
    let missing = files.upload(&UploadId::random().unwrap());
    assert!(files.publish(&missing, &Digest::sha256(b"x")).is_err());
}

#[test]
fn a_sweep_leaves_what_uploads_need() {
    let directory = tempfile::tempdir().unwrap();
    let files = Files::open(directory.path()).unwrap();
    let (kept, orphan) = (UploadId::random().unwrap(), UploadId::random().unwrap());
    for id in [&kept, &orphan] {
        fs::write(files.upload(id), b"x").unwrap();
    }
    fs::write(files.uploads().join("stray"), b"x").unwrap();
    assert_eq!(files.sweep(&HashSet::from([kept])).unwrap(), 2);
    assert!(files.upload(&kept).exists());
    files.discard(&kept).unwrap();
    files.discard(&kept).unwrap();
    assert!(!files.upload(&kept).exists());
}
