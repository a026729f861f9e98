//! Every instance of a plugin replaced under load: how many requests fail, and how long the others take.
//!
//! Run by `run` in this folder. Prints a table for people, and one JSON document for programs as the last line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gossamer_tests::mesh::{Programs, TestMesh};
use reqwest::Client;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval};

const PROGRAMS: Programs = Programs {
    gossamer: env!("CARGO_BIN_EXE_gossamer-under-test"),
    guest: env!("CARGO_BIN_EXE_guest-plugin"),
};

/// Requests per second, over all clients.
const RATE: u64 = 2_000;

/// Clients, each with a connection of its own. A client whose answer is late sends the next request at once, until it
/// has caught up: a pause of the mesh is not forgiven.
const CLIENTS: u64 = 64;

/// Instances at any time, and how often all of them are replaced.
const INSTANCES: usize = 3;
const ROUNDS: usize = 2;

/// Load before, between and after replacements.
const STEADY: Duration = Duration::from_secs(2);

/// Forwards whatever it is asked: one instance answers for each path.
const POLICY: &str = r#"
package router
import rego.v1
output := {"action": "forward", "repository": input.path}
"#;

/// Paths that are asked for, so that decisions are remembered as they would be.
const PATHS: u64 = 512;

/// The body of a PUT.
const BODY_BYTES: usize = 4 << 10;

#[derive(Default)]
struct Counts {
    good: AtomicU64,
    failed: AtomicU64,
    millis: std::sync::Mutex<Vec<u32>>,
    first_failure: std::sync::Mutex<Option<String>>,
}

#[tokio::main]
async fn main() {
    let mut mesh = TestMesh::start(PROGRAMS).await;
    let mut living: Vec<String> = Vec::new();
    for number in 0..INSTANCES {
        living.push(start(&mut mesh, number).await);
    }
    let (counts, stop) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
    let began = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|lane| tokio::spawn(client(mesh.base(), lane, Arc::clone(&counts), Arc::clone(&stop))))
        .collect();

    tokio::time::sleep(STEADY).await;
    let mut replaced = 0;
    for number in INSTANCES..INSTANCES * (ROUNDS + 1) {
        let new = start(&mut mesh, number).await;
        let old = living.remove(0);
        let status = tokio::task::block_in_place(|| mesh.process(&old).stop());
        assert!(status.success(), "{old}: {status}");
        living.push(new);
        replaced += 1;
        tokio::time::sleep(STEADY).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    report(&counts, began.elapsed(), replaced);
}

async fn start(mesh: &mut TestMesh, number: usize) -> String {
    let name = format!("guest-{number}");
    let before = mesh.instances("guest").await.len();
    mesh.start_guest(&name, "guest", POLICY).await;
    mesh.until("it is routed to", async || mesh.instances("guest").await.len() == before + 1).await;
    name
}

async fn client(base: String, lane: u64, counts: Arc<Counts>, stop: Arc<AtomicBool>) {
    let client = Client::builder().pool_max_idle_per_host(1).build().unwrap();
    let mut pace = interval(Duration::from_secs(CLIENTS) / u32::try_from(RATE).unwrap());
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut number = lane;
    while !stop.load(Ordering::Relaxed) {
        let due = pace.tick().await;
        let url = format!("{base}/artifacts/guest/file/{}", number % PATHS);
        let request = if (number / CLIENTS).is_multiple_of(2) {
            client.get(url)
        } else {
            client.put(url).body(vec![b'x'; BODY_BYTES])
        };
        number += CLIENTS;
        let answered = async {
            let answer = request.send().await?.error_for_status()?;
            answer.bytes().await
        };
        match answered.await {
            Ok(_) => {
                counts.good.fetch_add(1, Ordering::Relaxed);
                // From when it was due: a client that waits for its turn has waited too.
                let millis = u32::try_from(due.elapsed().as_millis()).unwrap_or(u32::MAX);
                counts.millis.lock().unwrap().push(millis);
            }
            Err(error) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                counts.first_failure.lock().unwrap().get_or_insert_with(|| format!("{error:?}"));
            }
        }
    }
}

fn report(counts: &Counts, took: Duration, replaced: usize) {
    let (good, failed) = (counts.good.load(Ordering::Relaxed), counts.failed.load(Ordering::Relaxed));
    let mut millis = std::mem::take(&mut *counts.millis.lock().unwrap());
    millis.sort_unstable();
    let percentile =
        |part: f64| millis.get((millis.len() as f64 * part) as usize).copied().unwrap_or_default();
    let rate = (good + failed) as f64 / took.as_secs_f64();
    let (p50, p99, most) = (percentile(0.5), percentile(0.99), millis.last().copied().unwrap_or_default());
    println!("instances replaced   {replaced}");
    println!("requests per second  {rate:.0} (wanted: {RATE}), half GET, half PUT of {BODY_BYTES} bytes");
    println!("good                 {good}");
    println!("failed               {failed}");
    println!("milliseconds         p50 {p50}, p99 {p99}, most {most}");
    if let Some(failure) = &*counts.first_failure.lock().unwrap() {
        println!("the first failure    {failure}");
    }
    let found = json!({
        "replaced": replaced, "rate": rate, "good": good, "failed": failed,
        "p50_ms": p50, "p99_ms": p99, "most_ms": most,
    });
    println!("{found}");
}
