//! The plugin as its clients meet it, over its real inbox and a registry that is a router.

mod registry;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use gossamer_sdk::testing::InProcess;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::Static;
use crate::event::tests::manifest;
use crate::repository::FileName;
use registry::Registry;

const DOCS: &str = "artifacts/static/docs";

struct Plugin {
    process: InProcess,
    registry: Registry,
    _directory: tempfile::TempDir,
}

impl Plugin {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let registry = Registry::default();
        let process = InProcess::start::<Static>(directory.path(), registry.router()).await.unwrap();
        registry.tell(process.service());
        Self { process, registry, _directory: directory }
    }

    async fn ask(&self, method: Method, path: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path).body(body.into()).unwrap();
        let answer = self.process.service().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn api(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(method, &format!("/artifacts/static/api/v1{path}"), body.to_string()).await
    }

    /// Puts a file and waits until it is listed.
    async fn put(&self, name: &str, content: &'static str) {
        let (status, _) = self.ask(Method::PUT, &format!("/{DOCS}/file/{name}"), content).await;
        assert_eq!(status, StatusCode::CREATED);
        self.process.handled(self.registry.head()).await.unwrap();
    }

    async fn names(&self) -> Vec<String> {
        let (status, list) =
            self.api(Method::GET, "/repository/file:list", json!({ "repository": DOCS })).await;
        assert_eq!(status, StatusCode::OK);
        let files = list["repository_files"].as_array().unwrap();
        files.iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect()
    }
}

fn tag(name: &str) -> String {
    name.parse::<FileName>().unwrap().tag().unwrap().to_string()
}

#[tokio::test]
async fn a_file_that_was_put_is_described_by_name_and_by_tag() {
    let plugin = Plugin::start().await;
    plugin.put("hello.txt", "hello").await;
    let by_name = json!({ "repository": DOCS, "name": "hello.txt" });
    let (status, found) = plugin.api(Method::GET, "/repository/file:byname", by_name).await;
    assert_eq!(status, StatusCode::OK);
    let file = &found["repository_file"];
    assert_eq!(file["tag"], tag("hello.txt"));
    assert_eq!(file["size"], 5);
    assert_eq!(file["id"], gossamer_sdk::Digest::sha256(b"hello").hex());
    assert_eq!(file["upload_time"], "1970-01-01 00:00:00 UTC");
    let by_tag = json!({ "repository": DOCS, "tag": tag("hello.txt") });
    assert_eq!(plugin.api(Method::GET, "/repository/file:bytag", by_tag).await, (StatusCode::OK, found));
}

