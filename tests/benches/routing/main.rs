//! What a routed request costs beside a direct one, and both beside nginx: processor time per request, in one run.
//!
//! Run by `run` in this folder. Prints tables for people, and one JSON document for programs as the last line.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use gossamer_tests::mesh::{Programs, TestMesh};
use gossamer_tests::oci;
use gossamer_tests::process::Process;
use gossamer_tests::tool;
use serde_json::json;

const PROGRAMS: Programs = Programs {
    gossamer: env!("CARGO_BIN_EXE_gossamer-under-test"),
    guest: env!("CARGO_BIN_EXE_guest-plugin"),
};

/// Rounds of everything; each number is the median of them.
const ROUNDS: usize = 5;

/// Seconds of one measurement: hundreds of the clock's ticks in which /proc counts processor time.
const SECONDS: u32 = 3;

/// Connections of the load generator, which has one thread and keeps them all busy.
const CONNECTIONS: u32 = 16;

const TICK_MICROS: f64 = 10_000.0;

const FILE: &str = "one.bin";
const FILE_BYTES: usize = 1024;
const REPOSITORY: &str = "artifacts/static/docs/files";

/// Instances that are announced when idle memory is read.
const INSTANCES: usize = 20;

/// Until everybody has met everybody and nothing but the protocol's own pace is left.
const SETTLING: Duration = Duration::from_secs(10);

/// What is asked, of whom, and what it is compared with.
struct Row {
    name: &'static str,
    url: String,
    pids: Vec<u32>,
    /// The row that it is a multiple of, and the multiple that it may be.
    over: Option<(usize, f64)>,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
struct Sample {
    cpu_micros: f64,
    per_second: f64,
}

fn main() {
    let missing = ["wrk", "nginx"].into_iter().any(|program| tool::find(program).is_none());
    if missing {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let routing = runtime.block_on(routing());
    let memory = runtime.block_on(memory());
    println!("{}", json!({ "requests": routing, "idle_memory": memory }));
}

async fn routing() -> serde_json::Value {
    let mut mesh = TestMesh::start(PROGRAMS).await.plugin("static").await;
    let content: Vec<u8> = (0..FILE_BYTES).map(|at| (at % 251) as u8).collect();
    mesh.put(&format!("/artifacts/static/docs/file/{FILE}"), content.clone()).await;
    let tags = mesh.api(&format!("/v2/{REPOSITORY}/tags/list")).await;
    let tag = tags["tags"][0].as_str().unwrap().to_owned();
    let (mut nginx, nginx_url) = nginx(&mesh.path("nginx"), &content).await;
    let (base, core) = (mesh.base(), mesh.core().id());
    let under = |path: String| format!("{base}{path}");
    let rows = [
        Row { name: "nginx, 1 KiB file", url: nginx_url, pids: family(nginx.id()), over: None },
        Row {
            name: "blob of 1 KiB, direct",
            url: under(format!("/v2/{REPOSITORY}/blobs/{}", oci::digest(&content))),
            pids: vec![core],
            over: Some((0, 3.0)),
        },
        Row {
            name: "the same, routed",
            url: under(format!("/artifacts/static/docs/file/{FILE}")),
            pids: vec![core],
            over: Some((1, 2.0)),
        },
        Row {
            name: "manifest by tag",
            url: under(format!("/v2/{REPOSITORY}/manifests/{tag}")),
            pids: vec![core],
            over: None,
        },
    ];
    let mut samples: Vec<Vec<Sample>> = rows.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (row, samples) in rows.iter().zip(&mut samples) {
            samples.push(measure(row));
        }
    }
    let medians: Vec<_> = samples.iter().map(|samples| Sample::median(samples)).collect();
    let documents = print(&rows, &medians);
    nginx.stop(); // its workers end only if it is asked to
    documents
}

/// Serves `content` by nginx on a port that was free a moment ago, with a worker per processor of a small machine.
async fn nginx(directory: &Path, content: &[u8]) -> (Process, String) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::fs::create_dir_all(directory.join("files")).unwrap();
    std::fs::write(directory.join("files").join(FILE), content).unwrap();
    let home = directory.display();
    let config = format!(
        "daemon off; worker_processes 2; pid {home}/pid; error_log {home}/error.log; user root;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; sendfile on; keepalive_requests 1000000000; \
         server {{ listen 127.0.0.1:{port}; root {home}/files; }} }}\n"
    );
    std::fs::write(directory.join("nginx.conf"), config).unwrap();
    let mut command = Command::new(tool::find("nginx").unwrap());
    command.arg("-c").arg(directory.join("nginx.conf"));
    command.stdout(Stdio::null());
    let process = Process::start(&mut command, &directory.join("log"));
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (process, format!("http://127.0.0.1:{port}/{FILE}"))
}

