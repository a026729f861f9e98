//! The plugins of the mesh as this core knows them: heard of, pulled, verified, admitted, published.

mod bundled;
mod cache;
mod instance;
mod pull;
mod roster;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use gossamer_cluster::View;
use gossamer_oci::{Digest, PluginName};
use gossamer_policy::{Mount, Policies, Policy, PolicySource};
use gossamer_wire::Announcement;
use semver::Version;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::chain::Chain;
use crate::presence::Presence;
use crate::proxy::Pool;

use cache::Cache;
use roster::{Input, Output, Roster};

pub use instance::Instance;
pub use roster::{Announced, Hint, Standing};
pub use snapshot::{Active, NoRoute, Plugin, Route, Snapshot};

pub(crate) use snapshot::media_types;

/// Pulls at once: a core that starts in a large mesh asks everybody, but not in one moment.
const PULLS_MAX: usize = 16;

/// What the directory needs to know and to ask.
pub struct Config {
    pub presence: Presence,
    pub policies: Policies,
    pub proxy: Pool,
    /// Where verified announcements are kept.
    pub cache: PathBuf,
    pub mounts: Vec<Mount>,
    pub pins: BTreeMap<PluginName, Version>,
    /// Policies that may run in this process, besides the bundled ones.
    pub trusted: BTreeSet<Digest>,
}

/// The plugins of the mesh. Cheap to clone; all clones read the same snapshots.
#[derive(Clone)]
pub struct Directory {
    snapshot: watch::Receiver<Arc<Snapshot>>,
}

/// The one task that follows the cluster.
pub struct Follower {
    roster: Roster<Arc<Policy>>,
    config: Config,
    trusted: BTreeSet<Digest>,
    cache: Cache,
    cached: BTreeSet<Digest>,
    view: watch::Receiver<Arc<View>>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    pulls: Arc<Semaphore>,
    work: JoinSet<Input<Arc<Policy>>>,
}

// === impl Config ===

impl Config {
    /// Opens the cache. The directory knows nobody until its follower has run for a moment; the
    /// follower is to be run as a task.
    pub fn open(self) -> io::Result<(Directory, Follower)> {
        let cache = Cache::open(self.cache.clone())?;
        let (snapshots, snapshot) = watch::channel(Arc::new(Snapshot::empty()));
        let mut trusted = bundled::digests();
        trusted.extend(self.trusted.iter().copied());
        let follower = Follower {
            roster: Roster::new(self.pins.clone()),
            trusted,
            cache,
            cached: BTreeSet::new(),
            view: self.presence.cluster().watch(),
            snapshots,
            pulls: Arc::new(Semaphore::new(PULLS_MAX)),
            work: JoinSet::new(),
            config: self,
        };
        Ok((Directory { snapshot }, follower))
    }
}

// === impl Directory ===

impl Directory {
    /// The plugins as they are now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// Tells of every change.
    pub fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.clone()
    }
}

// === impl Follower ===

impl Follower {
    /// Admits what the last run of this core knew, so that blobs are served before any plugin is
    /// heard of. Answers when every remembered policy was judged.
    pub async fn remember(&mut self) {
        let announcements = self.cache.load().unwrap_or_else(|error| {
            warn!(%error, "Cannot read the cached announcements");
            Vec::new()
        });
        for announcement in announcements {
            self.perform(Input::Remembered(announcement));
        }
        while let Some(judged) = self.work.join_next().await {
            if let Ok(input) = judged {
                self.perform(input);
            }
        }
        self.publish().await;
    }

    /// Follows the cluster until `closing` is cancelled.
    pub async fn run(mut self, closing: CancellationToken) {
        self.view.mark_changed();
        loop {
            let deadline = self.roster.deadline().map(Instant::from_std);
            let input = tokio::select! {
                () = closing.cancelled() => break,
                Ok(()) = self.view.changed() => Input::Hints(hints(&self.view.borrow_and_update())),
                Some(done) = self.work.join_next() => match done {
                    Ok(input) => input,
                    Err(error) => {
                        warn!(%error, "A pull or an admission broke off");
                        continue;
                    }
                },
                () = until(deadline) => Input::Tick,
            };
            self.step(input).await;
        }
    }

