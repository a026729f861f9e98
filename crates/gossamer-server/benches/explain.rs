//! What it costs to keep the record of every decision: the same decisions with and without, in turns.
//!
//! Run by `tests/benches/explain/run`. Prints a table for people, and one JSON document for programs as the last line.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use gossamer_oci::Digest;
use gossamer_policy::{
    Answer, FoundBlob, Input, Lookup, LookupError, Lookups, Policies, Policy, PolicySource, RouteTable,
    Tuning,
};
use gossamer_server::decisions::{Chosen, Config, Decisions, Record, Request};
use http::Method;
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Turns of each kind; each number is the median of them.
const TURNS: usize = 401;

/// Decisions of one turn.
const BATCH: usize = 100;

/// Keeping records may cost this much of an evaluation.
const SHARE_MAX: f64 = 0.05;

/// A registry in which every file is there.
struct Everything(FoundBlob);

struct Bench {
    policies: Policies,
    policy: Arc<Policy>,
    lookups: Arc<dyn Lookups>,
    decisions: Decisions,
    routes: Arc<RouteTable>,
    chosen: Chosen,
    asked: usize,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(gossamer_server::EVALUATOR_COMMAND) {
        return gossamer_server::evaluator();
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("explain: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let rows = runtime.block_on(async {
        let mut bench = Bench::new().await?;
        let evaluated = bench.compare(false).await?;
        let remembered = bench.compare(true).await?;
        Outcome::Ok([("evaluated", evaluated), ("remembered", remembered)])
    })?;
    println!("{:<12}{:>14}{:>14}{:>12}{:>9}", "decision", "without, µs", "with, µs", "record, µs", "ratio");
    for (name, [without, with]) in &rows {
        let (record, ratio) = (with - without, with / without);
        println!("{name:<12}{without:>14.2}{with:>14.2}{record:>12.2}{ratio:>9.3}");
    }
    let [(_, [without, with]), (_, [known, kept])] = &rows;
    println!("allowed: a record may cost {:.0} % of an evaluation", SHARE_MAX * 100.0);
    let rows = json!({
        "evaluated": { "without_us": without, "with_us": with, "ratio": with / without },
        "remembered": { "without_us": known, "with_us": kept, "ratio": kept / known },
        "ratio_max": 1.0 + SHARE_MAX,
    });
    println!("{rows}");
    Ok(())
}

// === impl Bench ===

impl Bench {
    async fn new() -> Outcome<Self> {
        let config = gossamer_policy::Config {
            program: std::env::current_exe()?,
            arguments: vec![OsString::from(gossamer_server::EVALUATOR_COMMAND)],
            tuning: Tuning { children: 1, ..Tuning::default() },
        };
        let policies = config.start().await?;
        let module = include_str!("../../../policies/static.rego");
        let digest = Digest::sha256(module.as_bytes());
        let source = PolicySource::parse(digest, module, include_str!("../../../policies/static.json"))?;
        let policy = policies.trust(&source)?;
        let media_type = "application/vnd.ciq.static.v1.file".parse()?;
        Ok(Self {
            policies,
            policy,
            lookups: Arc::new(Everything(FoundBlob { digest, media_type })),
            decisions: Decisions::open(&Config::default())?,
            routes: Arc::new(RouteTable::build([], [], &BTreeMap::new())),
            chosen: Chosen {
                plugin: "static".parse()?,
                version: "0.1.0".parse()?,
                policy: digest,
                because: "the path names it".to_owned(),
            },
            asked: 0,
        })
    }

    /// Microseconds of one decision without its record and with it: medians over turns that alternate.
    async fn compare(&mut self, is_repeated: bool) -> Outcome<[f64; 2]> {
        let mut times = [Vec::with_capacity(TURNS), Vec::with_capacity(TURNS)];
        for _ in 0..TURNS {
            for (keeps, times) in [false, true].into_iter().zip(&mut times) {
                times.push(self.turn(keeps, is_repeated).await?);
            }
        }
        Ok(times.map(median))
    }

    /// Microseconds of one decision, on average over a turn. Requests are made beforehand.
    async fn turn(&mut self, keeps: bool, is_repeated: bool) -> Outcome<f64> {
        let requests: Vec<_> = (0..BATCH)
            .map(|_| {
                self.asked += usize::from(!is_repeated);
                let path = format!("/artifacts/static/docs/file/{}", self.asked);
                (path.clone(), input(path))
            })
            .collect();
        let started = now();
        for (target, input) in requests {
            if keeps {
                self.kept(target, input).await?;
            } else {
                self.policies.decide(&self.policy, input, Arc::clone(&self.lookups)).await?;
            }
        }
        Ok(started.elapsed().as_secs_f64() * 1e6 / f64::from(u32::try_from(BATCH)?))
    }

    /// As the gateway does it.
    async fn kept(&self, target: String, input: Input) -> Outcome<()> {
        let mut record = Record::begin(Request {
            method: Method::GET,
            target,
            principal: "anonymous".into(),
            client: None,
        });
        record.routes = Some(Arc::clone(&self.routes));
        record.selected = Some(self.chosen.clone());
        self.decisions.remember(&self.policy);
        let decided = self.policies.decide(&self.policy, input, Arc::clone(&self.lookups)).await;
        let (decision, trail) = decided?;
        record.decision = Some(decision);
        record.trail = Some(trail);
        self.decisions.keep(record);
        Ok(())
    }
}

impl Lookups for Everything {
    fn answer(&self, _: &Lookup) -> Result<Answer, LookupError> {
        Ok(Answer::BlobDigest(Some(self.0.clone())))
    }
}

/// A request as browsers and package managers send it.
fn input(path: String) -> Input {
    let mut input = Input::new("GET", path);
    input.host = "registry.example.org".to_owned();
    input.principal = "anonymous".to_owned();
    input.set_headers([
        ("accept", "*/*"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("host", "registry.example.org:5000"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("user-agent", "libdnf (Rocky Linux 9.4; generic; Linux.x86_64)"),
        ("x-forwarded-for", "203.0.113.7"),
    ]);
    input
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn now() -> Instant {
    Instant::now()
}
