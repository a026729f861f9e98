//! Real processes on this machine: a core and plugins that join it, one of which is killed.

use std::time::{Duration, Instant};

use gossamer_tests::mesh::{Programs, TestMesh};
use reqwest::StatusCode;

use crate::{head, row};

const PROGRAMS: Programs = Programs {
    gossamer: env!("CARGO_BIN_EXE_gossamer-under-test"),
    guest: env!("CARGO_BIN_EXE_guest-plugin"),
};

const MEMBERS: &[usize] = &[3, 20, 50];

/// Until only the protocol's own pace is left.
const SETTLING: Duration = Duration::from_secs(10);

/// How long traffic and processor time are counted.
const WATCHED: Duration = Duration::from_secs(20);

/// Processor time in /proc is counted in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// What one process has used: processor time in ticks, and what it has sent.
#[derive(Clone, Copy)]
struct Used {
    ticks: u64,
    packets: f64,
    bytes: f64,
}

pub(crate) fn run() {
    head(&[
        "members",
        "join s",
        "gone s",
        "packets/s",
        "bytes/s",
        "core RSS",
        "RSS MiB",
        "core CPU %",
        "CPU %",
    ]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for members in MEMBERS {
        runtime.block_on(measure(*members));
    }
}

/// One row. Packets and bytes are those of gossip and letters that the core sends, a member like the others.
async fn measure(members: usize) {
    let mut mesh = TestMesh::start(PROGRAMS).await;
    let begin = Instant::now();
    for plugin in 1..members {
        let token = mesh.token_for("static", &["application/vnd.ciq.static.*"], 600).await;
        let mut command = mesh.command();
        command.args(["plugin", "run", "static"]);
        mesh.spawn_plugin(command, &format!("static-{plugin}"), &token);
    }
    mesh.until("all have joined", async || count(&mesh).await == members).await;
    let joined = begin.elapsed();
    tokio::time::sleep(SETTLING).await;
    let processes: Vec<u32> =
        (1..members).map(|plugin| mesh.process(&format!("static-{plugin}")).id()).collect();
    let core = mesh.core().id();
    let (before, plugins) = (used(&mesh, core).await, total_ticks(&processes));
    tokio::time::sleep(WATCHED).await;
    let (after, plugins_after) = (used(&mesh, core).await, total_ticks(&processes));

    let victim = format!("static-{}", members - 1);
    mesh.process(&victim).kill();
    let killed = Instant::now();
    mesh.until("it is missed", async || count(&mesh).await == members - 1).await;
    let gone = killed.elapsed();

    let seconds = WATCHED.as_secs_f64();
    let share = |ticks: u64| format!("{:.2}", ticks as f64 / TICKS_PER_SECOND / seconds * 100.0);
    let others = processes.len().max(1) as u64;
    let resident: u64 = processes.iter().map(|process| resident_kib(*process)).sum();
    row(&[
        members.to_string(),
        format!("{:.1}", joined.as_secs_f64()),
        format!("{:.1}", gone.as_secs_f64()),
        format!("{:.0}", (after.packets - before.packets) / seconds),
        format!("{:.0}", (after.bytes - before.bytes) / seconds),
        format!("{:.1}", resident_kib(core) as f64 / 1_024.0),
        format!("{:.1}", resident as f64 / 1_024.0 / others as f64),
        share(after.ticks - before.ticks),
        share((plugins_after - plugins) / others),
    ]);
}

async fn count(mesh: &TestMesh) -> usize {
    mesh.api("/api/v1/members").await["members"].as_array().map_or(0, Vec::len)
}

async fn used(mesh: &TestMesh, process: u32) -> Used {
    let answer = mesh.get("/metrics").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let metrics = answer.text().await.unwrap();
    let sent = |name: &str| -> f64 {
        let lines = metrics.lines().filter(|line| line.starts_with(name) && line.contains("sent"));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    };
    Used {
        ticks: ticks(process),
        packets: sent("gossamer_cluster_messages_total"),
        bytes: sent("gossamer_cluster_bytes_total"),
    }
}

fn total_ticks(processes: &[u32]) -> u64 {
    processes.iter().map(|process| ticks(*process)).sum()
}

/// User and system time: fields 14 and 15 of proc(5)'s stat, the 12th and 13th after the name.
fn ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
