//! How paths are respelt.

use super::*;

#[test]
fn segments_are_counted_as_they_were_sent() {
    for (path, count, rest) in [
        ("/rpms/epel/9", 1, "/epel/9"),
        ("/rpms", 1, ""),
        ("/rpms/", 1, "/"),
        ("/a/b/c%2Fd", 2, "/c%2Fd"),
        ("/a", 0, "/a"),
        ("/", 0, "/"),
    ] {
        assert_eq!(without_segments(path, count), rest, "{path} {count}");
    }
}

#[test]
fn the_query_and_the_host_stay() {
    let uri: Uri = "http://rpms.example/x%20y?a=b".parse().unwrap();
    let moved = with_path(&uri, "/artifacts/yum/x%20y").unwrap();
    assert_eq!(moved.to_string(), "http://rpms.example/artifacts/yum/x%20y?a=b");
    assert_eq!(with_path(&"/x".parse().unwrap(), "/y").unwrap().to_string(), "/y");
}

#[test]
fn a_manifest_is_named_by_repository_and_reference() {
    let (repository, reference) = manifest_named("artifacts/yum/r/manifests/v1").unwrap();
    assert_eq!((repository.as_str(), reference.to_string()), ("artifacts/yum/r", "v1".to_owned()));
    assert!(manifest_named("artifacts/yum/r/tags/list").is_none());
    assert!(manifest_named("Not/A/Name/manifests/v1").is_none());
}
