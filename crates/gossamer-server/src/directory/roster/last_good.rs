//! What each plugin was routed by last. A register per plugin that cores merge: the larger one stays, so that all
//! end with the same, in whatever order they hear of it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gossamer_oci::{Digest, PluginName};
use gossamer_wire::Announcement;
use semver::Version;

use super::Active;

/// When a core began to route by an announcement: milliseconds since 1970, by that core's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Since(u64);

/// An announcement that was good, wherever it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub since: Since,
    pub announcement: Arc<Announcement>,
}

/// Tells the time of day to what is handed instants.
#[derive(Clone, Copy, Debug)]
pub(in crate::directory) struct Clock {
    /// Any instant.
    pub at: Instant,
    /// What the time of day was then.
    pub since: Since,
}

/// The registers of all plugins.
#[derive(Debug)]
pub(super) struct LastGood<P> {
    held: BTreeMap<PluginName, Held<P>>,
    clock: Clock,
    pins: BTreeMap<PluginName, Version>,
}

#[derive(Debug)]
struct Held<P> {
    since: Since,
    active: Active<P>,
}

// === impl Since ===

impl Since {
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    pub const fn as_millis(self) -> u64 {
        self.0
    }

    fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

// === impl LastGood ===

impl<P: Clone> LastGood<P> {
    pub(super) fn new(clock: Clock, pins: BTreeMap<PluginName, Version>) -> Self {
        Self { held: BTreeMap::new(), clock, pins }
    }

    pub(super) fn pin(&mut self, pins: &BTreeMap<PluginName, Version>) {
        self.pins.clone_from(pins);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&PluginName, &Active<P>)> {
        self.held.iter().map(|(name, held)| (name, &held.active))
    }

    pub(super) fn kept(&self, plugin: &PluginName) -> Option<Kept> {
        let Held { since, active } = self.held.get(plugin)?;
        Some(Kept { since: *since, announcement: Arc::clone(&active.announcement) })
    }

    /// The plugin is here and routed by this: whatever was before, this is later.
    pub(super) fn follow(&mut self, active: Active<P>, now: Instant) {
        let plugin = active.announcement.plugin.clone();
        let now = self.clock.since.after(now.saturating_duration_since(self.clock.at));
        let since = match self.held.get(&plugin) {
            Some(held) if held.active.announcement == active.announcement => held.since,
            Some(held) => now.max(held.since.next()),
            None => now,
        };
        self.held.insert(plugin, Held { since, active });
    }

    /// Somebody remembers this of a plugin that is not here. The pinned version counts most, then the later one;
    /// the digest decides where clocks cannot.
    pub(super) fn merge(&mut self, since: Since, active: Active<P>) {
        let offered = Held { since, active };
        let plugin = offered.active.announcement.plugin.clone();
        let is_larger = |held: &Held<P>| self.compare(&offered, held) == Ordering::Greater;
        if self.held.get(&plugin).is_none_or(is_larger) {
            self.held.insert(plugin, offered);
        }
    }

    fn compare(&self, left: &Held<P>, right: &Held<P>) -> Ordering {
        let by_time = (self.is_pinned(left), left.since).cmp(&(self.is_pinned(right), right.since));
        by_time.then_with(|| digest(left).cmp(&digest(right)))
    }

    fn is_pinned(&self, held: &Held<P>) -> bool {
        let Announcement { plugin, version, .. } = &*held.active.announcement;
        self.pins.get(plugin) == Some(version)
    }
}

fn digest<P>(held: &Held<P>) -> Digest {
    held.active.announcement.digest()
}
