//! One thing fails, and everybody else goes on: processes die by SIGKILL under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gossamer_tests::oci::{self, Artifact};
use reqwest::StatusCode;

use crate::core;
use crate::events::listed;

/// How many GETs came back as they should, and how many did not, while `url` was asked again and again.
struct Load {
    good: Arc<AtomicUsize>,
    bad: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(client: &reqwest::Client, url: &str, width: usize) -> Self {
        let (good, bad) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..width)
            .map(|_| {
                let (client, url, stop) = (client.clone(), url.to_owned(), stop.clone());
                let (good, bad) = (good.clone(), bad.clone());
                tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        let answer = client.get(&url).send().await;
                        let count = match answer {
                            Ok(answer) if answer.status() == StatusCode::OK => &good,
                            Ok(_) | Err(_) => &bad,
                        };
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        Self { good, bad, stop, tasks }
    }

    /// Says how many were good and how many were not.
    async fn finish(self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        (self.good.load(Ordering::Relaxed), self.bad.load(Ordering::Relaxed))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_plugin_costs_blob_routes_nothing_and_forwards_only_what_was_in_flight() {
    let mut mesh = core().await.plugin("static").await.plugin("static").await;
    mesh.put("/artifacts/static/docs/file/steady", "steady").await;
    let blobs = Load::start(mesh.client(), &format!("{}/artifacts/static/docs/file/steady", mesh.base()), 4);
    let list = "/artifacts/static/api/v1/repository/file:list?repository=artifacts/static/docs";
    let width = 4;
    let forwards = Load::start(mesh.client(), &format!("{}{list}", mesh.base()), width);
    tokio::time::sleep(Duration::from_millis(500)).await;

    // The owner of the repository is the one whose death can be felt.
    let explained = mesh
        .api(&format!("/api/v1/explain?method=GET&url={}", list.replace('?', "%3F").replace('=', "%3D")))
        .await;
    let owner = explained["replicas"][0]["node"].as_str().unwrap().to_owned();
    let first = mesh.node_of("static-1").await;
    let instance = if owner == first { "static-1" } else { "static-2" };
    mesh.process(instance).kill();
    tokio::time::sleep(Duration::from_secs(3)).await;

    let (good, bad) = blobs.finish().await;
    assert!(good > 100, "only {good} blob answers");
    assert_eq!(bad, 0, "blob routes must not notice");
    let (good, bad) = forwards.finish().await;
    assert!(good > 20, "only {good} forwarded answers");
    assert!(bad <= width, "{bad} forwarded requests failed, but only {width} can have been in flight");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_the_core_was_killed() {
    let mut mesh = core().await.plugin("static").await;
    for round in 0..5 {
        let names: Vec<String> = (0..4).map(|number| format!("r{round}-{number}")).collect();
        for name in &names {
            let file = Artifact::file(name, format!("content of {name}"));
            let base = mesh.base();
            oci::push(mesh.client(), &base, "artifacts/static/docs/files", &tag(name), &file).await;
        }
        mesh.core().kill();
        mesh.start_core();

        for name in &names {
            let path = format!("/artifacts/static/docs/file/{name}");
            mesh.eventually(&path, StatusCode::OK).await;
            assert_eq!(mesh.get(&path).await.text().await.unwrap(), format!("content of {name}"));
        }
        mesh.until("the events arrived too", async || {
            let listed = listed(&mesh).await;
            names.iter().all(|name| listed.contains(name))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_that_restarts_without_its_plugins_still_serves_blobs() {
    let mut mesh = core().await.plugin("static").await;
    mesh.put("/artifacts/static/docs/file/kept", "kept").await;
    mesh.process("static-1").kill();
    mesh.core().kill();

    mesh.start_core();

    mesh.eventually("/artifacts/static/docs/file/kept", StatusCode::OK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_stop_in_order_when_asked() {
    let mut mesh = core().await.plugin("static").await;
    assert!(mesh.process("static-1").stop().success());
    mesh.until("the core saw it leave", async || mesh.instances("static").await.is_empty()).await;
    assert!(mesh.core().stop().success());
    let said = mesh.core().said();
    assert!(said.contains("Stopped") && !said.contains("did not end in time"), "{said}");
}

fn tag(name: &str) -> String {
    use md5::{Digest as _, Md5};
    hex::encode(Md5::digest(name))
}
