//! The delivery core: which event goes to which plugin next.
//!
//! Each (plugin, repository) is a [`Lane`]. Within a lane events go in commit order, one at a time,
//! at least once; lanes go side by side and take turns. A lane keeps only the sequences of its next
//! few events, and a plugin only so many lanes: the rest stays in the log and is read again.
//!
//! ```text
//!             Scan/Scanned                    Load/Loaded (what the window had no room for)
//!   log ─────────────────────► position      ┌───────────┐
//!                              of a plugin   ▼           │
//!                                  └──────► lane: window of sequences
//!                                            │ Deliver ► Acknowledged ► Commit ► Committed
//!                                            │         ► Failed ► backoff ► Deliver
//!                                            └                   ► Park ► Parked
//! ```
//!
//! What survives a restart is in the log: a cursor per lane, and per plugin the low-water mark, up
//! to which everything was delivered or was never for it. After a restart a plugin is scanned from
//! there, and what its lane cursors cover is passed over. Redelivered is at most what was in flight
//! and the [`Config::ahead_max`] acknowledged events per lane whose cursor was not durable yet.
//!
//! Owns no clock, socket or task. The shell performs each [`Output`], and answers each that says
//! so with exactly one [`Input`].

mod backoff;
mod config;
mod lane;
mod low_water;
mod scanner;
mod subscriber;
mod timers;
mod words;

use std::collections::BTreeMap;
use std::time::Instant;

use gossamer_oci::PluginName;
use rand::Rng;

pub use self::config::Config;
use self::scanner::Scanner;
use self::subscriber::Subscriber;
use self::timers::{Timer, Timers};
pub use self::words::{Failure, Input, Output, Progress, Routed};
use crate::{Cursors, Lane, Sequence};

/// Which event goes to which plugin next, as far as one core knows.
#[derive(Debug)]
pub struct Delivery<R> {
    subscribers: BTreeMap<PluginName, Subscriber>,
    scanner: Scanner,
    /// The end of the log, as far as heard.
    head: Sequence,
    effects: Effects<R>,
}

/// What the parts of the core share: the rules, the dice, the timers and the way out.
#[derive(Debug)]
struct Effects<R> {
    config: Config,
    rng: R,
    timers: Timers,
    outbox: Vec<Output>,
    stopping: Stopping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    No,
    /// What is in flight is waited for.
    Asked,
    Done,
}

// === impl Delivery ===

impl<R: Rng> Delivery<R> {
    pub fn new(config: Config, rng: R) -> Self {
        Self {
            subscribers: BTreeMap::new(),
            scanner: Scanner::default(),
            head: Sequence::ZERO,
            effects: Effects {
                config: config.clamped(),
                rng,
                timers: Timers::default(),
                outbox: Vec::new(),
                stopping: Stopping::No,
            },
        }
    }

