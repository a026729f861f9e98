//! Several cores route alike: together, apart, after a split, and from what their disks remember.

use std::collections::BTreeSet;

use gossamer_tests::halves::{Half, Halves};
use gossamer_tests::mesh::TestMesh;
use gossamer_tests::oci::{self, Artifact};
use gossamer_wire::Announcement;
use reqwest::StatusCode;
use serde_json::Value;

use crate::{PROGRAMS, core};

const LISTING: &str = "/artifacts/static/docs/";

async fn api(mesh: &TestMesh, base: &str, path: &str) -> Value {
    mesh.client().get(format!("{base}{path}")).send().await.unwrap().json().await.unwrap()
}

async fn status(mesh: &TestMesh, base: &str, path: &str) -> StatusCode {
    mesh.client().get(format!("{base}{path}")).send().await.unwrap().status()
}

/// What a core says of routes: its digest, how many cores it sees, whether all agree, and who serves `static`.
#[derive(Debug, PartialEq)]
struct Routes {
    digest: String,
    cores: usize,
    agree: bool,
    instances: BTreeSet<String>,
}

async fn routes(mesh: &TestMesh, base: &str) -> Routes {
    let said = api(mesh, base, "/api/v1/routes").await;
    let cores = said["cores"].as_array().unwrap();
    let routes = said["routes"].as_array().unwrap().iter().find(|route| route["plugin"] == "static");
    let instances = routes.map(|route| route["instances"].as_array().unwrap().clone()).unwrap_or_default();
    Routes {
        digest: said["digest"].as_str().unwrap().to_owned(),
        cores: cores.len(),
        agree: cores.iter().all(|core| core["agrees"] == true),
        instances: instances.iter().map(|instance| instance["node"].as_str().unwrap().to_owned()).collect(),
    }
}

/// Waits until every core of `bases` sees so many cores and instances and agrees with all cores that it sees.
async fn until_agreed(mesh: &TestMesh, bases: &[&String], cores: usize, instances: usize) {
    let what = format!("{bases:?} agree on {cores} cores and {instances} instances");
    mesh.until(&what, async || {
        let mut seen: Vec<Routes> = Vec::new();
        for base in bases {
            seen.push(routes(mesh, base).await);
        }
        let first = &seen[0];
        let is_whole = first.agree && first.cores == cores && first.instances.len() == instances;
        is_whole && seen.iter().all(|routes| routes == first)
    })
    .await;
}

