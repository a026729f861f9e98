//! Tests of readiness.

use time::Duration;

use super::*;

#[test]
fn an_ended_certificate_is_not_ready() {
    let now = OffsetDateTime::UNIX_EPOCH;
    assert!(certificate(now + Duration::HOUR, now).ok);
    let ended = certificate(now - Duration::HOUR, now);
    assert!(!ended.ok);
    assert_eq!(ended.detail, "ended 3600 s ago");
}

#[test]
fn a_disk_that_takes_writes_keeps_no_trace_of_the_probe() {
    let directory = tempfile::tempdir().unwrap();
    probe(directory.path()).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    assert!(probe(&directory.path().join("missing")).is_err());
}
