//! What a decision costs beside regorus itself: remembered, trusted and isolated, in one run on one machine.
//!
//! Run by `tests/benches/routing/run`. Prints a table for people, and one JSON document for programs as the last line.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gossamer_oci::{Digest, MediaType};
use gossamer_policy::{
    Answer, Config, Decision, FoundBlob, How, Input, Lookup, LookupError, Lookups, Policies, Policy,
    PolicySource, Tuning,
};
use md5::Digest as _;
use regorus::Value;
use serde_json::json;
use tokio_util::task::TaskTracker;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Rounds of everything; each number is the median of them.
const ROUNDS: usize = 5;

/// The length of one measurement: a hundred ticks of the clock in which /proc counts processor time.
const SPAN: Duration = Duration::from_millis(1000);

/// Ticks of /proc per second; Linux has shown this number to user space on every machine that we support.
const TICK_MICROS: f64 = 10_000.0;

/// Decisions between two looks at the clock.
const BATCH: usize = 50;

const MEDIA_TYPE: &str = "application/vnd.ciq.static.v1.file";

/// A router and the requests that it is asked.
struct Router {
    name: &'static str,
    module: &'static str,
    data: &'static str,
    /// A path to a file whose name starts with a number.
    path: fn(u64) -> String,
}

const ROUTERS: [Router; 2] = [
    Router {
        name: "static",
        module: include_str!("../tests/fixtures/static.rego"),
        data: include_str!("../tests/fixtures/static.json"),
        path: |number| format!("/artifacts/static/docs/file/{number}.txt"),
    },
    Router {
        name: "yum",
        module: include_str!("../tests/fixtures/yum.rego"),
        data: include_str!("../tests/fixtures/yum.json"),
        path: |number| format!("/artifacts/yum/epel/9/repo/Packages/h/{number}-1.x86_64.rpm"),
    },
];

/// Whose decisions are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// An engine of the interpreter, kept and used again, with the functions that the router needs.
    Engine,
    /// The same request again.
    Memo,
    /// A new request each time, in this process.
    Trusted,
    /// A new request each time, in an evaluator child.
    Isolated,
}

const WAYS: [Way; 4] = [Way::Engine, Way::Memo, Way::Trusted, Way::Isolated];

/// A registry in which every file is there: what remains is the cost of the decision.
struct Everything(FoundBlob);

/// One measurement.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Median wall-clock time of one decision.
    micros: f64,
    /// Processor time of this process and its children for one decision.
    cpu_micros: f64,
    /// In the whole span.
    per_second: f64,
}

/// Two threads over one.
#[derive(Clone, Copy, Debug)]
struct Scaling {
    rate: f64,
    cpu: f64,
}

/// What is measured, ready to run.
struct Bench {
    asking: Asking,
    engine: regorus::Engine,
}

/// What a task needs to ask for decisions.
#[derive(Clone)]
struct Asking {
    policies: Policies,
    trusted: Arc<Policy>,
    isolated: Arc<Policy>,
    lookups: Arc<dyn Lookups>,
    router: &'static Router,
}

/// No number is asked for twice, but for [`Way::Memo`].
static NUMBER: AtomicU64 = AtomicU64::new(1);

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (mut rows, mut scaling) = (Vec::new(), Vec::new());
    for router in &ROUTERS {
        let mut bench = runtime.block_on(Bench::new(router))?;
        let mut samples: [Vec<Sample>; WAYS.len()] = Default::default();
        for _ in 0..ROUNDS {
            for (way, samples) in WAYS.into_iter().zip(&mut samples) {
                samples.push(bench.measure(way, &runtime)?);
            }
        }
        let medians = samples.map(|samples| Sample::median(&samples));
        rows.extend(WAYS.into_iter().zip(medians).map(|(way, sample)| (router.name, way, sample)));
        scaling.push((router.name, bench.scaling()?));
    }
    print(&rows, &scaling);
    Ok(())
}

// === impl Bench ===

impl Bench {
    async fn new(router: &'static Router) -> Outcome<Self> {
        let config = Config {
            program: PathBuf::from(env!("CARGO_BIN_EXE_gossamer-evaluator")),
            arguments: Vec::new(),
            tuning: Tuning::default(),
        };
        let policies = config.start().await?;
        let digest = Digest::sha256(router.module.as_bytes());
        let trusted = policies.trust(&PolicySource::parse(digest, router.module, router.data)?)?;
        let digest = Digest::sha256(router.data.as_bytes()); // another name, or the memo would know its decisions
        let isolated = policies.admit(&PolicySource::parse(digest, router.module, router.data)?).await?;
        let found =
            FoundBlob { digest: Digest::sha256(b"content"), media_type: MEDIA_TYPE.parse::<MediaType>()? };
        let lookups = Arc::new(Everything(found));
        Ok(Self { asking: Asking { policies, trusted, isolated, lookups, router }, engine: engine(router)? })
    }