/// The owner of the repository `docs`, as a core sees it.
async fn owner(mesh: &TestMesh, base: &str) -> String {
    let explained = api(mesh, base, &format!("/api/v1/explain?method=GET&url={LISTING}")).await;
    explained["replicas"][0]["node"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_cores_and_six_instances_agree_again_after_a_split() {
    let Some(halves) = Halves::new() else { return };
    let (left, right) = (halves.place(Half::Left), halves.place(Half::Right));
    let mut mesh = TestMesh::start_at(PROGRAMS, "", left.clone()).await;
    mesh.start_further_core("second").await;
    mesh.go_to(right);
    mesh.start_further_core("third").await;
    for number in 1..=6 {
        if number == 4 {
            mesh.go_to(left.clone());
        }
        mesh.start_plugin("static", &format!("static-{number}")).await;
    }
    let bases = [mesh.base(), mesh.further_core("second").base(), mesh.further_core("third").base()];
    let [first, second, third] = &bases;
    until_agreed(&mesh, &[first, second, third], 3, 6).await;

    halves.cut();
    until_agreed(&mesh, &[first, second], 2, 3).await;
    until_agreed(&mesh, &[third], 1, 3).await;
    let [on_left, on_right] = [routes(&mesh, first).await.instances, routes(&mesh, third).await.instances];
    assert!(on_left.is_disjoint(&on_right), "{on_left:?} {on_right:?}");
    for (base, name) in [(first, "left"), (third, "right")] {
        // Each side takes artifacts, serves them, delivers their events and forwards to the owner that it sees.
        // What the owner lists is not asked: it compares with a core of its choice, and these share no catalog.
        let tag = hex::encode(<md5::Md5 as md5::Digest>::digest(name));
        oci::push(mesh.client(), base, "artifacts/static/docs/files", &tag, &Artifact::file(name, name))
            .await;
        assert_eq!(status(&mesh, base, &format!("/artifacts/static/docs/file/{name}")).await, StatusCode::OK);
        let what = format!("the owner on the {name} has the event");
        mesh.until(&what, async || delivered(&mesh, base).await >= 1.0).await;
        let listing = status(&mesh, base, LISTING).await;
        assert!(!listing.is_server_error(), "the {name} does not reach the owner: {listing}");
    }
    assert!(on_left.contains(&owner(&mesh, first).await));
    assert!(on_right.contains(&owner(&mesh, third).await));

    halves.heal();
    until_agreed(&mesh, &[first, second, third], 3, 6).await;
    let owners = [owner(&mesh, first).await, owner(&mesh, second).await, owner(&mesh, third).await];
    assert!(owners.iter().all(|owner| *owner == owners[0]), "{owners:?}");
    for base in &bases {
        let answer = status(&mesh, base, LISTING).await;
        assert!(!answer.is_server_error(), "{base} does not reach the owner: {answer}");
    }
}

/// Events that the core at `base` has delivered to the static plugin.
async fn delivered(mesh: &TestMesh, base: &str) -> f64 {
    let metrics = mesh.client().get(format!("{base}/metrics")).send().await.unwrap().text().await.unwrap();
    let counted = "gossamer_fanout_attempts_total{plugin=\"static\",outcome=\"delivered\"} ";
    metrics.lines().find_map(|line| line.strip_prefix(counted)?.parse().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_that_routes_otherwise_is_shown_with_the_plugin_and_since_when() {
    let mut mesh = core().await.plugin("static").await;
    // It follows a version that nobody announces.
    mesh.set_settings("gateway = { pins = { static = \"9.9.9\" } }\n");
    mesh.start_further_core("second").await;
    let node = mesh.node_of("second").await;

    mesh.until("the first core knows why", async || {
        let said = mesh.api("/api/v1/routes").await;
        let cores = said["cores"].as_array().unwrap();
        cores.iter().any(|core| core["node"] == *node && core["differs"][0]["plugin"] == "static")
    })
    .await;
    mesh.until("it measures for how long", async || {
        let metrics = mesh.get("/metrics").await.text().await.unwrap();
        let value = |name: &str| {
            let line = metrics.lines().find(|line| line.starts_with(name))?;
            line.split(' ').next_back()?.parse::<f64>().ok()
        };
        value("gossamer_directory_disagreement_cores ") == Some(1.0)
            && value("gossamer_directory_disagreement_seconds ").is_some_and(|seconds| seconds > 0.0)
    })
    .await;
    let mut command = mesh.command();
    let said = gossamer_tests::tool::run(command.args(["mesh", "routes"]));
    let line = said.lines().find(|line| line.starts_with("static is ")).unwrap_or_else(|| panic!("{said}"));
    assert!(line.contains(&format!("unknown on {node}")), "{said}");

    mesh.further_core("second").process.stop();
    mesh.until("a core that has left disagrees no more", async || {
        let metrics = mesh.get("/metrics").await.text().await.unwrap();
        metrics.contains("gossamer_directory_disagreement_cores 0")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_that_never_saw_a_plugin_routes_it_as_the_others_remember() {
    let mut mesh = core().await.plugin("static").await;
    mesh.process("static-1").kill();
    mesh.until("its instance is gone", async || mesh.instances("static").await.is_empty()).await;
    mesh.start_further_core("second").await;
    let bases = [mesh.base(), mesh.further_core("second").base()];

    until_agreed(&mesh, &[&bases[0], &bases[1]], 2, 0).await;

    let said = api(&mesh, &bases[1], "/api/v1/routes").await;
    assert_eq!(said["routes"][0]["plugin"], "static", "{said:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_takes_from_its_disk_what_it_has_verified_itself_and_nothing_else() {
    let mut mesh = core().await.plugin("static").await;
    mesh.put("/artifacts/static/docs/file/kept", "kept").await;
    mesh.process("static-1").kill();
    let directory = mesh.path("core/announcements");
    let files = || std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let kept = files().next().unwrap();
    let whole = std::fs::read(&kept).unwrap();

    // Another policy, under the right name, where somebody could write who has not this node's key.
    let (seal, content) = whole.split_at(40);
    let mut forged = Announcement::decode(content).unwrap();
    forged.policy.module = forged.policy.module.replace("/file/", "/elsewhere/");
    forged.version = "99.0.0".parse().unwrap();
    let name = forged.digest().to_string().replace("sha256:", "");
    mesh.core().kill();
    std::fs::write(directory.join(name), [seal, &forged.encode()].concat()).unwrap();
    mesh.start_core();
    assert_eq!(mesh.get("/artifacts/static/docs/file/kept").await.status(), StatusCode::OK);
    assert_eq!(mesh.api("/api/v1/routes").await["routes"][0]["version"], env!("CARGO_PKG_VERSION"));
    mesh.until("the forgery is swept away", async || files().count() == 1).await;

    // A damaged one is not used; the plugin that returns is, and mends it.
    mesh.core().kill();
    std::fs::write(&kept, &whole[..whole.len() - 1]).unwrap();
    mesh.start_core();
    assert_eq!(mesh.get("/artifacts/static/docs/file/kept").await.status(), StatusCode::NOT_FOUND);
    mesh.restart_plugin("static", "static-1").await;
    mesh.eventually("/artifacts/static/docs/file/kept", StatusCode::OK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_whose_core_dies_goes_on_with_another() {
    let mut mesh = core().await.plugin("static").await;
    mesh.start_further_core("second").await;
    let second = mesh.further_core("second").base();
    let file = |name: &str| format!("{second}/artifacts/static/docs/file/{name}");
    until_agreed(&mesh, &[&mesh.base(), &second], 2, 1).await;
    mesh.put("/artifacts/static/docs/file/before", "before").await; // it is connected to a core

    mesh.core().kill();

    mesh.until("what is put through the other core is stored there", async || {
        let put = mesh.client().put(file("after")).body("after").send().await.unwrap();
        put.status() == StatusCode::CREATED
            && mesh.client().get(file("after")).send().await.unwrap().status() == StatusCode::OK
    })
    .await;
    mesh.start_core();
    until_agreed(&mesh, &[&mesh.base(), &second], 2, 1).await;
    for base in [&mesh.base(), &second] {
        let what = format!("{base} forwards to the plugin");
        mesh.until(&what, async || status(&mesh, base, LISTING).await == StatusCode::OK).await;
    }
}
