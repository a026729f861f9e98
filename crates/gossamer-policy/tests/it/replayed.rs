//! Random requests, with pushes and deletes going on: a record replays to what was decided, and what is remembered is
//! what a fresh evaluation says.
//!
//! `GOSSAMER_REQUESTS=100000` makes the run as long as in `.ci/run`; `GOSSAMER_SEED=n` makes it another one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gossamer_policy::{Decision, How, Input, Policies, Policy, Trail, Tuning};

use crate::support::{Place, Registry, decide, layer, policies_with, source};

/// Long enough to meet every branch of every router, short enough for every run.
const REQUESTS: u64 = 10_000;

/// One request in so many goes to an evaluator child, which costs some ten times as much.
const ISOLATED_EVERY: u64 = 100;

/// One step in so many changes the registry instead of asking.
const CHANGE_EVERY: u64 = 5;

const MEDIA_TYPES: [&str; 5] = [
    "application/vnd.ciq.static.v1.file",
    "application/vnd.ciq.rpm.package.v1.rpm",
    "application/vnd.ciq.rpm.repomd.v1.xml",
    "application/vnd.ciq.ostree.v1.file",
    "application/vnd.ciq.mirror.v1.file",
];

const TITLES: [&str; 4] = ["a.rpm", "ab-primary.xml.gz", "summary", "x"];
const FILES: [&str; 8] =
    ["a.rpm", "b.rpm", "repomd.xml", "ab-primary.xml.gz", "summary", "config", "x", "%/.."];
const REPOSITORIES: [&str; 4] = ["docs", "epel/9", "a", "UPPER"];
const METHODS: [&str; 6] = ["GET", "GET", "GET", "HEAD", "PUT", "POST"];
const BODIES: [&str; 4] = [r#"{"repository":"r"}"#, r#"{"repository":7}"#, "{", "[]"];

/// Reads what the bundled routers do not: tags, a manifest, headers, the query, the host and the principal.
const CURIOUS: &str = r#"package router
import rego.v1
default output := {"found": false, "reason": "nothing fits"}
output := {"action": "deny", "status": 451, "reason": input.principal} if {
	input.headers["x-shard"] == "7"
	input.principal != "admin"
} else := {"found": true, "repository": tag} if {
	some tag in oci.tags("artifacts/static/docs/files")
	startswith(tag, input.query.tag[0])
} else := {"found": true, "repository": "none"} if {
	input.host == "h1"
	count(oci.tags("artifacts/yum/a/packages")) == 0
} else := {"found": true, "repository": "manifest"} if {
	not oci.manifest("artifacts/yum/a/repodata:repomdxml")
	input.accept[_] == "text/html"
}
"#;

/// A seeded source of choices (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.roll(choices.len() as u64)).unwrap()]
    }

    /// A change of the registry: a push, or in one of three cases a delete.
    fn change(&mut self, registry: &Registry) {
        use md5::Digest as _;
        let file = self.pick(&FILES);
        let (plugin, kind) = self.pick(&[
            ("static", "files"),
            ("yum", "packages"),
            ("yum", "repodata"),
            ("ostree", "file"),
            ("mirror", "file"),
        ]);
        let tag = match (kind, file) {
            ("repodata", _) => "repomdxml".to_owned(),
            (_, "summary" | "config") => file.to_owned(),
            _ => hex::encode(md5::Md5::digest(file.as_bytes())),
        };
        let repository = self.pick(&REPOSITORIES[..3]);
        let reference = format!("artifacts/{plugin}/{repository}/{kind}:{tag}");
        if self.roll(3) == 0 {
            registry.delete(&reference);
        } else {
            let layers: Vec<_> = (0..2).map(|_| layer(self.pick(&MEDIA_TYPES), self.pick(&TITLES))).collect();
            registry.put(&reference, &layers);
        }
    }

    fn request(&mut self) -> (&'static str, Input) {
        let (repository, file) = (self.pick(&REPOSITORIES), self.pick(&FILES));
        let (plugin, path) = match self.roll(8) {
            0 => ("static", format!("static/{repository}/file/{file}")),
            1 => ("yum", format!("yum/{repository}/repo/{file}")),
            2 => ("yum", format!("yum/{repository}/repo/repodata/{file}")),
            3 => ("ostree", format!("ostree/{repository}/repo/{file}")),
            4 => ("mirror", format!("mirror/{repository}/file/{file}")),
            5 => ("shipped", format!("static/{repository}/file/{file}")),
            6 => ("curious", String::new()),
            _ => {
                let plugin = self.pick(&["static", "yum", "ostree", "shipped"]);
                (
                    plugin,
                    format!("{}/api/v1/{}", plugin.replace("shipped", "static"), self.pick(&["doc/x", "y"])),
                )
            }
        };
        let mut input = Input::new(self.pick(&METHODS), format!("/artifacts/{path}"));
        input.principal = self.pick(&["anonymous", "admin"]).to_owned();
        input.host = self.pick(&["h1", "h2"]).to_owned();
        input.query = BTreeMap::from([("tag".to_owned(), vec![self.pick(&["0", "8", "f"]).to_owned()])]);
        input.set_headers([("x-shard", self.pick(&["1", "7"])), ("traceparent", self.pick(&["t1", "t2"]))]);
        if self.roll(2) == 0 {
            input.accept = vec!["text/html".parse().unwrap()];
        }
        let input = if self.roll(3) == 0 { input.with_body(self.pick(&BODIES)) } else { input };
        (plugin, input)
    }
}

/// The routers, each in this process and in a child, with one memory or none.
struct Routers {
    policies: Policies,
    taken: BTreeMap<&'static str, [Arc<Policy>; 2]>,
}

