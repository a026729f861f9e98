//! The command line as people and scripts use it.

use std::process::Command;

use gossamer_tests::process::Process;
use gossamer_tests::tool;
use serde_json::Value;

use crate::{PROGRAMS, core};

#[tokio::test(flavor = "multi_thread")]
async fn push_members_and_plugins_say_what_is_there() {
    let mesh = core().await.plugin("static").await;
    std::fs::write(mesh.path("notes.txt"), "notes").unwrap();
    let gossamer = |arguments: &[&str]| tool::run(mesh.command().args(arguments));

    gossamer(&["push", "static", "--repo", "docs", mesh.path("notes.txt").to_str().unwrap()]);
    assert_eq!(mesh.get("/artifacts/static/docs/file/notes.txt").await.text().await.unwrap(), "notes");

    let members: Value = serde_json::from_str(&gossamer(&["mesh", "members", "--output", "json"])).unwrap();
    let roles: Vec<&str> = members["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles.len(), 2, "{members:#}");
    assert!(gossamer(&["mesh", "members"]).contains("core"));
    assert!(gossamer(&["mesh", "plugins"]).contains("static"));
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_exit_codes_and_advice() {
    let mut nobody = Command::new(PROGRAMS.gossamer);
    nobody.env("GOSSAMER_ADDRESS", "http://127.0.0.1:1").args(["mesh", "members"]);
    let output = tool::output(&mut nobody);
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&output.stderr).contains("gossamer dev"));

    let mesh = core().await;
    let output = tool::output(mesh.command().args(["explain", "0123456789ab"]));
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));

    let output = tool::output(Command::new(PROGRAMS.gossamer).arg("frobnicate"));
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_runs_a_whole_mesh_and_leaves_no_process() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAMS.gossamer);
    command
        .args(["dev", "--output", "json", "--listen", "127.0.0.1:0", "--data"])
        .arg(directory.path().join("data"));
    let (mut dev, line) = Process::start_and_read_line(&mut command, &directory.path().join("log"));
    let ready: Value = serde_json::from_str(&line).unwrap();
    let base = format!("http://{}", ready["http"].as_str().unwrap());
    let processes: Vec<u64> =
        ready["plugins"].as_array().unwrap().iter().map(|plugin| plugin["pid"].as_u64().unwrap()).collect();
    assert_eq!(processes.len(), 2, "{ready:#}");

    let client = reqwest::Client::new();
    let url = format!("{base}/artifacts/static/docs/file/x");
    assert_eq!(client.put(&url).body("x").send().await.unwrap().status(), 201);
    assert_eq!(client.get(&url).send().await.unwrap().text().await.unwrap(), "x");

    assert!(dev.stop().success(), "{}", dev.said());
    for process in processes {
        assert!(!std::path::Path::new(&format!("/proc/{process}")).exists(), "{process} still runs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_is_alive_then_ready_and_measures_itself() {
    let mesh = core().await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(mesh.get(path).await.status(), 200, "{path}");
    }
    let verbose = mesh.get("/readyz?verbose").await.text().await.unwrap();
    assert!(verbose.contains("certificate"), "{verbose}");
    let metrics = mesh.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("# TYPE gossamer_"), "{metrics}");
}