    async fn step(&mut self, input: Input<Arc<Policy>>) {
        if self.perform(input) {
            self.publish().await;
        }
    }

    /// Takes one input and does what follows; says whether there is something to publish.
    fn perform(&mut self, input: Input<Arc<Policy>>) -> bool {
        let mut is_changed = false;
        for output in self.roster.handle(input, Instant::now().into_std()) {
            match output {
                Output::Pull(hint) => self.pull(hint),
                Output::Judge(digest, policy) => self.judge(digest, policy),
                Output::Changed => is_changed = true,
            }
        }
        is_changed
    }

    fn pull(&mut self, hint: Hint) {
        let (cluster, proxy) = (self.config.presence.cluster().clone(), self.config.proxy.clone());
        let pulls = Arc::clone(&self.pulls);
        self.work.spawn(async move {
            let _permit = pulls.acquire().await;
            let result = pull::pull(&cluster, &proxy, &hint).await;
            if let Err(failure) = &result {
                debug!(node = %hint.node, plugin = %hint.plugin, ?failure, "Announcement was not taken");
            }
            Input::Pulled(hint, result)
        });
    }

    fn judge(&mut self, digest: Digest, policy: gossamer_wire::Policy) {
        let policies = self.config.policies.clone();
        let is_trusted = self.trusted.contains(&digest);
        self.work.spawn(async move {
            let judged = admit(&policies, digest, &policy, is_trusted).await;
            match &judged {
                Ok(_) => info!(policy = %digest, is_trusted, "Policy is admitted"),
                Err(reason) => warn!(policy = %digest, reason, "Policy is refused"),
            }
            Input::Judged(digest, judged)
        });
    }

    async fn publish(&mut self) {
        let snapshot = Arc::new(Snapshot::new(self.roster.plugins(), &self.config.mounts, &self.config.pins));
        self.config.proxy.retain(&snapshot.nodes());
        metrics::gauge!("gossamer_directory_plugins").set(snapshot.plugins().len() as f64);
        let before = self.snapshots.send_replace(Arc::clone(&snapshot));
        if before.digest() != snapshot.digest() {
            info!(digest = %snapshot.digest(), plugins = snapshot.plugins().len(), "Routes have changed");
            let digest = snapshot.digest();
            self.config.presence.change(|record| record.route_table = Some(digest));
        }
        self.keep(self.roster.last_good().cloned().collect()).await;
    }

    /// Brings the cache up to date; what is active survives a restart.
    async fn keep(&mut self, active: Vec<Arc<Announcement>>) {
        let digests: BTreeSet<Digest> = active.iter().map(|announcement| announcement.digest()).collect();
        if digests == self.cached {
            return;
        }
        let cache = self.cache.clone();
        match tokio::task::spawn_blocking(move || cache.keep(&active)).await {
            Ok(Ok(())) => self.cached = digests,
            Ok(Err(error)) => {
                warn!(%error, "Cannot keep announcements; a restart would have to pull them again")
            }
            Err(error) => warn!(%error, "Keeping announcements broke off"),
        }
    }
}

/// Admits a policy in an evaluator child, or takes a trusted one into this process.
async fn admit(
    policies: &Policies,
    digest: Digest,
    policy: &gossamer_wire::Policy,
    is_trusted: bool,
) -> Result<Arc<Policy>, String> {
    let source = PolicySource::parse(digest, policy.module.clone(), &policy.data)
        .map_err(|error| Chain(&error).to_string())?;
    let admitted = if is_trusted { policies.trust(&source) } else { policies.admit(&source).await };
    admitted.map_err(|error| Chain(&error).to_string())
}

/// What gossip says is announced by nodes that mean to stay.
fn hints(view: &View) -> BTreeSet<Hint> {
    let staying = view.others().filter(|member| !member.is_leaving());
    staying
        .filter_map(|member| {
            let record = member.record.as_ref()?;
            // By its certificate, once that is known: what claims another name is pulled, refused and shown.
            let plugin = member.role()?.plugin()?.clone();
            Some(Hint { node: member.node, plugin, announcement: record.announcement? })
        })
        .collect()
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