    fn measure(&mut self, way: Way, runtime: &tokio::runtime::Runtime) -> Outcome<Sample> {
        let (cpu, begun) = (cpu_micros()?, now());
        let times = match way {
            Way::Engine => self.engine_times()?,
            // In a task of the runtime, where requests are served.
            Way::Memo | Way::Trusted | Way::Isolated => runtime
                .block_on(async { TaskTracker::new().spawn(self.asking.clone().times(way)).await })??,
        };
        let (span, decisions) = (begun.elapsed().as_secs_f64(), times.len() as f64);
        let cpu_micros = (cpu_micros()? - cpu) / decisions;
        Ok(Sample { micros: middle(times), cpu_micros, per_second: decisions / span })
    }

    fn engine_times(&mut self) -> Outcome<Vec<f64>> {
        let (begun, mut times) = (now(), Vec::new());
        while begun.elapsed() < SPAN {
            for _ in 0..BATCH {
                let path = (self.asking.router.path)(NUMBER.fetch_add(1, Ordering::Relaxed));
                let started = now();
                ask_engine(&mut self.engine, &path)?;
                times.push(started.elapsed().as_secs_f64() * 1e6);
            }
        }
        Ok(times)
    }

    /// Two threads over one, for trusted decisions: the best rate of each, as others use this machine, and the
    /// processor time of one decision, which says what of a low rate is our own doing.
    fn scaling(&self) -> Outcome<Scaling> {
        let (mut rates, mut costs) = ([0.0_f64; 2], [Vec::new(), Vec::new()]);
        for _ in 0..ROUNDS {
            for ((threads, best), costs) in (1..).zip(&mut rates).zip(&mut costs) {
                let (rate, cost) = self.rate(threads)?;
                *best = best.max(rate);
                costs.push(cost);
            }
        }
        let ([one, two], [cost_one, cost_two]) = (rates, costs.map(middle));
        Ok(Scaling { rate: two / one, cpu: cost_two / cost_one })
    }

    /// Decisions per second, and processor time of one in microseconds.
    fn rate(&self, threads: usize) -> Outcome<(f64, f64)> {
        // Threads of their own: tasks that never wait may all be run by one worker of a runtime.
        let work = || -> Outcome<usize> {
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            Ok(runtime.block_on(self.asking.clone().times(Way::Trusted))?.len())
        };
        let (cpu, begun) = (cpu_micros()?, now());
        let decisions = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let joined = threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?);
            joined.sum::<Outcome<usize>>()
        })?;
        let (decisions, spent) = (decisions as f64, cpu_micros()? - cpu);
        Ok((decisions / begun.elapsed().as_secs_f64(), spent / decisions))
    }
}

// === impl Asking ===

impl Asking {
    async fn times(self, way: Way) -> Outcome<Vec<f64>> {
        let (begun, mut times) = (now(), Vec::new());
        while begun.elapsed() < SPAN {
            for _ in 0..BATCH {
                let number = if way == Way::Memo { 0 } else { NUMBER.fetch_add(1, Ordering::Relaxed) };
                let path = (self.router.path)(number);
                let started = now();
                self.ask(way, path).await?;
                times.push(started.elapsed().as_secs_f64() * 1e6);
            }
        }
        Ok(times)
    }

    async fn ask(&self, way: Way, path: String) -> Outcome<()> {
        let policy = if way == Way::Isolated { &self.isolated } else { &self.trusted };
        let input = Input::new("GET", path);
        let (decision, trail) = self.policies.decide(policy, input, Arc::clone(&self.lookups)).await?;
        let expected = match trail.how {
            How::Memo => way == Way::Memo,
            How::Trusted => way != Way::Isolated,
            How::Isolated => way == Way::Isolated,
        };
        if !expected || !matches!(decision, Decision::Blob { .. }) {
            return Err(format!("{way:?} decided {decision:?} by {:?}", trail.how).into());
        }
        Ok(())
    }
}

// === impl Sample ===

impl Sample {
    fn median(samples: &[Self]) -> Self {
        let of = |field: fn(&Self) -> f64| middle(samples.iter().map(field).collect());
        Self {
            micros: of(|sample| sample.micros),
            cpu_micros: of(|sample| sample.cpu_micros),
            per_second: of(|sample| sample.per_second),
        }
    }
}

// === impl Everything ===

impl Lookups for Everything {
    fn answer(&self, lookup: &Lookup) -> Result<Answer, LookupError> {
        match lookup {
            Lookup::BlobDigest { .. } => Ok(Answer::BlobDigest(Some(self.0.clone()))),
            Lookup::Manifest { .. } | Lookup::Tags { .. } => Err(LookupError::NotRecorded),
        }
    }
}

