//! Certificates of seconds and a new root, under load: nobody who asks for something notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gossamer_tests::mesh::TestMesh;
use reqwest::{Client, Method, StatusCode};

use crate::PROGRAMS;

/// Seconds that every certificate holds, so that each node renews after one and a half.
const SETTINGS: &str = "certificate_seconds = 3\n";

const INSTANCES: usize = 12;
const RENEWALS: f64 = 200.0;

/// Twice what the renewals take on a machine with nothing else to do.
const LOAD_MAX: Duration = Duration::from_secs(50);

/// What the clients saw.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_renewals_and_a_new_root_under_load_fail_no_request() {
    let mut mesh = TestMesh::start_with(PROGRAMS, SETTINGS).await;
    for number in 1..=INSTANCES {
        mesh.start_plugin("static", &format!("static-{number}")).await;
    }
    let load = Arc::new(Load::default());
    let clients: Vec<_> =
        (0..4).map(|client| tokio::spawn(ask(mesh.base(), client, Arc::clone(&load)))).collect();

    let begun = Instant::now();
    let before = renewals(&mesh).await;
    let mut rotated = false;
    while renewals(&mesh).await - before < RENEWALS && begun.elapsed() < LOAD_MAX {
        if !rotated && renewals(&mesh).await - before > RENEWALS / 2.0 {
            let answer = mesh.request(Method::POST, "/api/v1/ca/rotate").send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
            rotated = true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    load.stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }

    let renewed = renewals(&mesh).await - before;
    let (answered, failed) = (load.answered.load(Ordering::Relaxed), load.failed.load(Ordering::Relaxed));
    assert!(renewed >= RENEWALS, "only {renewed} renewals in {:?}", begun.elapsed());
    assert!(rotated && answered > 200, "{answered} requests are no load");
    assert_eq!(failed, 0, "of {answered} requests");
    assert_eq!(mesh.instances("static").await.len(), INSTANCES, "every instance is still routed to");
}

/// Puts and gets files of many repositories, so that every instance has some, until told to stop.
async fn ask(base: String, client: usize, load: Arc<Load>) {
    let http = Client::new();
    for number in 0_u32.. {
        if load.stop.load(Ordering::Relaxed) {
            return;
        }
        let url = format!("{base}/artifacts/static/docs-{client}-{}/file/a", number % 16);
        let method = if number % 32 < 16 { Method::PUT } else { Method::GET };
        let answer = http.request(method.clone(), &url).body("content").send().await;
        load.answered.fetch_add(1, Ordering::Relaxed);
        match answer {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => {
                load.failed.fetch_add(1, Ordering::Relaxed);
                eprintln!("{method} {url}: {} {}", answer.status(), answer.text().await.unwrap_or_default());
            }
            Err(error) => {
                load.failed.fetch_add(1, Ordering::Relaxed);
                eprintln!("{method} {url}: {error:?}");
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How many certificates the core has renewed for others.
async fn renewals(mesh: &TestMesh) -> f64 {
    let text = mesh.get("/metrics").await.text().await.unwrap();
    let line = text.lines().find(|line| {
        line.starts_with("gossamer_identity_issued_total") && line.contains("occasion=\"renew\"")
    });
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_root_reaches_every_core_and_old_tokens_still_let_in() {
    let mut mesh = crate::core().await;
    mesh.start_further_core("second").await;
    let token = mesh.token("static", &["application/vnd.ciq.static.*"]).await;
    let before = mesh.api("/api/v1/ca").await;

    let refused = Client::new().post(format!("{}/api/v1/ca/rotate", mesh.further_core("second").base()));
    assert_eq!(refused.send().await.unwrap().status(), StatusCode::CONFLICT, "it does not hold the root");
    let answer = mesh.request(Method::POST, "/api/v1/ca/rotate").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let after = mesh.api("/api/v1/ca").await;
    assert_ne!(after["pin"], before["pin"]);
    assert_eq!(after["roots"][1], before["pin"], "the old root is trusted until its certificates have ended");

    let second = format!("{}/api/v1/ca", mesh.further_core("second").base());
    mesh.until("the second core trusts both roots and issues below the new one", async || {
        let shown: serde_json::Value = reqwest::get(&second).await.unwrap().json().await.unwrap();
        shown["roots"] == after["roots"] && shown["pin"] == after["pin"]
    })
    .await;
    let mut command = mesh.command();
    command.args(["plugin", "run", "static"]);
    mesh.spawn_plugin(command, "static-1", &token);
    mesh.until("a token that pins the old root lets a node in", async || {
        mesh.instances("static").await.len() == 1
    })
    .await;

    let answer = mesh.request(Method::POST, "/api/v1/ca/rotate").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CONFLICT, "one rotation at a time");
    mesh.core().stop();
    mesh.start_core();
    assert_eq!(mesh.api("/api/v1/ca").await["pin"], after["pin"], "it is on disk");
}
