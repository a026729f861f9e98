//! The plugins of the mesh as this core knows them: heard of, pulled, verified, admitted, published.

mod agreement;
mod allowance;
mod bundled;
mod cache;
mod comparing;
mod held;
mod instance;
mod overlaps;
mod pull;
mod roster;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant as StdInstant, SystemTime, UNIX_EPOCH};

use gossamer_cluster::View;
use gossamer_oci::{Digest, PluginName};
use gossamer_policy::{Mount, Policies, Policy, PolicySource};
use gossamer_wire::{NodeId, Role};
use semver::Version;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::chain::Chain;
use crate::presence::Presence;
use crate::proxy::Pool;
use crate::trials::{self, PlanTable};

use agreement::Agreement;
use allowance::Allowances;
use cache::Cache;
use held::Held;
use roster::{Clock, Input, Output, PullFailure, Roster};

pub use agreement::{Difference, differences};
pub use cache::Seal;
pub use comparing::ask;
pub use instance::Instance;
pub use overlaps::{Overlaps, Scanner};
pub use roster::{Announced, Hint, Kept, Since, Standing};
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
    /// By what they are known again.
    pub seal: Seal,
    pub mounts: Vec<Mount>,
    pub pins: BTreeMap<PluginName, Version>,
    /// What operators want of versions, besides.
    pub plans: watch::Receiver<Arc<PlanTable>>,
    /// Policies that may run in this process, besides the bundled ones.
    pub trusted: BTreeSet<Digest>,
}

/// The plugins of the mesh. Cheap to clone; all clones read the same snapshots.
#[derive(Clone)]
pub struct Directory {
    snapshot: watch::Receiver<Arc<Snapshot>>,
    dissent: watch::Receiver<Dissent>,
    overlaps: watch::Sender<Overlaps>,
}

/// The cores that route otherwise than this one, and since when.
pub type Dissent = Arc<BTreeMap<NodeId, StdInstant>>;

/// The one task that follows the cluster.
pub struct Follower {
    roster: Roster<Arc<Policy>>,
    held: Held<Arc<Policy>>,
    allowances: Allowances,
    config: Config,
    trusted: BTreeSet<Digest>,
    cache: Cache,
    cached: Vec<Kept>,
    /// The digest that the other cores were told.
    told: Option<Digest>,
    agreement: Agreement,
    dissent: watch::Sender<Dissent>,
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
        let cache = Cache::open(self.cache.clone(), self.seal.clone())?;
        let (snapshots, snapshot) = watch::channel(Arc::new(Snapshot::empty()));
        let (dissent, dissenting) = watch::channel(Dissent::default());
        let mut trusted = bundled::digests();
        trusted.extend(self.trusted.iter().copied());
        let pins = trials::pins(&self.pins, &self.plans.borrow());
        let follower = Follower {
            roster: Roster::new(pins, clock()),
            held: Held::default(),
            allowances: Allowances::default(),
            trusted,
            cache,
            cached: Vec::new(),
            told: None,
            agreement: Agreement::default(),
            dissent,
            view: self.presence.cluster().watch(),
            snapshots,
            pulls: Arc::new(Semaphore::new(PULLS_MAX)),
            work: JoinSet::new(),
            config: self,
        };
        let overlaps = watch::Sender::default();
        Ok((Directory { snapshot, dissent: dissenting, overlaps }, follower))
    }
}

// === impl Directory ===

impl Directory {
    /// The plugins as they are now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// Who routes otherwise.
    pub fn dissent(&self) -> Dissent {
        Arc::clone(&self.dissent.borrow())
    }

    /// The plugins that get in each other's way, as far as was found.
    pub fn overlaps(&self) -> Overlaps {
        Arc::clone(&self.overlaps.borrow())
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
        self.perform(Input::Offered(announcements));
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
            let now = Instant::now().into_std();
            let deadlines = self.roster.deadline().into_iter().chain(self.agreement.deadline(now));
            let deadline = deadlines.min().map(Instant::from_std);
            let input = tokio::select! {
                () = closing.cancelled() => break,
                Ok(()) = self.config.plans.changed() => {
                    self.config.plans.mark_unchanged();
                    self.publish().await;
                    self.compare();
                    continue;
                }
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
            self.compare();
        }
    }

