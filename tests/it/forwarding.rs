//! Forwarding that does not fail: instances are replaced, killed and stopped under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gossamer_tests::mesh::TestMesh;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use rustix::process::Signal;
use tokio::task::JoinHandle;

use crate::mounts::EVERYTHING;
use crate::{PROGRAMS, core};

/// Requests at a steady pace, and what came of them.
struct Load {
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    good: AtomicUsize,
    /// Good ones that took longer than [`SLOW`].
    slow: AtomicUsize,
    failed: std::sync::Mutex<Vec<String>>,
}

/// Far beyond what a busy machine makes of a request that nothing holds up.
const SLOW: Duration = Duration::from_secs(2);

impl Load {
    /// `width` clients, each of which sends the request that `make` makes of its number and then pauses.
    fn start<F>(client: &Client, width: usize, pause: Duration, make: F) -> Self
    where
        F: Fn(&Client, usize) -> RequestBuilder + Clone + Send + 'static,
    {
        let (counts, stop) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
        let tasks = (0..width)
            .map(|lane| {
                let (client, make) = (client.clone(), make.clone());
                let (counts, stop) = (counts.clone(), stop.clone());
                tokio::spawn(async move {
                    let mut number = lane;
                    while !stop.load(Ordering::Relaxed) {
                        counts.one(make(&client, number)).await;
                        number += width;
                        tokio::time::sleep(pause).await;
                    }
                })
            })
            .collect();
        Self { counts, stop, tasks }
    }

    fn good(&self) -> usize {
        self.counts.good.load(Ordering::Relaxed)
    }

    async fn finish(self) -> Arc<Counts> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.counts
    }
}

impl Counts {
    async fn one(&self, request: RequestBuilder) {
        let began = Instant::now();
        let answered = async {
            let answer = request.send().await?;
            let status = answer.status();
            answer.text().await.map(|text| (status, text))
        };
        match answered.await {
            Ok((status, _)) if status.is_success() => {
                self.good.fetch_add(1, Ordering::Relaxed);
                if began.elapsed() > SLOW {
                    self.slow.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok((status, text)) => self.failed.lock().unwrap().push(format!("{status}: {text}")),
            Err(error) => self.failed.lock().unwrap().push(format!("{error:?}")),
        }
    }

    fn failed(&self) -> Vec<String> {
        self.failed.lock().unwrap().clone()
    }
}

async fn guests(count: usize, settings: &str) -> TestMesh {
    let mut mesh = TestMesh::start_with(PROGRAMS, settings).await;
    for number in 1..=count {
        mesh.start_guest(&format!("guest-{number}"), "guest", EVERYTHING).await;
    }
    mesh.until("the guests are routed to", async || mesh.instances("guest").await.len() == count).await;
    mesh
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_every_instance_under_load_fails_no_request() {
    let mut mesh = core().await.plugin("static").await.plugin("static").await;
    let base = mesh.base();
    let mixed = move |client: &Client, number: usize| {
        if number.is_multiple_of(2) {
            client.get(format!("{base}/artifacts/static/api/v1/doc/swagger.yaml"))
        } else {
            let url = format!("{base}/artifacts/static/docs{}/file/f{number}", number % 7);
            client.put(url).body(format!("content of {number}"))
        }
    };
    let load = Load::start(mesh.client(), 8, Duration::from_millis(40), mixed);

    for number in 1..=2 {
        mesh.start_plugin("static", &format!("static-new-{number}")).await;
        let before = load.good();
        mesh.until("the load goes on", async || load.good() > before + 20).await;
        assert!(mesh.process(&format!("static-{number}")).stop().success());
    }
    let before = load.good();
    mesh.until("the load goes on", async || load.good() > before + 50).await;

    let counts = load.finish().await;
    assert_eq!(counts.failed(), Vec::<String>::new());
    assert!(counts.good.load(Ordering::Relaxed) > 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_an_instance_under_load_fails_no_request_that_may_be_repeated() {
    let mut mesh = guests(2, "").await;
    let base = mesh.base();
    let mixed = move |client: &Client, number: usize| {
        let url = format!("{base}/artifacts/guest/f{number}");
        if number.is_multiple_of(2) { client.get(url) } else { client.put(url).body("x".repeat(1 << 14)) }
    };
    let load = Load::start(mesh.client(), 8, Duration::from_millis(5), mixed);
    mesh.until("there is load", async || load.good() > 50).await;
    mesh.process("guest-1").kill();
    let before = load.good();
    mesh.until("the load goes on", async || load.good() > before + 200).await;
    assert_eq!(load.finish().await.failed(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_hangs_costs_only_what_it_held_and_is_used_again_afterwards() {
    let width = 8;
    let mesh = guests(2, "").await;
    let base = mesh.base();
    let reads = move |client: &Client, number: usize| client.get(format!("{base}/artifacts/guest/f{number}"));
    let load = Load::start(mesh.client(), width, Duration::from_millis(10), reads);
    mesh.until("there is load", async || load.good() > 50).await;

    let mut mesh = mesh;
    mesh.process("guest-1").signal(Signal::STOP);
    let before = load.good();
    mesh.until("the other one takes over", async || load.good() > before + 300).await;
    mesh.process("guest-1").signal(Signal::CONT);
    mesh.until("it is routed to again", async || mesh.instances("guest").await.len() == 2).await;

    let counts = load.finish().await;
    assert_eq!(counts.failed(), Vec::<String>::new(), "reads go on to the other instance");
    let slow = counts.slow.load(Ordering::Relaxed);
    assert!(slow <= 2 * width, "{slow} requests were held up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_plugin_answers_503_within_its_bounds_and_says_when_to_come_back() {
    let limits = "proxy.plugins.guest = { requests_max = 2, queue_max = 1, queue_wait_ms = 400 }\n";
    let mesh = guests(1, limits).await;
    let hanging: Vec<_> =
        (0..2).map(|_| tokio::spawn(mesh.request(Method::GET, "/artifacts/guest/hang").send())).collect();
    mesh.until("no room is left", async || {
        mesh.get("/artifacts/guest/x").await.status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;

    let began = Instant::now();
    let refused = mesh.get("/artifacts/guest/x").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(began.elapsed() < SLOW, "{:?}", began.elapsed());
    let metrics = mesh.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("gossamer_proxy_limited_total{plugin=\"guest\",limit=\"queue_wait\"}"),
        "{metrics}"
    );
    for hung in hanging {
        hung.abort();
    }
    mesh.eventually("/artifacts/guest/x", StatusCode::OK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_answers_nothing_in_time_is_left_alone_and_comes_back() {
    let settings = "proxy.plugins.guest = { first_byte_ms = 200 }\n\
                    proxy.ejection = { failures_max = 3, first_ms = 400 }\n";
    let mesh = guests(1, settings).await;
    for _ in 0..3 {
        let late = mesh.request(Method::POST, "/artifacts/guest/hang").send().await.unwrap();
        assert_eq!(late.status(), StatusCode::GATEWAY_TIMEOUT);
    }
    let began = Instant::now();
    let refused = mesh.get("/artifacts/guest/x").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(began.elapsed() < Duration::from_millis(200), "it is refused at once");
    let ejections = mesh.get("/metrics").await.text().await.unwrap();
    assert!(ejections.contains("gossamer_proxy_ejections_total{plugin=\"guest\",cause=\"failures\"} 1"));

    mesh.eventually("/artifacts/guest/x", StatusCode::OK).await;
}
