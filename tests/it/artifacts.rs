//! The main job: artifacts go in by curl or by OCI and come out of the gateway, byte for byte.

use std::process::Command;

use gossamer_tests::oci::{Artifact, digest};
use gossamer_tests::tool;
use md5::{Digest as _, Md5};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::core;

/// The tag under which a plugin files a name, as Beskar does.
fn tag_of(name: &str) -> String {
    hex::encode(Md5::digest(name))
}

fn names(list: &Value) -> Vec<&str> {
    list["repository_files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect()
}

const LIST: &str = "/artifacts/static/api/v1/repository/file:list?repository=artifacts/static/docs";

#[tokio::test(flavor = "multi_thread")]
async fn what_curl_uploads_curl_downloads() {
    let Some(curl) = tool::find("curl") else { return };
    let mesh = core().await.plugin("static").await;
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(mesh.path("up.bin"), &content).unwrap();
    let url = format!("{}/artifacts/static/docs/file/up.bin", mesh.base());

    tool::run(Command::new(&curl).args(["-sSfT"]).arg(mesh.path("up.bin")).arg(&url));
    tool::run(Command::new(&curl).args(["-sSfo"]).arg(mesh.path("down.bin")).arg(&url));

    assert!(std::fs::read(mesh.path("down.bin")).unwrap() == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_pushed_by_oci_is_served_and_listed() {
    let mesh = core().await.plugin("static").await;
    let file = Artifact::file("hello.txt", "hello, mesh");

    mesh.push("artifacts/static/docs/files", &tag_of("hello.txt"), &file).await;

    let response = mesh.get("/artifacts/static/docs/file/hello.txt").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().contains_key("gossamer-decision"));
    assert_eq!(response.headers()["content-type"], "application/vnd.ciq.static.v1.file");
    assert_eq!(response.headers()["etag"], format!("\"{}\"", digest(b"hello, mesh")));
    assert_eq!(response.text().await.unwrap(), "hello, mesh");
    mesh.until("the event reached the plugin's list", async || names(&mesh.api(LIST).await) == ["hello.txt"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_answer_honours_ranges_and_conditions() {
    let mesh = core().await.plugin("static").await;
    let path = "/artifacts/static/docs/file/digits";
    mesh.put(path, "0123456789").await;

    let part = mesh.request(Method::GET, path).header("range", "bytes=2-5").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], "bytes 2-5/10");
    assert_eq!(part.text().await.unwrap(), "2345");

    let beyond = mesh.request(Method::GET, path).header("range", "bytes=10-").send().await.unwrap();
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);

    let etag = mesh.get(path).await.headers()["etag"].clone();
    let same = mesh.request(Method::GET, path).header("if-none-match", etag).send().await.unwrap();
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);

    let head = mesh.request(Method::HEAD, path).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()["content-length"], "10");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_pushed_again_is_served_anew_at_once() {
    let mesh = core().await.plugin("static").await;
    let path = "/artifacts/static/docs/file/version";
    for version in 0..50 {
        let content = format!("version {version}");
        mesh.put(path, content.as_bytes()).await;
        // The second answer comes from the memo of the first.
        for _ in 0..2 {
            assert_eq!(mesh.get(path).await.text().await.unwrap(), content);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_file_is_gone_at_once_and_leaves_the_list() {
    let mesh = core().await.plugin("static").await;
    let path = "/artifacts/static/docs/file/passing";
    mesh.put(path, "soon gone").await;
    assert_eq!(mesh.get(path).await.status(), StatusCode::OK);
    mesh.until("it is listed", async || names(&mesh.api(LIST).await) == ["passing"]).await;

    let deleted = mesh.request(Method::DELETE, path).send().await.unwrap();

    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(mesh.get(path).await.status(), StatusCode::NOT_FOUND);
    mesh.until("it is not listed", async || names(&mesh.api(LIST).await).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_people_use_work() {
    let mesh = core().await.plugin("static").await;
    for name in ["with%20space.txt", "plus+sign", "%C3%BCml%C3%A4ut", "a%25b", "UPPER_lower-1.2.tar.gz"] {
        let path = format!("/artifacts/static/docs/file/{name}");
        mesh.put(&path, name).await;
        assert_eq!(mesh.get(&path).await.text().await.unwrap(), name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_routed_says_why_in_problem_json() {
    let mesh = core().await.plugin("static").await;
    for (path, status) in [
        ("/artifacts/static/docs/file/missing", StatusCode::NOT_FOUND),
        ("/artifacts/nobody/docs/file/x", StatusCode::NOT_FOUND),
        ("/artifacts/static/UPPER/file/x", StatusCode::NOT_FOUND),
        ("/artifacts/", StatusCode::NOT_FOUND),
    ] {
        let response = mesh.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["status"], status.as_u16(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beskars_api_lists_finds_and_deletes() {
    let mesh = core().await.plugin("static").await;
    let api = "/artifacts/static/api/v1/repository";
    for name in ["a.txt", "b.txt"] {
        mesh.put(&format!("/artifacts/static/docs/file/{name}"), name).await;
    }
    let body = |extra: &str| format!("{{\"repository\":\"artifacts/static/docs\"{extra}}}");
    let ask = async |method: Method, path: &str, body: String| {
        let request = mesh.request(method, &format!("{api}{path}"));
        request.header("content-type", "application/json; charset=utf-8").body(body).send().await.unwrap()
    };
    mesh.until("both are listed", async || {
        let list: Value = ask(Method::GET, "/file:list", body("")).await.json().await.unwrap();
        names(&list).len() == 2
    })
    .await;

    let found = ask(Method::GET, "/file:byname", body(",\"name\":\"a.txt\"")).await;
    let found: Value = found.json().await.unwrap();
    assert_eq!(found["repository_file"]["tag"], tag_of("a.txt"));
    assert_eq!(found["repository_file"]["size"], 5);

    let kept = ask(Method::DELETE, "", body(",\"delete_files\":false")).await;
    assert_eq!(kept.status(), StatusCode::BAD_REQUEST);

    let tag = format!(",\"tag\":\"{}\"", tag_of("a.txt"));
    assert_eq!(ask(Method::DELETE, "/file", body(&tag)).await.status(), StatusCode::OK);
    let list: Value = ask(Method::GET, "/file:list", body("")).await.json().await.unwrap();
    assert_eq!(names(&list), ["b.txt"]);

    let all = ask(Method::DELETE, "", body(",\"delete_files\":true")).await;
    assert_eq!(all.status(), StatusCode::OK);
    assert_eq!(mesh.get("/artifacts/static/docs/file/b.txt").await.status(), StatusCode::NOT_FOUND);
}
