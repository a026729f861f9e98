//! The policies that ship: the static plugin's router and the core's own authorisation.

use std::sync::Arc;

use gossamer_policy::{Body, Decision, Input, Policies, Policy};

use crate::support::{PLACES, Registry, blob, decide, forward, layer, policies, source};

const FILE: &str = "application/vnd.ciq.static.v1.file";

fn md5(text: &str) -> String {
    use md5::Digest as _;
    hex::encode(md5::Md5::digest(text.as_bytes()))
}

/// What the router says of a file: names are moved to new content, so that clients must ask again.
fn cached(decision: Decision) -> Decision {
    let Decision::Blob { repository, digest, media_type, .. } = decision else { panic!("{decision:?}") };
    Decision::Blob { repository, digest, media_type, cache_control: Some("no-cache".to_owned()) }
}

#[tokio::test]
async fn the_static_router_sends_every_request_where_it_belongs() {
    let (policies, registry) = (policies().await, Arc::new(Registry::default()));
    let name = "Grüße aus Köln \u{1f642}.txt";
    let files = "artifacts/static/docs/2026/files";
    registry.put(&format!("{files}:{}", md5(name)), &[layer(FILE, "greeting")]);
    registry.put(&format!("artifacts/static/api/v1/files:{}", md5("x")), &[layer(FILE, "hidden")]);
    let found = cached(blob(files, &layer(FILE, "greeting")));
    let file = format!("/artifacts/static/docs/2026/file/{name}");
    let docs = "artifacts/static/docs/2026";
    let rows = [
        ("GET", file.clone(), "", "", found.clone()),
        ("HEAD", file.clone(), "", "", found),
        ("PUT", file.clone(), "content", "", forward(docs)),
        ("DELETE", file.clone(), "", "", forward(docs)),
        ("GET", format!("/{docs}/"), "", "", forward(docs)),
        ("HEAD", format!("/{docs}/"), "", "", forward(docs)),
        ("GET", "/artifacts/static/api/v1/doc/swagger.yaml".to_owned(), "", "", forward("")),
        ("POST", "/artifacts/static/api/v1/repository".to_owned(), r#"{"repository":"R"}"#, "", forward("R")),
        (
            "POST",
            "/artifacts/static/api/v1/repository".to_owned(),
            r#"{"repository":"R"}"#,
            "S",
            forward("R"),
        ),
        ("POST", "/artifacts/static/api/v1/repository".to_owned(), r#"{"repository":5}"#, "", forward("")),
        ("GET", "/artifacts/static/api/v1/repository/file:list".to_owned(), "", "R", forward("R")),
        ("GET", "/artifacts/static/api/v1/repository/file:list".to_owned(), "{}", "R", forward("R")),
        ("GET", "/artifacts/static/api/v1/repository/file:list".to_owned(), "[]", "", forward("")),
        ("GET", "/artifacts/static/api/v1/repository/file:list".to_owned(), "", "", forward("")),
        ("GET", "/artifacts/static/api/v1/file/x".to_owned(), "", "", forward("")),
    ];
    for place in PLACES {
        let policy = place.take(&policies, &shipped()).await.unwrap();
        for (method, path, body, repository, expected) in &rows {
            let mut input = Input::new(*method, path);
            input.body = Body::Whole((*body).into());
            if !repository.is_empty() {
                input.query.insert("repository".to_owned(), vec![(*repository).to_owned()]);
            }
            let (decision, _) = decide(&policies, &policy, input, &registry).await.unwrap();
            assert_eq!(decision, *expected, "{place:?} {method} {path} {body} {repository}");
        }
    }
}

#[tokio::test]
async fn the_static_router_says_what_is_not_there() {
    let (policies, registry) = (policies().await, Arc::new(Registry::default()));
    let policy = policies.trust(&shipped()).unwrap();
    let ask = async |method: &str, path: &str, body: &'static str| {
        let input = Input::new(method, path).with_body(body);
        decide(&policies, &policy, input, &registry).await.unwrap().0
    };
    let not_found = |reason: &str| Decision::NotFound { reason: reason.to_owned() };
    assert_eq!(ask("GET", "/artifacts/static/docs/file/a", "").await, not_found("no such file"));
    assert_eq!(ask("GET", "/artifacts/static/docs", "").await, not_found("no such path"));
    assert_eq!(ask("GET", "/artifacts/static/DOCS/", "").await, not_found("no such path"));
    assert_eq!(ask("POST", "/artifacts/static/docs/", "").await, not_found("no such path"));
    let unnamed = ask("POST", "/artifacts/static/api/v1/repository", "{}").await;
    assert_eq!(unnamed, not_found("no repository is named"));
    let post = ask("POST", "/artifacts/static/docs/file/a", "").await;
    assert!(matches!(post, Decision::Deny { status: 405, .. }), "{post:?}");
}

#[tokio::test]
async fn an_upload_does_not_wait_for_its_body() {
    let (policies, registry) = (policies().await, Arc::new(Registry::default()));
    let policy = policies.trust(&shipped()).unwrap();
    let mut input = Input::new("PUT", "/artifacts/static/docs/file/a");
    input.body = Body::Unread;
    let (decision, trail) = decide(&policies, &policy, input, &registry).await.unwrap();
    assert_eq!((decision, trail.body_read), (forward("artifacts/static/docs"), false));
}

fn shipped() -> gossamer_policy::PolicySource {
    source(include_str!("../../../../policies/static.rego"), include_str!("../../../../policies/static.json"))
}

fn authz(policies: &Policies, data: &str) -> Arc<Policy> {
    policies.trust(&source(include_str!("../../../../policies/authz.rego"), data)).unwrap()
}

/// 0 stands for yes.
async fn status(policies: &Policies, policy: &Arc<Policy>, principal: &str, request: &str) -> u16 {
    let (method, path) = request.split_once(' ').unwrap();
    let mut input = Input::new(method, path);
    input.principal = principal.to_owned();
    let (decision, _) = decide(policies, policy, input, &Arc::new(Registry::default())).await.unwrap();
    if decision == (Decision::Forward { key: None }) {
        return 0;
    }
    let Decision::Deny { status, .. } = decision else { panic!("{decision:?}") };
    status
}

#[tokio::test]
async fn pulling_is_public_and_changing_is_not() {
    let policies = policies().await;
    let policy = authz(&policies, r#"{"open": false}"#);
    // Request, anonymous, a plugin named yum, admin.
    let rows = [
        ("GET /v2/", 0, 0, 0),
        ("GET /readyz", 0, 0, 0),
        ("GET /v2/artifacts/yum/epel/packages/manifests/latest", 0, 0, 0),
        ("HEAD /v2/library/alpine/blobs/sha256:00", 0, 0, 0),
        ("GET /v2/_catalog", 401, 0, 0),
        ("GET /v2/library/alpine/blobs/uploads/1", 401, 0, 0),
        ("PUT /v2/library/alpine/manifests/latest", 401, 403, 0),
        ("POST /v2/artifacts/yum/epel/packages/blobs/uploads/", 401, 0, 0),
        ("PUT /v2/artifacts/yummy/epel/manifests/latest", 401, 403, 0),
        ("DELETE /v2/artifacts/static/docs/files/manifests/x", 401, 403, 0),
        ("GET /artifacts/yum/epel/repo/repodata/repomd.xml", 0, 0, 0),
        ("PUT /artifacts/static/docs/file/a", 401, 403, 0),
        ("GET /artifacts/yum/api/v1/doc/swagger.yaml", 0, 0, 0),
        ("GET /artifacts/yum/api/v1/repository/sync", 401, 403, 0),
        ("GET /artifacts/yum//api/v1/repository/sync", 401, 403, 0),
        ("GET /api/v1/members", 401, 403, 0),
        ("GET /api/v1/version", 0, 0, 0),
        ("POST /api/v1/tokens", 401, 403, 0),
    ];
    for (request, anonymous, plugin, admin) in rows {
        for (principal, expected) in [("anonymous", anonymous), ("plugin/yum", plugin), ("admin", admin)] {
            assert_eq!(
                status(&policies, &policy, principal, request).await,
                expected,
                "{principal} {request}"
            );
        }
    }
}

#[tokio::test]
async fn only_an_open_core_lets_everybody_in() {
    let policies = policies().await;
    let request = "POST /api/v1/tokens";
    assert_eq!(status(&policies, &authz(&policies, r#"{"open": true}"#), "anonymous", request).await, 0);
    assert_eq!(status(&policies, &authz(&policies, ""), "anonymous", request).await, 401);
    assert_eq!(status(&policies, &authz(&policies, r#"{"open": "true"}"#), "", request).await, 401);
}
