//! What this core knows of each announcement, and what it should do next. Pure: no clock, no task.

mod last_good;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gossamer_oci::{Digest, MediaType, PluginName};
use gossamer_wire::{Announcement, Generation, NodeId, Policy};
use semver::Version;

use self::last_good::LastGood;

pub(super) use self::last_good::Clock;
pub use self::last_good::{Kept, Since};

/// The first pause after a failed pull; each further one is twice as long.
const RETRY_FIRST: Duration = Duration::from_millis(100);

/// A node that is alive and cannot be asked is asked again this often, for as long as it lives.
const RETRY_LONGEST: Duration = Duration::from_secs(10);

/// An announcement that gossip says a live node makes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hint {
    /// Who announces.
    pub node: NodeId,
    /// The plugin of the node's gossiped role.
    pub plugin: PluginName,
    /// The announcement's name, by which it is pulled.
    pub announcement: Digest,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Input<P> {
    /// These nodes announce now, and no others.
    Hints(BTreeSet<Hint>),
    /// A pull was answered with a verified announcement, or failed.
    Pulled(Hint, Result<Arc<Announcement>, PullFailure>),
    /// A policy was admitted, or refused with this reason.
    Judged(Digest, Result<P, String>),
    /// What this core's disk or another core remembers. Of a plugin that is present it is ignored.
    Offered(Vec<Kept>),
    /// Time has passed.
    Tick,
}

/// Why a pull gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PullFailure {
    /// The node did not answer; asking again may help.
    Unanswered(String),
    /// The node lies or errs; only another announcement can help.
    Unacceptable(String),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Ask the announcing node itself.
    Pull(Hint),
    /// Have the policy checked and probed.
    Judge(Digest, Policy),
    /// What [`Roster::plugins`] says has changed.
    Changed,
}

/// How far an announcement has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Being pulled for the first time.
    Pulling,
    /// The last pull failed; it is tried again.
    Retrying { attempts: u32, reason: String },
    /// Verified; its policy is being checked.
    Judging,
    /// Verified and admitted.
    Admitted,
    /// Will not be used.
    Refused { reason: String },
}

/// One node's announcement.
#[derive(Clone, Debug)]
pub struct Announced {
    /// How far it has come.
    pub standing: Standing,
    /// Its content, once verified.
    pub announcement: Option<Arc<Announcement>>,
}

/// What a plugin's requests may be decided by.
#[derive(Clone, Debug)]
pub struct Active<P> {
    /// The announcement that brought the policy.
    pub announcement: Arc<Announcement>,
    /// The policy's name.
    pub policy_digest: Digest,
    /// The admitted policy.
    pub policy: P,
}

/// One plugin, with every node that announces it.
#[derive(Clone, Debug)]
pub(super) struct Plugin<P> {
    /// What is admitted and alive; else the last that was.
    pub candidates: Vec<Active<P>>,
    /// Every node that announces it now.
    pub announced: BTreeMap<Hint, Announced>,
    /// What it is routed by while nothing admitted is alive.
    pub last_good: Option<Kept>,
}

/// Follows announcements from hint to admission.
///
/// What a plugin that is present is routed by depends on nothing but what is announced and admitted; of one that is
/// away, on what the cores remember, once they have told each other. On no order of events, either way.
#[derive(Debug)]
pub(super) struct Roster<P> {
    announced: BTreeMap<Hint, Entry>,
    policies: BTreeMap<Digest, Judgement<P>>,
    last_good: LastGood<P>,
    /// Waiting for the judgement of their policies.
    offered: Vec<Kept>,
    pins: BTreeMap<PluginName, Version>,
    now: Instant,
}

#[derive(Debug)]
enum Entry {
    Pulling { attempts: u32, reason: Option<String> },
    Waiting { attempts: u32, reason: String, until: Instant },
    Verified { announcement: Arc<Announcement>, policy: Digest },
    Unacceptable { reason: String },
}

#[derive(Debug)]
enum Judgement<P> {
    Pending,
    Admitted(P),
    Refused(String),
}

// === impl Roster ===

impl<P: Clone> Roster<P> {
    /// A roster that knows nobody. Of a pinned plugin, the pinned version is preferred.
    pub(super) fn new(pins: BTreeMap<PluginName, Version>, clock: Clock) -> Self {
        Self {
            announced: BTreeMap::new(),
            policies: BTreeMap::new(),
            last_good: LastGood::new(clock, pins.clone()),
            offered: Vec::new(),
            pins,
            now: clock.at,
        }
    }

