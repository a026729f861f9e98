//! The API as a client meets it, over a registry in a temporary directory. Raw sockets and hostile
//! clients have their own tests in `gossamer-tests`.

use std::sync::Arc;

use axum::body::Body;
use gossamer_oci::media_type::{EMPTY_JSON, IMAGE_INDEX, IMAGE_MANIFEST};
use gossamer_oci::{Algorithm, Digest, Manifest, RepositoryName};
use http::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LINK, LOCATION, RANGE, WWW_AUTHENTICATE,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::{Guard, Shared, routes};
use crate::access::{Action, Principal};

/// A registry of its own, and somebody who asks it.
struct Client {
    router: axum::Router,
    principal: Principal,
    _directory: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

/// Everybody may do everything, or nothing.
struct Door {
    open: bool,
}

impl Guard for Door {
    fn allows(&self, _: &Principal, _: Action, _: Option<&RepositoryName>) -> bool {
        self.open
    }
}

impl Client {
    async fn new(door: Door, principal: Principal) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let registry = gossamer_registry::Config::new(directory.path()).open().await.unwrap();
        let router = routes(Shared { registry, guard: Arc::new(door) });
        Self { router, principal, _directory: directory }
    }

    async fn open() -> Self {
        Self::new(Door { open: true }, Principal::Anonymous).await
    }

    async fn send(
        &self,
        method: Method,
        uri: &str,
        headers: &[(http::HeaderName, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(uri).extension(self.principal.clone());
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.body(body.into()).unwrap();
        let response: Response<Body> = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, uri: &str) -> Answer {
        self.send(Method::GET, uri, &[], "").await
    }

    async fn post(&self, uri: &str, body: &'static str) -> Answer {
        self.send(Method::POST, uri, &[], body).await
    }

    async fn push_blob(&self, repository: &str, content: &'static str) -> Digest {
        let digest = Digest::sha256(content.as_bytes());
        let answer = self.post(&format!("/v2/{repository}/blobs/uploads/?digest={digest}"), content).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        digest
    }

    async fn put_manifest(&self, uri: &str, manifest: &Value) -> Answer {
        self.send(Method::PUT, uri, &[(CONTENT_TYPE, IMAGE_MANIFEST)], manifest.to_string()).await
    }
}

impl Answer {
    fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// An artifact whose config is the blob `{}`.
fn artifact(subject: Option<&Digest>, artifact_type: &str) -> Value {
    let config = json!({ "mediaType": EMPTY_JSON, "digest": Digest::sha256(b"{}"), "size": 2 });
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "artifactType": artifact_type,
        "config": config,
        "layers": [],
    });
    if let Some(digest) = subject {
        manifest["subject"] = json!({ "mediaType": IMAGE_MANIFEST, "digest": digest, "size": 1 });
    }
    manifest
}

#[tokio::test]
async fn the_base_says_that_this_is_a_registry() {
    let answer = Client::open().await.get("/v2/").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
}

#[tokio::test]
async fn a_blob_pushed_whole_can_be_pulled_in_parts() {
    let client = Client::open().await;
    let digest = client.push_blob("a/b", "0123456789").await;
    let uri = format!("/v2/a/b/blobs/{digest}");

    let whole = client.get(&uri).await;
    assert_eq!((whole.status, whole.body.as_slice()), (StatusCode::OK, b"0123456789".as_slice()));
    assert_eq!(whole.header("docker-content-digest"), digest.to_string());
    assert_eq!(whole.header(ETAG), format!("\"{digest}\""));

    let head = client.send(Method::HEAD, &uri, &[], "").await;
    assert_eq!((head.status, head.header(CONTENT_LENGTH), head.body.len()), (StatusCode::OK, "10", 0));

    let part = client.send(Method::GET, &uri, &[(RANGE, "bytes=2-4")], "").await;
    assert_eq!((part.status, part.body.as_slice()), (StatusCode::PARTIAL_CONTENT, b"234".as_slice()));
    assert_eq!((part.header(CONTENT_RANGE), part.header(CONTENT_LENGTH)), ("bytes 2-4/10", "3"));

    let beyond = client.send(Method::GET, &uri, &[(RANGE, "bytes=10-")], "").await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.header(CONTENT_RANGE), "bytes */10");