impl Routers {
    async fn take(memo_entries: usize) -> Self {
        let policies = policies_with(Tuning { memo_entries, ..Tuning::default() }).await;
        let sources = [
            (
                "static",
                source(include_str!("../fixtures/static.rego"), include_str!("../fixtures/static.json")),
            ),
            ("yum", source(include_str!("../fixtures/yum.rego"), include_str!("../fixtures/yum.json"))),
            (
                "ostree",
                source(include_str!("../fixtures/ostree.rego"), include_str!("../fixtures/ostree.json")),
            ),
            (
                "mirror",
                source(include_str!("../fixtures/mirror.rego"), include_str!("../fixtures/mirror.json")),
            ),
            (
                "shipped",
                source(
                    include_str!("../../../../policies/static.rego"),
                    include_str!("../../../../policies/static.json"),
                ),
            ),
            ("curious", source(CURIOUS, "")),
        ];
        let mut taken = BTreeMap::new();
        for (name, source) in sources {
            let trusted = Place::Trusted.take(&policies, &source).await.unwrap();
            let isolated = Place::Isolated.take(&policies, &source).await.unwrap();
            taken.insert(name, [trusted, isolated]);
        }
        Self { policies, taken }
    }

    /// The decision as text, errors included, and the record if there is one.
    async fn ask(
        &self,
        (router, isolated): (&str, bool),
        input: Input,
        registry: &Arc<Registry>,
    ) -> (Result<Decision, String>, Option<Arc<Trail>>) {
        let policy = &self.taken[router][usize::from(isolated)];
        match decide(&self.policies, policy, input, registry).await {
            Ok((decision, trail)) => (Ok(decision), Some(trail)),
            Err(error) => (Err(error.to_string()), None),
        }
    }

    async fn replay(&self, (router, isolated): (&str, bool), trail: &Trail) -> Result<Decision, String> {
        let policy = &self.taken[router][usize::from(isolated)];
        self.policies.replay(policy, trail).await.map_err(|error| error.to_string())
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// What a run met, so that it cannot pass by meeting nothing.
#[derive(Debug, Default)]
struct Met {
    remembered: u64,
    evaluated: u64,
    refused: u64,
    actions: BTreeMap<String, u64>,
}

impl Met {
    fn count(&mut self, outcome: &Result<Decision, String>, trail: Option<&Trail>) {
        match trail.map(|trail| trail.how) {
            Some(How::Memo) => self.remembered += 1,
            Some(How::Trusted | How::Isolated) => self.evaluated += 1,
            None => self.refused += 1,
        }
        if let Ok(decision) = outcome {
            let action = serde_json::to_value(decision).unwrap()["action"].as_str().unwrap().to_owned();
            *self.actions.entry(action).or_default() += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_and_memories_are_true_while_the_registry_changes() {
    let (requests, seed) = (setting("GOSSAMER_REQUESTS", REQUESTS), setting("GOSSAMER_SEED", 1));
    let (remembering, fresh) = (Routers::take(4_096).await, Routers::take(0).await);
    let (registry, mut dice, mut met) = (Arc::new(Registry::default()), Dice(seed), Met::default());
    for number in 0..requests {
        while dice.roll(CHANGE_EVERY) == 0 {
            dice.change(&registry);
        }
        let (router, input) = dice.request();
        let at = (router, number % ISOLATED_EVERY == 0);
        let (decided, trail) = remembering.ask(at, input.clone(), &registry).await;
        met.count(&decided, trail.as_deref());
        let Some(trail) = trail else {
            assert_eq!(
                fresh.ask((router, false), input, &registry).await.0,
                decided,
                "seed {seed}, {number}"
            );
            continue;
        };
        assert_eq!(remembering.replay(at, &trail).await, decided, "seed {seed}, {number}: {trail:?}");
        if trail.how == How::Memo {
            let (anew, unremembered) = fresh.ask((router, false), input, &registry).await;
            assert_eq!(anew, decided, "seed {seed}, {number}: {trail:?}");
            assert_eq!(unremembered.unwrap().lookups, trail.lookups, "seed {seed}, {number}");
        }
        registry.asked.lock().unwrap().clear();
    }
    println!("{met:?}");
    assert!(met.remembered > requests / 10 && met.evaluated > requests / 10 && met.refused > 0, "{met:?}");
    assert_eq!(met.actions.len(), 4, "{met:?}"); // blob, forward, deny, not_found
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_are_true_while_others_push_at_the_same_time() {
    let (requests, seed) = (setting("GOSSAMER_REQUESTS", REQUESTS) / 4, setting("GOSSAMER_SEED", 1));
    let (routers, registry) = (Routers::take(4_096).await, Arc::new(Registry::default()));
    let done = Arc::new(AtomicBool::new(false));
    let pushing = {
        let (registry, done) = (Arc::clone(&registry), Arc::clone(&done));
        std::thread::spawn(move || {
            let mut dice = Dice(seed + 1);
            while !done.load(Ordering::Relaxed) {
                dice.change(&registry);
                std::thread::yield_now();
            }
        })
    };
    let mut dice = Dice(seed);
    for number in 0..requests {
        let (router, input) = dice.request();
        let at = (router, number % ISOLATED_EVERY == 0);
        if let (decided, Some(trail)) = routers.ask(at, input, &registry).await {
            assert_eq!(routers.replay(at, &trail).await, decided, "seed {seed}, {number}: {trail:?}");
        }
        registry.asked.lock().unwrap().clear();
    }
    done.store(true, Ordering::Relaxed);
    pushing.join().unwrap();
}
