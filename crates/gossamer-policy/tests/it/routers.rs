//! Beskar's contract: four routers in its style, every row of what they must decide, in both places.

use std::sync::Arc;

use gossamer_policy::{Decision, EvalError, Input, Policies, PolicySource};

use crate::support::{Layer, PLACES, Registry, blob, decide, forward, layer, policies, source};

const NONE: Option<&str> = None;

/// What a row of a table expects.
#[derive(Debug)]
enum Expected {
    Blob(&'static str, Layer),
    Forward(&'static str),
    NotFound,
    Conflict,
    BodyInvalid,
}

use Expected::{Blob, BodyInvalid, Conflict, Forward, NotFound};

/// Method, path, body, what is expected.
type OwnedRow = (String, String, Option<&'static str>, Expected);

type Row = (&'static str, &'static str, Option<&'static str>, Expected);

const RPM: &str = "application/vnd.ciq.rpm.package.v1.rpm";
const REPOMD: &str = "application/vnd.ciq.rpm.repomd.v1.xml";
const REPOMD_ASC: &str = "application/vnd.ciq.rpm.repomd.v1.xml.asc";
const PRIMARY: &str = "application/vnd.ciq.rpm.repomd.extra.v1.primary";
const STATIC: &str = "application/vnd.ciq.static.v1.file";
const MIRROR: &str = "application/vnd.ciq.mirror.v1.file";
const OSTREE: &str = "application/vnd.ciq.ostree.v1.file";

fn md5(text: &str) -> String {
    use md5::Digest as _;
    hex::encode(md5::Md5::digest(text.as_bytes()))
}

fn registry() -> Arc<Registry> {
    let registry = Registry::default();
    let put = |name: &str, tag: &str, layers: &[Layer]| registry.put(&format!("{name}:{tag}"), layers);
    put("artifacts/yum/epel/9/packages", &md5("hello-1.rpm"), &[layer(RPM, "hello-1.rpm")]);
    put(
        "artifacts/yum/epel/9/repodata",
        "repomdxml",
        &[layer(REPOMD, ""), layer(REPOMD_ASC, ""), layer(PRIMARY, "ab-primary.xml.gz")],
    );
    put(
        "artifacts/static/docs/files",
        &md5("a.txt"),
        &[layer("application/other", ""), layer(STATIC, "a.txt")],
    );
    put("artifacts/mirror/rocky/os/files", &md5("a.txt"), &[layer(MIRROR, "a.txt")]);
    put("artifacts/ostree/fedora/file", "summary.sig", &[layer(OSTREE, "summary.sig")]);
    put("artifacts/ostree/fedora/file", &md5("objects/ab/cd.filez"), &[layer(OSTREE, "object")]);
    Arc::new(registry)
}

/// The rows that all routers have in common.
fn api(plugin: &str) -> Vec<(String, Option<&'static str>, Expected)> {
    let path = |rest: &str| format!("/artifacts/{plugin}/api/v1/{rest}");
    vec![
        (path("repository"), Some(r#"{"repository":"R"}"#), Forward("R")),
        (path("repository"), Some("{}"), NotFound),
        (path("repository"), Some(r#"{"repository":""}"#), NotFound),
        (path("repository"), Some(r#"{"repository":5}"#), Forward("")),
        (path("repository"), None, Forward("")),
        (path("repository"), Some(""), Forward("")),
        (path("repository"), Some("null"), Forward("")),
        (path("repository"), Some("[]"), Forward("")),
        (path("repository"), Some("{"), BodyInvalid),
        (path("doc/swagger.yaml"), None, Forward("")),
        (format!("/artifacts/{plugin}"), None, NotFound),
        ("/".to_owned(), None, NotFound),
    ]
}

fn yum() -> Vec<Row> {
    let repodata = "artifacts/yum/epel/9/repodata";
    vec![
        (
            "GET",
            "/artifacts/yum/epel/9/repo/hello-1.rpm",
            NONE,
            Blob("artifacts/yum/epel/9/packages", layer(RPM, "hello-1.rpm")),
        ),
        (
            "HEAD",
            "/artifacts/yum/epel/9/repo/Packages/h/hello-1.rpm",
            NONE,
            Blob("artifacts/yum/epel/9/packages", layer(RPM, "hello-1.rpm")),
        ),
        ("GET", "/artifacts/yum/epel/9/repo/repodata/repomd.xml", NONE, Blob(repodata, layer(REPOMD, ""))),
        (
            "GET",
            "/artifacts/yum/epel/9/repo/repodata/repomd.xml.asc",
            NONE,
            Blob(repodata, layer(REPOMD_ASC, "")),
        ),
        (
            "GET",
            "/artifacts/yum/epel/9/repo/repodata/ab-primary.xml.gz",
            NONE,
            Blob(repodata, layer(PRIMARY, "ab-primary.xml.gz")),
        ),
        ("GET", "/artifacts/yum/epel/9/repo/repodata/cd-primary.xml.gz", NONE, NotFound),
        ("GET", "/artifacts/yum/epel/9/repo/absent.rpm", NONE, NotFound),
        ("GET", "/artifacts/yum/epel/9/repo/absent.srpm", NONE, NotFound),
        ("PUT", "/artifacts/yum/epel/9/repo/hello-1.rpm", NONE, Forward("")),
        ("POST", "/artifacts/yum/epel/9/repo/repodata/repomd.xml", Some("{"), Forward("")),
        ("GET", "/artifacts/yum/epel/9/repo/repodata/x.rpm", NONE, Conflict),
        ("GET", "/artifacts/yum/EPEL/repo/hello-1.rpm", NONE, NotFound),
        ("GET", "/artifacts/yum/a--b/repo/hello-1.rpm", NONE, NotFound),
    ]
}

fn files() -> Vec<Row> {
    vec![
        (
            "GET",
            "/artifacts/static/docs/file/a.txt",
            NONE,
            Blob("artifacts/static/docs/files", layer(STATIC, "a.txt")),
        ),
        (
            "HEAD",
            "/artifacts/static/docs/file/a.txt",
            NONE,
            Blob("artifacts/static/docs/files", layer(STATIC, "a.txt")),
        ),
        ("GET", "/artifacts/static/docs/file/b.txt", NONE, NotFound),
        ("GET", "/artifacts/static/docs/file/a/b.txt", NONE, NotFound),
        ("PUT", "/artifacts/static/docs/file/a.txt", NONE, Forward("")),
    ]
}

fn mirror() -> Vec<Row> {
    vec![
        (
            "GET",
            "/artifacts/mirror/rocky/os/file/a.txt",
            NONE,
            Blob("artifacts/mirror/rocky/os/files", layer(MIRROR, "a.txt")),
        ),
        ("GET", "/artifacts/mirror/rocky/os/file/b.txt", NONE, NotFound),
        ("PUT", "/artifacts/mirror/rocky/os/file/a.txt", NONE, Forward("")),
        ("GET", "/artifacts/mirror/web/v1/rocky/os/", NONE, Forward("")),
        ("GET", "/artifacts/mirror/web/v1/rocky/file/x", NONE, NotFound),
        ("POST", "/artifacts/mirror/web/v1/rocky/os", Some("{"), Forward("")),
    ]
}

fn ostree() -> Vec<Row> {
    let name = "artifacts/ostree/fedora/file";
    vec![
        ("GET", "/artifacts/ostree/fedora/repo/summary.sig", NONE, Blob(name, layer(OSTREE, "summary.sig"))),
        (
            "GET",
            "/artifacts/ostree/fedora/repo/objects/ab/cd.filez",
            NONE,
            Blob(name, layer(OSTREE, "object")),
        ),
        ("GET", "/artifacts/ostree/fedora/repo/config", NONE, NotFound),
        ("GET", "/artifacts/ostree/fedora/repo/deltas/AB/cd", NONE, NotFound),
        ("GET", "/artifacts/ostree/fedora/repo/refs/heads/Foo", NONE, NotFound),
        ("GET", "/artifacts/ostree/fedora/repo/a--b", NONE, NotFound),
        ("DELETE", "/artifacts/ostree/fedora/repo/config", NONE, Forward("")),
    ]
}

/// A router and its rows, those that all routers share included.
fn router(name: &str) -> (PolicySource, Vec<OwnedRow>) {
    let (module, data, rows) = match name {
        "yum" => (include_str!("../fixtures/yum.rego"), include_str!("../fixtures/yum.json"), yum()),
        "static" => {
            (include_str!("../fixtures/static.rego"), include_str!("../fixtures/static.json"), files())
        }
        "mirror" => {
            (include_str!("../fixtures/mirror.rego"), include_str!("../fixtures/mirror.json"), mirror())
        }
        "ostree" => {
            (include_str!("../fixtures/ostree.rego"), include_str!("../fixtures/ostree.json"), ostree())
        }
        _ => panic!("no router {name}"),
    };
    let own = rows
        .into_iter()
        .map(|(method, path, body, expected)| (method.to_owned(), path.to_owned(), body, expected));
    let common =
        api(name).into_iter().map(|(path, body, expected)| ("POST".to_owned(), path, body, expected));
    (source(module, data), own.chain(common).collect())
}

async fn check(policies: &Policies, name: &str) {
    let registry = registry();
    for place in PLACES {
        let (source, rows) = router(name);
        let policy = place.take(policies, &source).await.unwrap();
        for (method, path, body, expected) in rows {
            let mut input = Input::new(&method, &path);
            if let Some(body) = body {
                input = input.with_body(body);
            }
            let outcome = decide(policies, &policy, input, &registry).await.map(|(decision, _)| decision);
            let case = format!("{place:?} {method} {path} {body:?} expected {expected:?}, was {outcome:?}");
            match expected {
                Blob(repository, layer) => assert_eq!(outcome, Ok(blob(repository, &layer)), "{case}"),
                Forward(key) => assert_eq!(outcome, Ok(forward(key)), "{case}"),
                NotFound => assert!(matches!(outcome, Ok(Decision::NotFound { .. })), "{case}"),
                Conflict => assert!(matches!(outcome, Err(EvalError::Policy(_))), "{case}"),
                BodyInvalid => assert!(matches!(outcome, Err(EvalError::BodyInvalid(_))), "{case}"),
            }
        }
    }
}

#[tokio::test]
async fn the_yum_router_decides_as_beskars() {
    check(&policies().await, "yum").await;
}

#[tokio::test]
async fn the_static_router_decides_as_beskars() {
    check(&policies().await, "static").await;
}

#[tokio::test]
async fn the_mirror_router_decides_as_beskars() {
    check(&policies().await, "mirror").await;
}

#[tokio::test]
async fn the_ostree_router_decides_as_beskars() {
    check(&policies().await, "ostree").await;
}

#[tokio::test]
async fn a_body_that_nobody_has_read_is_asked_for_only_where_it_matters() {
    let (policies, registry) = (policies().await, registry());
    let (source, _) = router("static");
    for place in PLACES {
        let policy = place.take(&policies, &source).await.unwrap();
        assert!(policy.reads_body());
        let ask = |method: &str, path: &str, body: gossamer_policy::Body| {
            let mut input = Input::new(method, path);
            input.body = body;
            decide(&policies, &policy, input, &registry)
        };
        let put = ask("PUT", "/artifacts/static/docs/file/a.txt", gossamer_policy::Body::Unread).await;
        assert_eq!(put.unwrap().0, forward(""));
        let call = ask("POST", "/artifacts/static/api/v1/x", gossamer_policy::Body::Unread).await;
        assert_eq!(call.unwrap_err(), EvalError::BodyWanted, "{place:?}");
        let call = ask("POST", "/artifacts/static/api/v1/x", gossamer_policy::Body::TooLarge).await;
        assert_eq!(call.unwrap_err(), EvalError::BodyTooLarge, "{place:?}");
    }
}

#[tokio::test]
async fn a_registry_that_fails_ends_the_evaluation() {
    let (policies, registry) = (policies().await, registry());
    *registry.broken.lock().unwrap() = true;
    let (source, _) = router("static");
    for place in PLACES {
        let policy = place.take(&policies, &source).await.unwrap();
        let outcome =
            decide(&policies, &policy, Input::new("GET", "/artifacts/static/docs/file/a.txt"), &registry)
                .await;
        assert_eq!(outcome.unwrap_err(), EvalError::Lookup("the disk is gone".to_owned()), "{place:?}");
    }
}