    let known = client.send(Method::GET, &uri, &[(IF_NONE_MATCH, "*")], "").await;
    assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn an_upload_takes_chunks_in_order_only() {
    let client = Client::open().await;
    let started = client.post("/v2/a/blobs/uploads/", "").await;
    assert_eq!((started.status, started.header(RANGE)), (StatusCode::ACCEPTED, "0-0"));
    let location = started.header(LOCATION).to_owned();
    let patch = async |range, body: &'static str| {
        client.send(Method::PATCH, &location, &[(CONTENT_RANGE, range)], body).await
    };

    let first = patch("0-2", "abc").await;
    assert_eq!((first.status, first.header(RANGE)), (StatusCode::ACCEPTED, "0-2"));
    for (range, body) in [("9-11", "xyz"), ("0-2", "abc"), ("5-3", "xyz"), ("3-9", "xyz"), ("garbage", "xyz")]
    {
        let refused = patch(range, body).await;
        assert_eq!(
            (refused.status, refused.header(RANGE)),
            (StatusCode::RANGE_NOT_SATISFIABLE, "0-2"),
            "{range}"
        );
    }
    let status = client.get(&location).await;
    assert_eq!((status.status, status.header(RANGE)), (StatusCode::NO_CONTENT, "0-2"));

    let digest = Digest::of(Algorithm::Sha512, b"abcdef");
    let finish = format!("{location}?digest={digest}");
    let finished = client.send(Method::PUT, &finish, &[(CONTENT_RANGE, "3-5")], "def").await;
    assert_eq!(finished.status, StatusCode::CREATED);
    assert_eq!(client.get(finished.header(LOCATION)).await.body, b"abcdef");
    assert_eq!(client.get(&location).await.code(), "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn an_upload_that_was_cancelled_is_gone() {
    let client = Client::open().await;
    let location = client.post("/v2/a/blobs/uploads/", "").await.header(LOCATION).to_owned();
    assert_eq!(client.send(Method::DELETE, &location, &[], "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(client.send(Method::PATCH, &location, &[], "x").await.status, StatusCode::NOT_FOUND);
    let elsewhere = location.replace("/a/", "/b/");
    assert_eq!(client.get(&elsewhere).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn wrong_digests_make_nothing_visible() {
    let client = Client::open().await;
    let digest = Digest::sha256(b"right");
    let single = client.post(&format!("/v2/a/blobs/uploads/?digest={digest}"), "wrong").await;
    assert_eq!((single.status, single.code().as_str()), (StatusCode::BAD_REQUEST, "DIGEST_INVALID"));
    for query in [format!("?digest={digest}"), "?digest=md5:00".to_owned(), String::new()] {
        let location = client.post("/v2/a/blobs/uploads/", "").await.header(LOCATION).to_owned();
        let finished = client.send(Method::PUT, &format!("{location}{query}"), &[], "wrong").await;
        assert_eq!((finished.status, finished.code().as_str()), (StatusCode::BAD_REQUEST, "DIGEST_INVALID"));
    }
    assert_eq!(client.get(&format!("/v2/a/blobs/{digest}")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_blob_is_mounted_with_or_without_its_source() {
    let client = Client::open().await;
    let digest = client.push_blob("source", "x").await;
    for (repository, from) in [("a", "&from=source"), ("b", "")] {
        let uri = format!("/v2/{repository}/blobs/uploads/?mount={digest}{from}");
        let mounted = client.post(&uri, "").await;
        assert_eq!(mounted.status, StatusCode::CREATED);
        assert_eq!(client.get(mounted.header(LOCATION)).await.body, b"x");
    }
    let missing = Digest::sha256(b"missing");
    let uri = format!("/v2/a/blobs/uploads/?mount={missing}&from=source");
    assert_eq!(client.post(&uri, "").await.status, StatusCode::ACCEPTED);
    let uri = format!("/v2/a/blobs/uploads/?mount={digest}&from=../../x");
    assert_eq!(client.post(&uri, "").await.code(), "NAME_INVALID");
}

#[tokio::test]
async fn a_manifest_is_kept_byte_for_byte() {
    let client = Client::open().await;
    client.push_blob("a", "{}").await;
    let manifest = artifact(None, "application/vnd.example+json");
    let digest = Digest::sha256(manifest.to_string().as_bytes());

    let stored = client.put_manifest("/v2/a/manifests/latest", &manifest).await;
    assert_eq!(stored.status, StatusCode::CREATED);
    assert_eq!(stored.header(LOCATION), format!("/v2/a/manifests/{digest}"));
    let tagged = client.put_manifest(&format!("/v2/a/manifests/{digest}?tag=x&tag=y"), &manifest).await;
    assert_eq!(tagged.headers.get_all("oci-tag").iter().count(), 2);

    for reference in ["latest", "x", "y", &digest.to_string()] {
        let pulled = client.get(&format!("/v2/a/manifests/{reference}")).await;
        assert_eq!(pulled.body, manifest.to_string().as_bytes());
        assert_eq!(pulled.header(CONTENT_TYPE), IMAGE_MANIFEST);
        assert_eq!(pulled.header("docker-content-digest"), digest.to_string());
    }
    let etag = format!("\"{digest}\"");
    let answer = client.send(Method::GET, "/v2/a/manifests/latest", &[(IF_NONE_MATCH, &etag)], "").await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);

    let deleted = client.send(Method::DELETE, "/v2/a/manifests/x", &[], "").await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    assert_eq!(client.get("/v2/a/manifests/x").await.code(), "MANIFEST_UNKNOWN");
    assert_eq!(client.get("/v2/a/tags/list").await.json(), json!({ "name": "a", "tags": ["latest", "y"] }));
}

#[tokio::test]
async fn bad_manifests_are_refused_with_their_reason() {
    let client = Client::open().await;
    let manifest = artifact(None, "application/vnd.example+json");
    let digest = Digest::sha256(b"another");
    let missing = client.put_manifest("/v2/a/manifests/x", &manifest).await;
    assert_eq!((missing.status, missing.code().as_str()), (StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN"));
    client.push_blob("a", "{}").await;
    let wrong = client.put_manifest(&format!("/v2/a/manifests/{digest}"), &manifest).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (StatusCode::BAD_REQUEST, "DIGEST_INVALID"));
    let untyped = client.send(Method::PUT, "/v2/a/manifests/x", &[], manifest.to_string()).await;
    assert_eq!((untyped.status, untyped.code().as_str()), (StatusCode::BAD_REQUEST, "MANIFEST_INVALID"));
    let large = client.put_manifest("/v2/a/manifests/x", &json!("x".repeat(Manifest::SIZE_MAX))).await;
    assert_eq!((large.status, large.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID"));
    let tags = format!("/v2/a/manifests/{digest}?{}", "tag=x&".repeat(super::manifests::TAGS_MAX + 1));
    assert_eq!(client.put_manifest(&tags, &manifest).await.status, StatusCode::URI_TOO_LONG);
}

#[tokio::test]
async fn referrers_are_listed_filtered_and_paged() {
    let client = Client::open().await;
    client.push_blob("a", "{}").await;
    let subject = Digest::sha256(b"never pushed");
    let uri = format!("/v2/a/referrers/{subject}");
    let none = client.get(&uri).await;
    assert_eq!((none.status, none.header(CONTENT_TYPE)), (StatusCode::OK, IMAGE_INDEX));
    for kind in ["application/vnd.one+json", "application/vnd.two+json"] {
        let tag = format!("/v2/a/manifests/{}", &kind["application/vnd.".len()..][..3]);
        let stored = client.put_manifest(&tag, &artifact(Some(&subject), kind)).await;
        assert_eq!(stored.header("oci-subject"), subject.to_string());
    }
    let manifests = |answer: &Answer| answer.json()["manifests"].as_array().unwrap().len();
    assert_eq!(manifests(&client.get(&uri).await), 2);

    let filtered = client.get(&format!("{uri}?artifactType=application/vnd.one%2Bjson")).await;
    assert_eq!((manifests(&filtered), filtered.header("oci-filters-applied")), (1, "artifactType"));

    let first = client.get(&format!("{uri}?n=1")).await;
    let link = first.header(LINK);
    let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
    let second = client.get(next).await;
    assert_eq!((manifests(&first), manifests(&second), second.header(LINK)), (1, 1, ""));
    assert_ne!(first.json(), second.json());
}

#[tokio::test]
async fn listings_come_in_pages() {
    let client = Client::open().await;
    client.push_blob("a", "{}").await;
    let manifest = artifact(None, "application/vnd.example+json");
    for tag in ["one", "two", "three"] {
        client.put_manifest(&format!("/v2/a/manifests/{tag}"), &manifest).await;
    }
    let first = client.get("/v2/a/tags/list?n=2").await;
    assert_eq!(first.json()["tags"], json!(["one", "three"]));
    assert_eq!(first.header(LINK), "</v2/a/tags/list?last=three&n=2>; rel=\"next\"");
    let rest = client.get("/v2/a/tags/list?last=three").await;
    assert_eq!((rest.json()["tags"].clone(), rest.header(LINK)), (json!(["two"]), ""));
    let none = client.get("/v2/a/tags/list?n=0").await;
    assert_eq!((none.json()["tags"].clone(), none.header(LINK)), (json!([]), ""));
    assert_eq!(client.get("/v2/a/tags/list?n=-1").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(client.get("/v2/b/tags/list").await.code(), "NAME_UNKNOWN");
    assert_eq!(client.get("/v2/_catalog").await.json(), json!({ "repositories": ["a"] }));
}

#[tokio::test]
async fn other_methods_are_refused_by_name() {
    let client = Client::open().await;
    let digest = Digest::sha256(b"x");
    for (uri, allow) in [
        ("/v2/".to_owned(), "GET, HEAD"),
        ("/v2/_catalog".to_owned(), "GET, HEAD"),
        ("/v2/a/tags/list".to_owned(), "GET, HEAD"),
        (format!("/v2/a/referrers/{digest}"), "GET, HEAD"),
        (format!("/v2/a/blobs/{digest}"), "GET, HEAD, DELETE"),
        ("/v2/a/manifests/x".to_owned(), "GET, HEAD, PUT, DELETE"),
        ("/v2/a/blobs/uploads/".to_owned(), "POST"),
        (format!("/v2/a/blobs/uploads/{}", "0".repeat(32)), "GET, HEAD, PATCH, PUT, DELETE"),
    ] {
        let answer = client.send(Method::TRACE, &uri, &[], "").await;
        assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, allow), "{uri}");
        assert_eq!(answer.code(), "UNSUPPORTED");
    }
}

#[tokio::test]
async fn who_may_not_is_told_before_anything_is_looked_up() {
    let digest = Digest::sha256(b"x");
    for (principal, status, code) in [
        (Principal::Anonymous, StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
        (Principal::Plugin("other".parse().unwrap()), StatusCode::FORBIDDEN, "DENIED"),
    ] {
        let client = Client::new(Door { open: false }, principal).await;
        for uri in ["/v2/a/manifests/latest", &format!("/v2/a/blobs/{digest}")] {
            let answer = client.send(Method::DELETE, uri, &[], "").await;
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{uri}");
            assert_eq!(answer.headers.contains_key(WWW_AUTHENTICATE), status == StatusCode::UNAUTHORIZED);
        }
        assert_eq!(client.post("/v2/a/blobs/uploads/", "").await.status, status);
    }
}
