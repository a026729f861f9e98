//! Which instances may be sent requests, learnt from what became of earlier ones. Pure: owns no clock, socket or task.
//!
//! ```text
//!          failures in a row, or far more 5xx than the others
//!  closed ─────────────────────────────────────────────────► ejected ─ time is over, and wanted ─► probed
//!    ▲                                                          ▲ │◄─ no answer: twice as long ───────┘ │
//!    │ an answer                                      a failure │ │                                     │
//!    └─────────────────────── on trial: one request at a time ──┘ ◄──────────────── an answer ──────────┘
//! ```

#[cfg(test)]
mod tests;
mod window;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use gossamer_oci::PluginName;
use gossamer_wire::{Generation, NodeId};
use serde::Deserialize;

use window::Window;

/// The `[proxy.ejection]` table: when an instance is left alone, and for how long.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Requests in a row that got no answer.
    pub failures_max: u32,
    /// An instance that holds requests and has answered nothing for so long is asked only if no other can be.
    pub stall_ms: u64,
    /// The first ejection; each further one takes twice as long as the one before.
    pub first_ms: u64,
    /// The longest ejection.
    pub longest_ms: u64,
    /// Answers that say 5xx, of an instance's last ones, that make it an outlier if its peers have less than half of that.
    pub errors_percent: u32,
    /// Answers of an instance within ten seconds below which it cannot be an outlier.
    pub answers_min: u32,
}

/// Which life of which node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub node: NodeId,
    pub generation: Generation,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A request is about to be sent to an instance of this plugin.
    Began(Life, PluginName),
    /// The request has come to this.
    Ended(Life, Outcome),
    /// A request would like to be sent to it.
    Wanted(Life),
    /// A probe that was asked for is over.
    Probed { life: Life, is_alive: bool },
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer below 500.
    Answered,
    /// An answer of 500 or above: it lives, but may be worse than its peers.
    Erred,
    /// No answer: out of reach, broken off or too late.
    Failed,
    /// Whoever asked did not wait for the answer.
    Abandoned,
}

/// What follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// It is left alone for this long.
    Ejected { life: Life, plugin: PluginName, pause: Duration, cause: Cause },
    /// It is to be asked whether it lives.
    Probe(Life),
    /// It takes requests as before.
    Restored { life: Life, plugin: PluginName },
}

/// Why an instance was ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Failures,
    Outlier,
    Trial,
}

/// How an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// As far as is known it answers.
    Well,
    /// It holds requests and has been silent for too long: only where nobody else is.
    Stalled,
    /// Nothing is sent to it.
    Ejected,
}

/// All instances that requests were sent to.
#[derive(Debug)]
pub struct Breakers {
    config: Config,
    known: HashMap<NodeId, Breaker>,
}

#[derive(Debug)]
struct Breaker {
    generation: Generation,
    plugin: PluginName,
    state: State,
    /// Ejections since it last took requests as before.
    ejections: u32,
    /// Requests without an answer so far.
    waiting: u32,
    /// Since when it has been silent, if any request waits.
    quiet_since: Instant,
    window: Window,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Ejected { until: Instant, is_probed: bool },
    Trial { is_busy: bool },
}

/// Doublings beyond which an ejection is the longest anyway.
const DOUBLINGS_MAX: u32 = 16;

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            failures_max: 5,
            stall_ms: 1_000,
            first_ms: 1_000,
            longest_ms: 10_000,
            errors_percent: 50,
            answers_min: 20,
        }
    }
}

impl Config {
    fn pause(&self, ejections: u32) -> Duration {
        let doubled = self.first_ms.saturating_mul(1 << ejections.min(DOUBLINGS_MAX));
        Duration::from_millis(doubled.min(self.longest_ms))
    }

    fn stall(&self) -> Duration {
        Duration::from_millis(self.stall_ms)
    }
}

// === impl Breakers ===

impl Breakers {
    pub fn new(config: Config) -> Self {
        Self { config, known: HashMap::new() }
    }

    /// How `life` stands. Who was never asked is well.
    pub fn standing(&self, life: Life, now: Instant) -> Standing {
        let known = self.known.get(&life.node).filter(|breaker| breaker.generation == life.generation);
        known.map_or(Standing::Well, |breaker| breaker.standing(&self.config, now))
    }

