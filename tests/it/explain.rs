//! Every decision can be asked about: what it rests on, that it replays, why it was not another, and its line in the log.

use gossamer_tests::mesh::TestMesh;
use gossamer_tests::tool;
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::Value;

use crate::{PROGRAMS, core};

/// Runs `gossamer explain` and reads its answer.
fn explain(mesh: &TestMesh, arguments: &[&str]) -> Value {
    let mut command = mesh.command();
    let said = tool::run(command.args(["--output", "json", "explain"]).args(arguments));
    serde_json::from_str(&said).unwrap()
}

fn explain_in_words(mesh: &TestMesh, arguments: &[&str]) -> String {
    tool::run(mesh.command().arg("explain").args(arguments))
}

fn id(response: &reqwest::Response) -> String {
    response.headers()["gossamer-decision"].to_str().unwrap().to_owned()
}

/// A router of the guest that answers by the method alone.
fn router(status: u16) -> String {
    format!(
        "package router\nimport rego.v1\ndefault output := {{\"found\": false}}\n\
         output := {{\"action\": \"deny\", \"status\": {status}, \"reason\": \"by rule\"}} if {{\n\
         \tinput.method == \"GET\"\n\tstartswith(input.path, \"/artifacts/guest/\")\n}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_replays_to_itself_after_the_registry_has_moved_on() {
    let mesh = core().await.plugin("static").await;
    let path = "/artifacts/static/docs/file/moving";
    mesh.put(path, "first").await;
    let found = id(&mesh.get(path).await);
    let remembered = id(&mesh.get(path).await);
    assert!(mesh.request(Method::DELETE, path).send().await.unwrap().status().is_success());
    let gone = id(&mesh.get(path).await);

    for (id, action) in [(&found, "blob"), (&remembered, "blob"), (&gone, "not_found")] {
        let said = explain(&mesh, &[id]);
        assert_eq!(said["decision"]["action"], action, "{said:#}");
        assert_eq!(said["replay"]["equal"], true, "{said:#}");
        assert_eq!(said["replay"]["policy_is_active"], true, "{said:#}");
        assert_eq!(said["trail"]["input"]["path"], path, "{said:#}");
    }
    let words = explain_in_words(&mesh, &[&found]);
    assert!(words.contains("replay     the same"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_replays_by_a_policy_that_is_no_longer_active() {
    let mut mesh = core().await;
    mesh.start_guest("guest-1", "guest", &router(451)).await;
    mesh.until("the guest is routed to", async || mesh.instances("guest").await.len() == 1).await;
    let refused = mesh.get("/artifacts/guest/x").await;
    assert_eq!(refused.status(), 451);
    let old = id(&refused);

    mesh.process("guest-1").stop();
    mesh.start_guest("guest-2", "guest", &router(410)).await;
    mesh.until("the new policy decides", async || mesh.get("/artifacts/guest/x").await.status() == 410).await;

    let said = explain(&mesh, &[&old]);
    assert_eq!(said["replay"]["policy_is_active"], false, "{said:#}");
    assert_eq!(said["replay"]["equal"], true, "{said:#}");
    assert_eq!(said["decision"]["status"], 451, "{said:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_credentials_refuse_has_a_record_too() {
    let mesh = core().await;
    for path in ["/artifacts/static/docs/file/x", "/v2/", "/api/v1/members"] {
        let request = mesh.client().get(format!("{}{path}", mesh.base()));
        let refused = request.basic_auth("admin", Some("wrong")).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
        let said = explain(&mesh, &[&id(&refused)]);
        assert_eq!(said["status"], 401, "{said:#}");
        assert_eq!(said["target"], path, "{said:#}");
        assert_eq!(said["principal"], "unknown", "{said:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn why_not_names_the_first_condition_that_failed() {
    let mut mesh = core().await.plugin("static").await;
    mesh.start_guest("guest-1", "guest", &router(451)).await;
    mesh.start_guest("broken-1", "broken", "package router\noutput := {").await;
    mesh.until("the guest is routed to", async || mesh.instances("guest").await.len() == 1).await;
    crate::policies::refusal(&mesh, "broken").await;

    let path = "/artifacts/static/docs/file/absent";
    let missing = id(&mesh.get(path).await);
    for (arguments, condition, because) in [
        (vec!["--why-not", "nobody", "GET", path], "announced", "no node announces nobody"),
        (vec!["--why-not", "broken", "GET", path], "admitted", "refused"),
        (vec!["--why-not", "guest", "GET", path], "path", "leads to static"),
        (
            vec!["--why-not", "guest", "GET", "/artifacts/-/x"],
            "media_type",
            "nothing in the request leads to it",
        ),
        (vec!["--why-not", "static", "GET", path], "policy", "no such file"),
        (vec!["--why-not", "guest", missing.as_str()], "path", "leads to static"),
        (
            vec!["--why-not", "guest", "PUT", "/artifacts/guest/x"],
            "policy",
            "line 5 did not hold: input.method == \"GET\"",
        ),
        (vec!["--why-not", "guest", "GET", "/artifacts/guest/x"], "policy", "denies with 451: by rule"),
    ] {
        let said = explain(&mesh, &arguments);
        let failed = &said["why_not"]["first_failed"];
        assert_eq!(failed["condition"], condition, "{arguments:?}: {:#}", said["why_not"]);
        assert!(failed["because"].as_str().unwrap().contains(because), "{arguments:?}: {failed:#}");
    }
    let words = explain_in_words(&mesh, &["--why-not", "guest", "PUT", "/artifacts/guest/x"]);
    assert!(words.contains("no policy: its policy finds nothing"), "{words}");
    assert!(words.contains("output (line 4): line 5 did not hold"), "{words}");
    let chosen = explain(&mesh, &["--why-not", "static", "PUT", path]);
    assert_eq!(chosen["why_not"]["first_failed"], Value::Null, "{chosen:#}");
}

fn lines(path: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_a_masked_line_for_each_decision_and_follows_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let (log, moved) = (directory.path().join("decisions.jsonl"), directory.path().join("old.jsonl"));
    let settings = format!(
        "decisions.log.file = {log:?}\ndecisions.log.mask_headers = [\"x-secret\"]\n\
         decisions.log.mask_paths = [\"/artifacts/*/private/**\"]\ndecisions.log.rates.not_found = 0.0\n"
    );
    let mut mesh = TestMesh::start_with(PROGRAMS, &settings).await.plugin("static").await;
    let path = "/artifacts/static/docs/file/logged";
    mesh.put(path, "content").await;
    let request = mesh.request(Method::GET, path).query(&[("token", "hush"), ("plain", "said")]);
    let found = id(&request.header("x-secret", "sesame").send().await.unwrap());
    mesh.put("/artifacts/static/private/file/veiled", "content").await;
    let hidden = id(&mesh.get("/artifacts/static/private/file/veiled").await);
    let absent = id(&mesh.get("/artifacts/static/docs/file/absent").await);

    let line = |id: &str, path: &std::path::Path| lines(path).into_iter().find(|line| line["id"] == id);
    mesh.until("both are written", async || line(&found, &log).is_some() && line(&hidden, &log).is_some())
        .await;
    let open = line(&found, &log).unwrap();
    assert_eq!(open["outcome"], "answered", "{open:#}");
    assert_eq!(open["target"], format!("{path}?token=***&plain=said"));
    assert_eq!(open["trail"]["input"]["headers"]["x-secret"], "***", "{open:#}");
    assert_eq!(open["decision"]["action"], "blob", "{open:#}");
    let veiled = line(&hidden, &log).unwrap();
    assert_eq!(veiled["decision"]["action"], "blob", "{veiled:#}");
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(!text.contains("sesame") && !text.contains("hush") && !text.contains("veiled"), "{text}");

    std::fs::rename(&log, &moved).unwrap();
    mesh.core().signal(Signal::HUP);
    mesh.until("the file is there again", async || log.exists()).await;
    let again = id(&mesh.get(path).await);
    mesh.until("the next line is in the new file", async || line(&again, &log).is_some()).await;
    assert!(line(&absent, &moved).is_none() && line(&absent, &log).is_none(), "its rate is 0");
    assert_eq!(explain(&mesh, &[&absent])["status"], 404, "what is not written is still remembered");
}
