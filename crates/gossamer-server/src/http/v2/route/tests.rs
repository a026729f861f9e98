//! Paths: what each names, and that strange ones name nothing.

use gossamer_oci::Digest;
use http::StatusCode;

use super::{Route, decode};
use crate::http::v2::error::Failure;

fn parse(path: &str) -> Result<Route, Failure> {
    Route::parse(&decode(path)?)
}

fn status(path: &str) -> StatusCode {
    parse(path).expect_err(path).status()
}

#[test]
fn each_endpoint_has_its_path() {
    let digest = Digest::sha256(b"x");
    let name = || "a/b".parse().unwrap();
    let id = "00112233445566778899aabbccddeeff";
    for (path, expected) in [
        ("/v2".to_owned(), Route::Base),
        ("/v2/".to_owned(), Route::Base),
        ("/v2/_catalog".to_owned(), Route::Catalog),
        ("/v2/a/b/blobs/uploads/".to_owned(), Route::Uploads(name())),
        ("/v2/a/b/blobs/uploads".to_owned(), Route::Uploads(name())),
        (format!("/v2/a/b/blobs/uploads/{id}"), Route::Upload(name(), id.parse().unwrap())),
        (format!("/v2/a/b/blobs/{digest}"), Route::Blob(name(), digest)),
        (format!("/v2/a/b/blobs/{}", digest.to_string().replace(':', "%3A")), Route::Blob(name(), digest)),
        ("/v2/a/b/manifests/latest".to_owned(), Route::Manifest(name(), "latest".parse().unwrap())),
        (format!("/v2/a/b/manifests/{digest}"), Route::Manifest(name(), digest.into())),
        ("/v2/a/b/tags/list".to_owned(), Route::Tags(name())),
        (format!("/v2/a/b/referrers/{digest}"), Route::Referrers(name(), digest)),
    ] {
        assert_eq!(parse(&path).unwrap(), expected, "{path}");
    }
}

#[test]
fn words_of_the_api_may_be_parts_of_a_name() {
    let parsed = parse("/v2/a/blobs/uploads/manifests/tags/list").unwrap();
    assert_eq!(parsed, Route::Tags("a/blobs/uploads/manifests".parse().unwrap()));
    let parsed = parse("/v2/tags/list/manifests/blobs").unwrap();
    assert_eq!(parsed, Route::Manifest("tags/list".parse().unwrap(), "blobs".parse().unwrap()));
}

#[test]
fn what_is_no_endpoint_is_not_found() {
    for path in [
        "/v2x",
        "/v2/a",
        "/v2/a/tags",
        "/v2/a/tags/list/",
        "/v2/tags/list",
        "/v2/manifests/latest",
        "/v2/../../x",
        "/v2/%2e%2e/%2e%2e/x",
        "/v2/neg%2Fa/tags/list",
        "/v2/neg%2fa/manifests/x",
        "/v2/%ff/tags/list",
        "/v2/a/blobs/uploads/not-an-id",
        "/v2/a/blobs/uploads/00/x",
        "/v2//",
    ] {
        assert_eq!(status(path), StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn what_is_malformed_is_a_bad_request() {
    let long = format!("/v2/{}/tags/list", "a".repeat(10_000));
    let deep = format!("/v2/{}blobs/uploads/", "a/".repeat(200));
    let tag = format!("/v2/a/manifests/{}", "t".repeat(129));
    for path in [
        "/v2/A/tags/list",
        "/v2/a//b/tags/list",
        "/v2//tags/list",
        "/v2/../tags/list",
        "/v2/%2e%2e/tags/list",
        "/v2/a%00/tags/list",
        "/v2/.a/tags/list",
        "/v2/a-/tags/list",
        "/v2/a___b/tags/list",
        "/v2/%C3%A9/tags/list",
        "/v2/a/manifests/.a",
        "/v2/a/manifests/-a",
        "/v2/a/manifests/a%00",
        "/v2/a/manifests/..%2f",
        "/v2/a/blobs/sha256:..%2F..%2Fx",
        "/v2/a/manifests/",
        "/v2/a/manifests/sha256:bad",
        "/v2/a/blobs/md5:00",
        "/v2/a/blobs/",
        "/v2/a/blobs/x",
        "/v2/a/referrers/sha256:",
        "/v2/a/referrers/:00",
        &long,
        &deep,
        &tag,
    ] {
        assert_eq!(status(path), StatusCode::BAD_REQUEST, "{path:.60}");
    }
}