// === the peer ===

/// The interpreter as its users reuse it, with the two functions that the routers call.
fn engine(router: &Router) -> Outcome<regorus::Engine> {
    let mut engine = regorus::Engine::new();
    engine.set_rego_v0(true);
    engine.set_strict_builtin_errors(false);
    engine.add_policy("router.rego".to_owned(), router.module.to_owned())?;
    engine.add_data(Value::from_json_str(router.data)?)?;
    let digest = Value::from(Digest::sha256(b"content").hex());
    engine.add_extension("oci.blob_digest".to_owned(), 3, Box::new(move |_| Ok(digest.clone())))?;
    engine.add_extension("request.body".to_owned(), 0, Box::new(|_| Ok(Value::Null)))?;
    let md5 = |arguments: Vec<Value>| {
        let text = arguments.first().map(Value::as_string).transpose()?;
        Ok(text.map_or(Value::Undefined, |text| Value::from(hex::encode(md5::Md5::digest(text.as_bytes())))))
    };
    engine.add_extension("crypto.md5".to_owned(), 1, Box::new(md5))?;
    Ok(engine)
}

fn ask_engine(engine: &mut regorus::Engine, path: &str) -> Outcome<()> {
    engine.set_input(Value::from_json_str(&json!({ "method": "GET", "path": path }).to_string())?);
    let output = engine.eval_rule("data.router.output".to_owned())?;
    let found = output.as_object()?.get(&Value::from("found")).cloned();
    if found == Some(Value::Bool(true)) { Ok(()) } else { Err(format!("the engine decided {output}").into()) }
}

// === measuring and printing ===

/// User and system time of this process and its children, in microseconds.
fn cpu_micros() -> Outcome<f64> {
    let me = std::process::id();
    let mut ticks = ticks(me)?;
    for thread in std::fs::read_dir(format!("/proc/{me}/task"))? {
        let children = std::fs::read_to_string(thread?.path().join("children"))?;
        for child in children.split_whitespace() {
            ticks += self::ticks(child.parse()?)?;
        }
    }
    Ok(ticks as f64 * TICK_MICROS)
}

/// Fields 14 and 15 of `/proc/<pid>/stat`, counted behind the name, which may have spaces.
fn ticks(pid: u32) -> Outcome<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/<pid>/stat has no name")?;
    let times = fields.split_whitespace().skip(11).take(2);
    times.map(|ticks| Ok(ticks.parse::<u64>()?)).sum()
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::disallowed_methods, reason = "a measurement is about the clock")]
fn now() -> Instant {
    Instant::now()
}

/// What each way may cost, as a multiple of the engine.
fn bound(way: Way) -> f64 {
    match way {
        Way::Engine => 1.0,
        Way::Memo => 0.1,
        Way::Trusted => 1.2,
        Way::Isolated => 4.0,
    }
}

fn print(rows: &[(&str, Way, Sample)], scaling: &[(&str, Scaling)]) {
    let memory = peak_memory_kib().unwrap_or_default();
    let mut documents = Vec::new();
    println!(
        "| decision | µs, median | CPU µs | per second | time over engine | CPU over engine | at most |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (router, way, sample) in rows {
        let engine = rows.iter().find(|(name, way, _)| name == router && *way == Way::Engine);
        let Some((_, _, engine)) = engine else { continue };
        let (time, cpu) = (sample.micros / engine.micros, sample.cpu_micros / engine.cpu_micros);
        let Sample { micros, cpu_micros, per_second } = sample;
        let most = bound(*way);
        println!(
            "| {router} {way:?} | {micros:.1} | {cpu_micros:.1} | {per_second:.0} | {time:.2} | {cpu:.2} | {most} |"
        );
        documents.push(json!({
            "router": router, "way": format!("{way:?}").to_lowercase(), "micros": micros, "cpu_micros": cpu_micros,
            "per_second": per_second, "time_over_engine": time, "cpu_over_engine": cpu, "at_most": most,
        }));
    }
    for (router, Scaling { rate, cpu }) in scaling {
        println!(
            "| {router} two threads over one | | | rate: {rate:.2} | | CPU: {cpu:.2} | rate at least 1.8 |"
        );
    }
    println!("\npeak memory of this process: {memory} KiB\n");
    let scaling: serde_json::Map<_, _> = scaling
        .iter()
        .map(|(router, Scaling { rate, cpu })| ((*router).to_owned(), json!({ "rate": rate, "cpu": cpu })))
        .collect();
    println!(
        "{}",
        json!({ "decisions": documents, "two_threads_over_one": scaling, "peak_memory_kib": memory })
    );
}

fn peak_memory_kib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