#[tokio::test]
async fn a_deleted_file_is_gone_from_the_listing_when_the_answer_comes() {
    let plugin = Plugin::start().await;
    plugin.put("a.txt", "a").await;
    plugin.put("b.txt", "b").await;
    let (status, answer) = plugin
        .api(Method::DELETE, "/repository/file", json!({ "repository": DOCS, "tag": tag("a.txt") }))
        .await;
    assert_eq!((status, answer), (StatusCode::OK, json!({})));
    assert_eq!(plugin.names().await, ["b.txt"]);
    let (status, _) = plugin.ask(Method::DELETE, &format!("/{DOCS}/file/b.txt"), "").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(plugin.names().await.is_empty());
    let (status, _) = plugin.ask(Method::DELETE, &format!("/{DOCS}/file/b.txt"), "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_repository_with_files_is_deleted_only_if_that_is_said() {
    let plugin = Plugin::start().await;
    plugin.put("a.txt", "a").await;
    plugin.put("b.txt", "b").await;
    let (status, refused) = plugin.api(Method::DELETE, "/repository", json!({ "repository": DOCS })).await;
    assert_eq!((status, &refused["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("FailedPrecondition")));
    let whole = json!({ "repository": DOCS, "delete_files": true });
    assert_eq!(plugin.api(Method::DELETE, "/repository", whole.clone()).await.0, StatusCode::OK);
    assert!(plugin.names().await.is_empty());
    assert!(plugin.registry.is_empty());
    assert_eq!(plugin.api(Method::DELETE, "/repository", whole).await.0, StatusCode::OK);
}

#[tokio::test]
async fn deleting_a_repository_takes_what_is_not_listed_yet() {
    let plugin = Plugin::start().await;
    plugin.registry.keep_unannounced(&format!("{DOCS}/files"), "late", manifest("late.txt", "late"));
    let docs = json!({ "repository": DOCS });
    assert_eq!(plugin.api(Method::DELETE, "/repository", docs).await.0, StatusCode::BAD_REQUEST);
    let whole = json!({ "repository": DOCS, "delete_files": true });
    assert_eq!(plugin.api(Method::DELETE, "/repository", whole).await.0, StatusCode::OK);
    assert!(plugin.registry.is_empty());
}

#[tokio::test]
async fn what_another_instance_was_told_is_listed_all_the_same() {
    let plugin = Plugin::start().await;
    let files = format!("{DOCS}/files");
    plugin.registry.keep_unannounced(&files, &tag("other.txt"), manifest("other.txt", "other"));
    plugin.registry.keep_unannounced(&files, "no-file", manifest("", ""));
    assert_eq!(plugin.names().await, ["other.txt"]);
    let by_name = json!({ "repository": DOCS, "name": "other.txt" });
    assert_eq!(plugin.api(Method::GET, "/repository/file:byname", by_name).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_file_can_be_put_again() {
    let plugin = Plugin::start().await;
    plugin.put("a.txt", "old").await;
    plugin.put("a.txt", "newer").await;
    assert_eq!(plugin.names().await, ["a.txt"]);
    let (_, listing) = plugin.ask(Method::GET, &format!("/{DOCS}/"), "").await;
    assert_eq!(listing["repository_files"][0]["size"], 5);
}

#[tokio::test]
async fn parameters_come_as_a_body_or_as_a_query_and_pages_are_honoured() {
    let plugin = Plugin::start().await;
    for name in ["a", "b", "c"] {
        plugin.put(name, "x").await;
    }
    let page = json!({ "repository": DOCS, "page": { "Size": 2, "Token": "" } });
    let (_, first) = plugin.api(Method::GET, "/repository/file:list", page).await;
    assert_eq!(first["repository_files"].as_array().unwrap().len(), 2);
    let token = first["next_page_token"].as_str().unwrap();
    let query = format!(
        "/artifacts/static/api/v1/repository/file:list?repository={DOCS}&page_size=2&page_token={token}"
    );
    let (status, second) = plugin.ask(Method::GET, &query, "").await;
    assert_eq!((status, &second["repository_files"][0]["name"]), (StatusCode::OK, &json!("c")));
    assert_eq!(second.get("next_page_token"), None);
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_in_beskars_words() {
    let plugin = Plugin::start().await;
    let list = "/repository/file:list";
    for wrong in [json!({}), json!({ "repository": "docs" }), json!({ "repository": "artifacts/static/api" })]
    {
        let (status, refused) = plugin.api(Method::GET, list, wrong).await;
        assert_eq!((status, &refused["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("InvalidArgument")));
    }
    let path = format!("/artifacts/static/api/v1{list}");
    assert_eq!(plugin.ask(Method::GET, &path, "not JSON").await.0, StatusCode::BAD_REQUEST);
    let unknown = json!({ "repository": DOCS, "tag": "none" });
    let (status, refused) = plugin.api(Method::GET, "/repository/file:bytag", unknown).await;
    assert_eq!((status, &refused["error"]["code"]), (StatusCode::NOT_FOUND, &json!("NotFound")));
    assert_eq!(plugin.ask(Method::PUT, "/artifacts/static/api/file/x", "").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(plugin.ask(Method::GET, "/artifacts/static/api/v1/else", "").await.0, StatusCode::NOT_FOUND);
    assert_eq!(plugin.ask(Method::GET, &format!("/{DOCS}/"), "").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn empty_lists_are_lists_and_the_api_describes_itself() {
    let plugin = Plugin::start().await;
    let docs = json!({ "repository": DOCS });
    let logs = plugin.api(Method::GET, "/repository/logs", docs.clone()).await;
    assert_eq!(logs, (StatusCode::OK, json!({ "logs": [] })));
    let files = plugin.api(Method::GET, "/repository/file:list", docs).await;
    assert_eq!(files, (StatusCode::OK, json!({ "repository_files": [] })));
    let doc = plugin.ask(Method::GET, "/artifacts/static/api/v1/doc/swagger.yaml", "").await;
    assert_eq!(doc.0, StatusCode::OK);
}
