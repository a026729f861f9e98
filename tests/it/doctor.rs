//! Causes of trouble that are brought about on purpose, and whether the doctor names them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gossamer_tests::mesh::TestMesh;
use gossamer_tests::netns::NetMesh;
use gossamer_tests::process::Process;
use gossamer_tests::tool;
use rustix::process::Signal;
use serde_json::Value;

use crate::{PROGRAMS, core};

/// Longer than a probe's period, shorter than what it takes to be given up.
const PAUSE: Duration = Duration::from_millis(1_200);

/// The node that each finding of this cause names first.
fn named(answer: &Value, cause: &str) -> Vec<String> {
    let findings = answer["findings"].as_array().cloned().unwrap_or_default();
    let of_cause = findings.iter().filter(|finding| finding["cause"] == cause);
    of_cause.filter_map(|finding| finding["nodes"][0].as_str().map(str::to_owned)).collect()
}

async fn until_named(mesh: &TestMesh, cause: &str, node: &str) {
    mesh.until(&format!("the doctor says {cause}"), async || {
        let answer = mesh.api("/api/v1/doctor").await;
        named(&answer, cause).contains(&node.to_owned())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mesh_that_is_well_has_no_findings_and_exit_code_zero() {
    let mesh = core().await.plugin("static").await.plugin("static").await;
    let said = tool::run(mesh.command().arg("doctor"));
    assert!(said.contains("Asked 3 nodes."), "{said}");
    assert!(said.contains("Nothing is wrong"), "{said}");
    let answer: Value =
        serde_json::from_str(&tool::run(mesh.command().args(["doctor", "--output", "json"]))).unwrap();
    let reports = answer["observations"]["reports"].as_array().unwrap();
    assert!(reports.iter().all(|report| report["contacts"].as_array().unwrap().len() == 2), "{answer:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_killed_is_dead_and_the_command_fails_with_a_code_of_its_own() {
    let mut mesh = core().await.plugin("static").await.plugin("static").await;
    let node = mesh.node_of("static-2").await;
    mesh.process("static-2").kill();
    until_named(&mesh, "dead-process", &node).await;
    let output = tool::output(mesh.command().arg("doctor"));
    assert_eq!(output.status.code(), Some(6));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("dead-process") && said.contains("start it again"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_gets_no_processor_is_a_starved_observer() {
    let mut mesh = core().await.plugin("static").await.plugin("static").await;
    let node = mesh.node_of("static-1").await;
    mesh.process("static-1").signal(Signal::STOP);
    tokio::time::sleep(PAUSE).await; // the pause is the fault
    mesh.process("static-1").signal(Signal::CONT);
    until_named(&mesh, "starved-observer", &node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_with_copies_of_one_directory_are_a_duplicate_node() {
    let mesh = core().await.plugin("static").await;
    let node = mesh.node_of("static-1").await;
    let copy = mesh.path("copy");
    copy_directory(&mesh.path("static-1"), &copy);
    let mut command = mesh.command();
    command.args(["plugin", "run", "static"]).env("GOSSAMER_DATA", &copy);
    command.env("GOSSAMER_LISTEN", "127.0.0.1:0").env("GOSSAMER_BIND", "127.0.0.1:0");
    let _second = Process::start(&mut command, &mesh.path("copy.log"));
    until_named(&mesh, "duplicate-node", &node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_that_belongs_to_another_mesh_has_the_wrong_ca() {
    let (mesh, data) = (core().await, tempfile::tempdir().unwrap());
    let config = data.path().join("core.toml");
    let text = format!(
        "mesh = \"other\"\ndata = {:?}\nlisten = \"127.0.0.1:0\"\nmesh_listen = \"127.0.0.1:0\"\n\n\
         [cluster]\nlisten = \"127.0.0.1:0\"\nseeds = [\"{}\"]\n\n[access]\nmode = \"open\"\n",
        data.path().join("data"),
        mesh.cluster()
    );
    fs::write(&config, text).unwrap();
    let mut command = Command::new(PROGRAMS.gossamer);
    command.args(["core", "--output", "json", "--config"]).arg(&config);
    let (_other, line) = Process::start_and_read_line(&mut command, &data.path().join("log"));
    let ready: Value = serde_json::from_str(&line).unwrap();
    let mut doctor = Command::new(PROGRAMS.gossamer);
    doctor.args(["--address", &format!("http://{}", ready["http"].as_str().unwrap())]);
    let output = tool::output(doctor.args(["doctor", "--output", "json"]));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(named(&answer, "wrong-ca").len(), 1, "{answer:#}");
    assert_eq!(output.status.code(), Some(6));
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

// === in network namespaces ===

fn until_found(mesh: &NetMesh, cause: &str, host: &str) {
    let node = mesh.node_of(host);
    mesh.until(&format!("the doctor says {cause}"), |mesh| {
        named(&mesh.ask(&["doctor"]), cause).contains(&node)
    });
}

#[test]
fn a_way_that_is_dead_in_one_direction_is_a_one_way_link() {
    let Some(mesh) = NetMesh::start(PROGRAMS, &["one", "two", "three"]) else { return };
    mesh.until("all agree", NetMesh::agrees);
    mesh.net.drop_one_way("one", "two");
    let pair = [mesh.node_of("one"), mesh.node_of("two")];
    mesh.until("the doctor names the pair", |mesh| {
        let named = named(&mesh.ask(&["doctor"]), "one-way-link");
        !named.is_empty() && named.iter().all(|node| pair.contains(node))
    });
}

#[test]
fn a_host_whose_udp_is_blocked_is_named() {
    let Some(mesh) = NetMesh::start(PROGRAMS, &["one", "two"]) else { return };
    mesh.until("all agree", NetMesh::agrees);
    mesh.net.block_udp("two");
    until_found(&mesh, "blocked-udp", "two");
}

#[test]
fn a_service_port_that_is_closed_is_named() {
    let Some(mesh) = NetMesh::start(PROGRAMS, &["one", "two"]) else { return };
    mesh.net.block_tcp("one");
    until_found(&mesh, "unreachable-service", "one");
}

#[test]
fn a_way_that_is_too_narrow_is_named() {
    let Some(mesh) = NetMesh::start(PROGRAMS, &["one", "two"]) else { return };
    mesh.until("all agree", NetMesh::agrees);
    mesh.net.narrow("core", 1_000);
    until_found(&mesh, "mtu", "core");
}