    /// Looks who routes otherwise, and asks those who still do after a while.
    fn compare(&mut self) {
        let now = Instant::now().into_std();
        let snapshot = Arc::clone(&self.snapshots.borrow());
        let cluster = self.config.presence.cluster();
        self.agreement.observe(snapshot.digest(), gossiped(&cluster.view()), now);
        for core in self.agreement.due(now) {
            let learning = comparing::learn(cluster.clone(), core, Arc::clone(&snapshot));
            self.work.spawn(async move { Input::Offered(learning.await) });
        }
        let (cores, longest) = self.agreement.measure(now);
        metrics::gauge!("gossamer_directory_disagreement_cores").set(cores as f64);
        metrics::gauge!("gossamer_directory_disagreement_seconds").set(longest.as_secs_f64());
        let dissent = self.agreement.dissent();
        self.dissent.send_if_modified(|known| {
            let is_changed = **known != dissent;
            if is_changed {
                *known = Arc::new(dissent);
            }
            is_changed
        });
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
        let allowed = self.allowances.take(hint.node, hint.announcement, Instant::now().into_std());
        if let Err(wait) = allowed {
            metrics::counter!("gossamer_directory_announcements_deferred_total").increment(1);
            let reason =
                format!("the node brings new announcements too often; one more in {} s", wait.as_secs() + 1);
            self.work.spawn(async move { Input::Pulled(hint, Err(PullFailure::Unanswered(reason))) });
            return;
        }
        let (cluster, proxy) = (self.config.presence.cluster().clone(), self.config.proxy.clone());
        let pulls = Arc::clone(&self.pulls);
        self.work.spawn(async move {
            let _permit = pulls.acquire().await;
            let result = pull::pull(&cluster, &proxy, &hint).await;
            if let Err(failure) = &result {
                debug!(node = %hint.node, plugin = %hint.plugin, ?failure, "Announcement was not taken");
            }
            Input::Pulled(hint, result.map(Arc::new))
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
        let plans = Arc::clone(&self.config.plans.borrow());
        let pins = trials::pins(&self.config.pins, &plans);
        self.roster.pin(&pins);
        let mut plugins = self.roster.plugins();
        self.held.fill(&mut plugins, &plans);
        let snapshot = Arc::new(Snapshot::new(plugins, &self.config.mounts, &pins).planned(plans));
        self.config.proxy.retain(&snapshot.nodes());
        self.allowances.retain(&snapshot.nodes(), Instant::now().into_std());
        metrics::gauge!("gossamer_directory_plugins").set(snapshot.plugins().len() as f64);
        self.snapshots.send_replace(Arc::clone(&snapshot));
        let digest = snapshot.digest();
        if self.told.replace(digest) != Some(digest) {
            info!(%digest, plugins = snapshot.plugins().len(), "Routes have changed");
            self.config.presence.change(|record| record.route_table = Some(digest));
        }
        self.keep(self.roster.last_good().collect()).await;
    }

    /// Brings the cache up to date; what is active survives a restart.
    async fn keep(&mut self, active: Vec<Kept>) {
        if active == self.cached {
            return;
        }
        let (cache, kept) = (self.cache.clone(), active.clone());
        match tokio::task::spawn_blocking(move || cache.keep(&kept)).await {
            Ok(Ok(())) => self.cached = active,
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

/// What the other cores gossip of their route tables.
fn gossiped(view: &View) -> impl Iterator<Item = (NodeId, Option<Digest>)> {
    let cores = view.having(&Role::Core).filter(|member| member.node != view.me() && !member.is_leaving());
    cores.map(|core| (core.node, core.record.as_ref().and_then(|record| record.route_table)))
}

/// The time of day, read once: what follows is counted by the instants that the roster is handed.
fn clock() -> Clock {
    let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = Since::from_millis(u64::try_from(today.as_millis()).unwrap_or(u64::MAX));
    Clock { at: Instant::now().into_std(), since }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