    /// Takes one input and says everything that follows from it. `now` never goes back.
    pub fn handle(&mut self, input: Input, now: Instant) -> impl Iterator<Item = Output> + '_ {
        self.take(input, now);
        self.scan();
        self.finish_stopping();
        if let Some(deadline) = self.effects.timers.changed() {
            self.effects.outbox.push(Output::WakeAt(deadline));
        }
        self.effects.outbox.drain(..)
    }

    /// How far each plugin is, for metrics and for the operator.
    pub fn progress(&self) -> impl Iterator<Item = Progress> + '_ {
        self.subscribers.values().map(|one| one.progress(self.head))
    }

    fn take(&mut self, input: Input, now: Instant) {
        match input {
            Input::Started { plugin, cursors } => self.start(plugin, cursors),
            Input::Attached { plugin } => self.with(&plugin, |one, fx| one.attach(fx)),
            Input::Detached { plugin } => self.with(&plugin, |one, _| one.detach()),
            Input::Appended { head } => self.head = self.head.max(head),
            Input::Scanned { heads } => self.scanned(&heads, now),
            Input::ScanFailed => self.scanner.failed(&mut self.effects, now),
            Input::Loaded { lane, heads } => {
                self.on_lane(&lane, |one, fx| one.loaded(fx, &lane, &heads));
            }
            Input::LoadFailed { lane } => {
                self.on_lane(&lane, |one, fx| one.load_failed(fx, &lane, now));
            }
            Input::Acknowledged { lane, sequence } => {
                self.on_lane(&lane, |one, fx| one.acknowledged(fx, &lane, sequence, now));
            }
            Input::Failed { lane, sequence, failure } => self.on_lane(&lane, |one, fx| {
                one.failed(fx, &lane, (sequence, failure), now);
            }),
            Input::Parked { lane, sequence } => {
                self.on_lane(&lane, |one, fx| one.parked(fx, &lane, sequence, now));
            }
            Input::ParkFailed { lane, sequence } => {
                self.on_lane(&lane, |one, fx| one.park_failed(fx, &lane, sequence, now));
            }
            Input::Committed { lane } => self.on_lane(&lane, |one, fx| one.committed(fx, &lane)),
            Input::CommitFailed { lane } => {
                self.on_lane(&lane, |one, fx| one.commit_failed(fx, &lane, now));
            }
            Input::CommittedLow { plugin } => self.with(&plugin, |one, _| one.committed_low()),
            Input::CommitLowFailed { plugin } => {
                self.with(&plugin, |one, fx| one.commit_low_failed(fx, now));
            }
            Input::Tick => self.tick(now),
            Input::Stop => self.stop(),
        }
    }

    fn start(&mut self, plugin: PluginName, cursors: Cursors) {
        self.subscribers.entry(plugin.clone()).or_insert_with(|| Subscriber::new(plugin, cursors));
    }

    fn with(&mut self, plugin: &PluginName, act: impl FnOnce(&mut Subscriber, &mut Effects<R>)) {
        if let Some(subscriber) = self.subscribers.get_mut(plugin) {
            act(subscriber, &mut self.effects);
        }
    }

    /// As `with`, and lets the plugin's lanes go on after it.
    fn on_lane(&mut self, lane: &Lane, act: impl FnOnce(&mut Subscriber, &mut Effects<R>)) {
        self.with(&lane.plugin, |subscriber, effects| {
            act(subscriber, effects);
            subscriber.dispatch(effects);
        });
    }

    fn tick(&mut self, now: Instant) {
        while let Some(timer) = self.effects.timers.pop(now) {
            match timer {
                Timer::Retry(lane) => self.on_lane(&lane, |one, fx| one.retry(fx, &lane)),
                Timer::Recommit(lane) => self.on_lane(&lane, |one, fx| one.recommit(fx, &lane)),
                Timer::CommitLow(plugin) => self.with(&plugin, |one, fx| one.commit_low(fx, now)),
                Timer::Scan => self.scanner.retry(),
            }
        }
    }

    // === Reading the log ===

    fn scan(&mut self) {
        if self.effects.stopping != Stopping::No {
            return;
        }
        let limit = self.effects.config.scan_limit;
        let hungry = self.subscribers.iter().filter_map(|(name, subscriber)| {
            let position = subscriber.position();
            let wants = position < self.head && subscriber.has_room(&self.effects.config, limit);
            wants.then_some((name, position))
        });
        if let Some(after) = self.scanner.next(hungry, self.head) {
            self.effects.outbox.push(Output::Scan { after, limit });
        }
    }

    /// Everybody who stands within the part that was read moves to its end.
    fn scanned(&mut self, heads: &[Routed], now: Instant) {
        let limit = self.effects.config.scan_limit;
        let Some((after, through)) = self.scanner.finished(heads, limit) else {
            return;
        };
        for subscriber in self.subscribers.values_mut() {
            let within = (after..through).contains(&subscriber.position());
            if within && subscriber.has_room(&self.effects.config, limit) {
                subscriber.scanned(&mut self.effects, heads, through, now);
                subscriber.dispatch(&mut self.effects);
            }
        }
    }

    // === Stopping ===

    fn stop(&mut self) {
        if self.effects.stopping == Stopping::No {
            self.effects.stopping = Stopping::Asked;
        }
    }

    /// Once nothing is in flight any more, the low-water marks are written; then we are done.
    fn finish_stopping(&mut self) {
        let is_quiet = |one: &Self| one.subscribers.values().all(Subscriber::is_quiet);
        if self.effects.stopping != Stopping::Asked || !is_quiet(self) {
            return;
        }
        for subscriber in self.subscribers.values_mut() {
            subscriber.commit_last_low(&mut self.effects);
        }
        if is_quiet(self) {
            self.effects.stopping = Stopping::Done;
            self.effects.outbox.push(Output::Stopped);
        }
    }
}

#[cfg(test)]
mod tests;