    /// Takes one input and says what follows.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Output> {
        match input {
            Input::Began(life, plugin) => {
                self.began(life, plugin, now);
                Vec::new()
            }
            Input::Ended(life, outcome) => self.ended(life, outcome, now),
            Input::Wanted(life) => self.wanted(life, now),
            Input::Probed { life, is_alive } => self.probed(life, is_alive, now),
        }
    }

    /// Forgets every node that is not in `live`.
    pub fn retain(&mut self, live: &BTreeSet<NodeId>) {
        self.known.retain(|node, _| live.contains(node));
    }

    /// A node's next life starts without a past.
    fn began(&mut self, life: Life, plugin: PluginName, now: Instant) {
        let fresh = || Breaker::new(life.generation, plugin.clone(), now);
        let breaker = self.known.entry(life.node).or_insert_with(fresh);
        if breaker.generation < life.generation {
            *breaker = fresh();
        }
        if breaker.generation == life.generation {
            breaker.began(now);
        }
    }

    fn ended(&mut self, life: Life, outcome: Outcome, now: Instant) -> Vec<Output> {
        let stall = self.config.stall();
        let Some(breaker) = self.of(life) else { return Vec::new() };
        let is_silent = now.duration_since(breaker.quiet_since) >= stall;
        breaker.waiting = breaker.waiting.saturating_sub(1);
        match outcome {
            Outcome::Answered => breaker.answered(life, false, now),
            Outcome::Erred => {
                let restored = breaker.answered(life, true, now);
                if self.is_outlier(life, now) { self.eject(life, Cause::Outlier, now) } else { restored }
            }
            // Who has heard nothing from it for long and goes has seen it fail.
            Outcome::Abandoned if !is_silent => {
                breaker.let_go();
                Vec::new()
            }
            Outcome::Failed | Outcome::Abandoned => self.failed(life, now),
        }
    }

    fn failed(&mut self, life: Life, now: Instant) -> Vec<Output> {
        let failures_max = self.config.failures_max.max(1);
        let Some(breaker) = self.of(life) else { return Vec::new() };
        let cause = match &mut breaker.state {
            State::Closed { failures } => {
                *failures = failures.saturating_add(1);
                (*failures >= failures_max).then_some(Cause::Failures)
            }
            State::Trial { .. } => Some(Cause::Trial),
            State::Ejected { .. } => None,
        };
        cause.map(|cause| self.eject(life, cause, now)).unwrap_or_default()
    }

    fn eject(&mut self, life: Life, cause: Cause, now: Instant) -> Vec<Output> {
        let config = self.config.clone();
        let Some(breaker) = self.of(life) else { return Vec::new() };
        let pause = config.pause(breaker.ejections);
        breaker.ejections = breaker.ejections.saturating_add(1);
        breaker.state = State::Ejected { until: now + pause, is_probed: false };
        breaker.window = Window::new(now);
        vec![Output::Ejected { life, plugin: breaker.plugin.clone(), pause, cause }]
    }

    fn wanted(&mut self, life: Life, now: Instant) -> Vec<Output> {
        match self.of(life).map(|breaker| &mut breaker.state) {
            Some(State::Ejected { until, is_probed: is_probed @ false }) if *until <= now => {
                *is_probed = true;
                vec![Output::Probe(life)]
            }
            Some(State::Ejected { .. } | State::Closed { .. } | State::Trial { .. }) | None => Vec::new(),
        }
    }

    fn probed(&mut self, life: Life, is_alive: bool, now: Instant) -> Vec<Output> {
        let config = self.config.clone();
        let Some(breaker) = self.of(life) else { return Vec::new() };
        if let State::Ejected { is_probed: true, .. } = breaker.state {
            breaker.state = if is_alive {
                State::Trial { is_busy: false }
            } else {
                let pause = config.pause(breaker.ejections);
                breaker.ejections = breaker.ejections.saturating_add(1);
                State::Ejected { until: now + pause, is_probed: false }
            };
        }
        Vec::new()
    }

    /// Far more errors than its peers have, while most of those still take requests: what all
    /// instances get wrong is the plugin's, and no reason to prefer one.
    fn is_outlier(&self, life: Life, now: Instant) -> bool {
        let Some(suspect) = self.known.get(&life.node) else { return false };
        let Some(errors) = suspect.window.errors_percent(self.config.answers_min, now) else { return false };
        let peers: Vec<&Breaker> = self
            .known
            .iter()
            .filter(|(node, breaker)| **node != life.node && breaker.plugin == suspect.plugin)
            .map(|(_, breaker)| breaker)
            .collect();
        let well = peers.iter().filter(|peer| matches!(peer.state, State::Closed { .. })).count();
        let others = Window::together(peers.iter().map(|peer| &peer.window), now);
        let others = others.and_then(|window| window.errors_percent(1, now));
        matches!(suspect.state, State::Closed { .. })
            && errors >= self.config.errors_percent
            && well * 2 > peers.len()
            && others.is_some_and(|others| others * 2 < errors)
    }

    fn of(&mut self, life: Life) -> Option<&mut Breaker> {
        self.known.get_mut(&life.node).filter(|breaker| breaker.generation == life.generation)
    }
}

// === impl Breaker ===

impl Breaker {
    fn new(generation: Generation, plugin: PluginName, now: Instant) -> Self {
        let state = State::Closed { failures: 0 };
        Self {
            generation,
            plugin,
            state,
            ejections: 0,
            waiting: 0,
            quiet_since: now,
            window: Window::new(now),
        }
    }

    fn standing(&self, config: &Config, now: Instant) -> Standing {
        match self.state {
            State::Ejected { .. } | State::Trial { is_busy: true } => Standing::Ejected,
            State::Closed { .. } | State::Trial { is_busy: false } => {
                let is_silent = now.duration_since(self.quiet_since) >= config.stall();
                if self.waiting > 0 && is_silent { Standing::Stalled } else { Standing::Well }
            }
        }
    }

    fn began(&mut self, now: Instant) {
        if self.waiting == 0 {
            self.quiet_since = now;
        }
        self.waiting = self.waiting.saturating_add(1);
        if let State::Trial { is_busy } = &mut self.state {
            *is_busy = true;
        }
    }

    /// An answer is a sign of life; one to a request from before the ejection ends none.
    fn answered(&mut self, life: Life, is_error: bool, now: Instant) -> Vec<Output> {
        self.quiet_since = now;
        self.window.count(is_error, now);
        match self.state {
            State::Closed { .. } => {
                self.state = State::Closed { failures: 0 };
                Vec::new()
            }
            State::Trial { .. } => {
                self.state = State::Closed { failures: 0 };
                self.ejections = 0;
                vec![Output::Restored { life, plugin: self.plugin.clone() }]
            }
            State::Ejected { .. } => Vec::new(),
        }
    }

    fn let_go(&mut self) {
        if let State::Trial { is_busy } = &mut self.state {
            *is_busy = false;
        }
    }
}