fn measure(row: &Row) -> Sample {
    let cpu = || row.pids.iter().map(|pid| ticks(*pid)).sum::<u64>() as f64 * TICK_MICROS;
    let before = cpu();
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{SECONDS}s"), &row.url]);
    let said = tool::run(&mut wrk);
    let spent = cpu() - before;
    assert!(!said.contains("Non-2xx") && !said.contains("Socket errors"), "{}: {said}", row.name);
    let line = said.lines().find(|line| line.contains(" requests in ")).unwrap();
    let requests: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
    Sample { cpu_micros: spent / requests, per_second: requests / f64::from(SECONDS) }
}

/// Memory at rest: a core with its evaluators and many announced instances, and the middle one of those.
async fn memory() -> serde_json::Value {
    let mut mesh = TestMesh::start(PROGRAMS).await;
    let names: Vec<String> = (1..=INSTANCES).map(|number| format!("static-{number}")).collect();
    for name in &names {
        mesh.start_plugin("static", name).await;
    }
    tokio::time::sleep(SETTLING).await;
    let core: u64 = family(mesh.core().id()).into_iter().map(|pid| kib(pid, "VmRSS:")).sum();
    let evaluators = family(mesh.core().id()).len() - 1;
    let mut plugins: Vec<u64> = names.iter().map(|name| kib(mesh.process(name).id(), "VmRSS:")).collect();
    plugins.sort_unstable();
    let plugin = plugins[plugins.len() / 2];
    let mib = |kib: u64| kib as f64 / 1024.0;
    println!("| resident at rest, {INSTANCES} instances announced | MiB | at most |\n|---|---|---|");
    println!("| core and {evaluators} evaluators | {:.1} | 64 |", mib(core));
    println!("| SDK plugin, median | {:.1} | 15 |\n", mib(plugin));
    json!({ "instances": INSTANCES, "core_with_evaluators_kib": core, "plugin_kib": plugin })
}

// === impl Sample ===

impl Sample {
    fn median(samples: &[Self]) -> Self {
        let of = |field: fn(&Self) -> f64| {
            let mut values: Vec<f64> = samples.iter().map(field).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self { cpu_micros: of(|sample| sample.cpu_micros), per_second: of(|sample| sample.per_second) }
    }
}

// === what the kernel counts ===

/// The process and those that it started.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let children = std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap();
        all.extend(children.split_whitespace().map(|child| child.parse::<u32>().unwrap()));
    }
    all
}

/// User and system time: fields 14 and 15 of `/proc/<pid>/stat`, counted behind the name, which may have spaces.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

fn kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn print(rows: &[Row], samples: &[Sample]) -> serde_json::Value {
    let mut documents = Vec::new();
    println!("| request | CPU µs | per second | peak memory, MiB | CPU over | ratio | at most |");
    println!("|---|---|---|---|---|---|---|");
    for (row, sample) in rows.iter().zip(samples) {
        let Sample { cpu_micros, per_second } = sample;
        let peak: u64 = row.pids.iter().map(|pid| kib(*pid, "VmHWM:")).sum();
        let over =
            row.over.map(|(peer, most)| (rows[peer].name, cpu_micros / samples[peer].cpu_micros, most));
        let compared =
            over.map_or("| | |".to_owned(), |(peer, ratio, most)| format!("{peer} | {ratio:.2} | {most}"));
        println!(
            "| {} | {cpu_micros:.1} | {per_second:.0} | {:.1} | {compared} |",
            row.name,
            peak as f64 / 1024.0
        );
        documents.push(json!({
            "request": row.name, "cpu_micros": cpu_micros, "per_second": per_second, "peak_memory_kib": peak,
            "over": over.map(|(peer, ..)| peer), "ratio": over.map(|(_, ratio, _)| ratio),
            "at_most": over.map(|(_, _, most)| most),
        }));
    }
    println!();
    documents.into()
}