    /// Takes one input and says what to do.
    pub(super) fn handle(&mut self, input: Input<P>, now: Instant) -> Vec<Output> {
        self.now = now;
        match input {
            Input::Hints(hints) => self.follow(hints),
            Input::Pulled(hint, result) => self.pulled(hint, result),
            Input::Judged(policy, result) => self.judged(policy, result),
            Input::Offered(kept) => kept.into_iter().flat_map(|kept| self.offered(kept)).collect(),
            Input::Tick => self.retry(),
        }
    }

    /// Other versions are preferred from now on.
    pub(super) fn pin(&mut self, pins: &BTreeMap<PluginName, Version>) {
        if self.pins != *pins {
            self.pins.clone_from(pins);
            self.last_good.pin(pins);
            self.choose();
        }
    }

    /// When [`Input::Tick`] is next of use.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.announced.values().filter_map(Entry::until).min()
    }

    /// What survives a restart: the best announcement of each plugin, alive or not.
    pub(super) fn last_good(&self) -> impl Iterator<Item = Kept> {
        self.last_good.iter().filter_map(|(name, _)| self.last_good.kept(name))
    }

    /// Every plugin that announces, or that did and was good.
    pub(super) fn plugins(&self) -> BTreeMap<PluginName, Plugin<P>> {
        let mut plugins: BTreeMap<PluginName, Plugin<P>> = BTreeMap::new();
        let unknown = || Plugin { candidates: Vec::new(), announced: BTreeMap::new(), last_good: None };
        for (hint, entry) in &self.announced {
            let plugin = plugins.entry(hint.plugin.clone()).or_insert_with(unknown);
            plugin.candidates.extend(entry.announcement().and_then(|announcement| self.active(announcement)));
            plugin.announced.insert(hint.clone(), self.describe(entry));
        }
        for (name, active) in self.last_good.iter() {
            let plugin = plugins.entry(name.clone()).or_insert_with(unknown);
            plugin.last_good = self.last_good.kept(name);
            if plugin.candidates.is_empty() {
                plugin.candidates.push(active.clone());
            }
        }
        plugins
    }

    fn follow(&mut self, hints: BTreeSet<Hint>) -> Vec<Output> {
        let before = self.announced.len();
        self.announced.retain(|hint, _| hints.contains(hint));
        let mut is_changed = before != self.announced.len();
        let mut outputs = Vec::new();
        for hint in hints {
            if !self.announced.contains_key(&hint) {
                self.announced.insert(hint.clone(), Entry::Pulling { attempts: 0, reason: None });
                outputs.push(Output::Pull(hint));
                is_changed = true;
            }
        }
        if is_changed {
            self.choose();
            outputs.push(Output::Changed);
        }
        outputs
    }

    fn pulled(&mut self, hint: Hint, result: Result<Arc<Announcement>, PullFailure>) -> Vec<Output> {
        let Some(entry) = self.announced.get_mut(&hint) else { return Vec::new() }; // gone meanwhile
        let Entry::Pulling { attempts, .. } = *entry else { return Vec::new() };
        match result {
            Ok(announcement) => {
                let policy = announcement.policy.digest();
                *entry = Entry::Verified { announcement: Arc::clone(&announcement), policy };
                self.judge(&announcement)
            }
            Err(PullFailure::Unanswered(reason)) => {
                let attempts = attempts.saturating_add(1);
                *entry = Entry::Waiting { attempts, reason, until: self.now + pause(attempts) };
                vec![Output::Changed]
            }
            Err(PullFailure::Unacceptable(reason)) => {
                *entry = Entry::Unacceptable { reason };
                vec![Output::Changed]
            }
        }
    }

    fn offered(&mut self, kept: Kept) -> Vec<Output> {
        let announcement = Arc::clone(&kept.announcement);
        self.offered.push(kept);
        self.judge(&announcement)
    }

    fn judge(&mut self, announcement: &Announcement) -> Vec<Output> {
        let policy = announcement.policy.digest();
        if self.policies.contains_key(&policy) {
            self.choose();
            return vec![Output::Changed];
        }
        self.policies.insert(policy, Judgement::Pending);
        vec![Output::Judge(policy, announcement.policy.clone()), Output::Changed]
    }

    fn judged(&mut self, policy: Digest, result: Result<P, String>) -> Vec<Output> {
        let judgement = match result {
            Ok(admitted) => Judgement::Admitted(admitted),
            Err(reason) => Judgement::Refused(reason),
        };
        self.policies.insert(policy, judgement);
        self.choose();
        vec![Output::Changed]
    }

    fn retry(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        for (hint, entry) in &mut self.announced {
            if let Entry::Waiting { attempts, reason, until } = entry
                && *until <= self.now
            {
                *entry = Entry::Pulling { attempts: *attempts, reason: Some(std::mem::take(reason)) };
                outputs.push(Output::Pull(hint.clone()));
            }
        }
        outputs
    }

    /// Remembers each plugin's best admitted announcement that is alive. Where none is, what was good
    /// last stays: blobs can be served without the plugin. Forgets policies that nobody needs.
    fn choose(&mut self) {
        let mut best: BTreeMap<PluginName, Active<P>> = BTreeMap::new();
        for active in self.announced.values().filter_map(|entry| self.active(entry.announcement()?)) {
            match best.get(&active.announcement.plugin) {
                Some(other) if self.precedence(other) >= self.precedence(&active) => {}
                Some(_) | None => {
                    best.insert(active.announcement.plugin.clone(), active);
                }
            }
        }
        for kept in std::mem::take(&mut self.offered) {
            match self.active(&kept.announcement) {
                Some(active) if !best.contains_key(&active.announcement.plugin) => {
                    self.last_good.merge(kept.since, active);
                }
                None if self.is_pending(&kept.announcement) => self.offered.push(kept),
                Some(_) | None => {}
            }
        }
        for active in best.into_values() {
            self.last_good.follow(active, self.now);
        }
        self.forget_policies();
    }

    fn active(&self, announcement: &Arc<Announcement>) -> Option<Active<P>> {
        let policy_digest = announcement.policy.digest();
        let Judgement::Admitted(policy) = self.policies.get(&policy_digest)? else { return None };
        Some(Active { announcement: Arc::clone(announcement), policy: policy.clone(), policy_digest })
    }

    /// The order of `RouteTable`, with a pinned version before all others.
    fn precedence<'a>(
        &self,
        active: &'a Active<P>,
    ) -> (bool, &'a Version, Generation, Digest, BTreeSet<&'a MediaType>) {
        let Announcement { plugin, version, generation, media_types, .. } = &*active.announcement;
        let is_pinned = self.pins.get(plugin) == Some(version);
        (is_pinned, version, *generation, active.policy_digest, media_types.iter().collect())
    }

    fn is_pending(&self, announcement: &Announcement) -> bool {
        matches!(self.policies.get(&announcement.policy.digest()), Some(Judgement::Pending))
    }

    fn forget_policies(&mut self) {
        let mut needed: BTreeSet<Digest> =
            self.offered.iter().map(|kept| kept.announcement.policy.digest()).collect();
        needed.extend(self.last_good.iter().map(|(_, active)| active.policy_digest));
        needed.extend(self.announced.values().filter_map(|entry| entry.policy().copied()));
        self.policies
            .retain(|digest, judgement| matches!(judgement, Judgement::Pending) || needed.contains(digest));
    }

    fn describe(&self, entry: &Entry) -> Announced {
        let announcement = entry.announcement().cloned();
        let standing = match entry {
            Entry::Pulling { reason: None, .. } => Standing::Pulling,
            Entry::Pulling { attempts, reason: Some(reason) } | Entry::Waiting { attempts, reason, .. } => {
                Standing::Retrying { attempts: *attempts, reason: reason.clone() }
            }
            Entry::Unacceptable { reason } => Standing::Refused { reason: reason.clone() },
            Entry::Verified { policy, .. } => match self.policies.get(policy) {
                Some(Judgement::Admitted(_)) => Standing::Admitted,
                Some(Judgement::Refused(reason)) => Standing::Refused { reason: reason.clone() },
                Some(Judgement::Pending) | None => Standing::Judging,
            },
        };
        Announced { standing, announcement }
    }
}

// === impl Entry ===

impl Entry {
    fn announcement(&self) -> Option<&Arc<Announcement>> {
        match self {
            Self::Verified { announcement, .. } => Some(announcement),
            Self::Pulling { .. } | Self::Waiting { .. } | Self::Unacceptable { .. } => None,
        }
    }

    fn policy(&self) -> Option<&Digest> {
        match self {
            Self::Verified { policy, .. } => Some(policy),
            Self::Pulling { .. } | Self::Waiting { .. } | Self::Unacceptable { .. } => None,
        }
    }

    fn until(&self) -> Option<Instant> {
        match self {
            Self::Waiting { until, .. } => Some(*until),
            Self::Pulling { .. } | Self::Verified { .. } | Self::Unacceptable { .. } => None,
        }
    }
}

fn pause(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(10);
    RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_LONGEST)
}
