//! How one version of a plugin takes over from another: pins, shadows, canaries, and the guard that ends a bad one.
//!
//! Pure: it is told what operators ask and how requests ended, and says what to do. It owns no clock and no task.

mod guard;
mod plan;
mod slice;

use std::collections::BTreeMap;
use std::time::Instant;

use gossamer_oci::PluginName;
use semver::Version;

pub use guard::{Guard, Outcome, Tally};
pub use plan::{Canary, Ended, Plan, Unwanted, Verdict};
pub use slice::{Percent, is_in_slice};

use guard::{Judgement, Trial};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// An operator asks this of a plugin.
    Asked { plugin: PluginName, command: Command, versions: Versions },
    /// A request ended that this version had decided.
    Answered { plugin: PluginName, version: Version, outcome: Outcome },
    /// Time has passed.
    Tick,
}

/// What an operator may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Follow this version, whatever newer ones are announced.
    Pin(Version),
    /// Follow the newest version again, or the one that the configuration pins.
    Unpin,
    /// Evaluate this version beside the active one and record where they differ.
    Shadow(Version),
    /// Stop doing that.
    Unshadow,
    /// Let this version decide for a slice of the repositories.
    Canary(Canary),
    /// Let the canary decide for all.
    Promote,
    /// Go back: from the canary to the active version, or from the pinned version to the one before it.
    Rollback { reason: String },
}

/// The versions of a plugin that can be chosen now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    pub active: Option<Version>,
    /// Everything that is admitted, the active one included.
    pub admitted: Vec<Version>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The plan of this plugin is another one: keep it on disk and route by it.
    Planned(PluginName),
    /// A canary ended. Comes before its `Planned`.
    Ended { plugin: PluginName, ended: Ended },
    /// The operator's wish cannot be met. Nothing was changed.
    Refused(Unwanted),
}

/// The plans of all plugins, and the trials that are under way.
#[derive(Debug, Default)]
pub struct Rollouts {
    plans: BTreeMap<PluginName, Plan>,
    trials: BTreeMap<PluginName, Trial>,
}

// === impl Rollouts ===

impl Rollouts {
    /// Goes on with plans that were kept. The trial of a canary begins anew: what was counted is forgotten.
    pub fn resume(plans: BTreeMap<PluginName, Plan>, now: Instant) -> Self {
        let trials = plans.iter().filter_map(|(plugin, plan)| {
            let canary = plan.canary.as_ref()?;
            Some((plugin.clone(), Trial::begin(canary, now)))
        });
        Self { trials: trials.collect(), plans }
    }

    /// Takes one input and says what to do.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Output> {
        match input {
            Input::Asked { plugin, command, versions } => self.asked(plugin, command, &versions, now),
            Input::Answered { plugin, version, outcome } => self.answered(&plugin, &version, outcome, now),
            Input::Tick => {
                let plugins: Vec<_> = self.trials.keys().cloned().collect();
                plugins.iter().flat_map(|plugin| self.judge(plugin, now)).collect()
            }
        }
    }

    /// The plans as they are; plugins without one follow their newest version.
    pub fn plans(&self) -> &BTreeMap<PluginName, Plan> {
        &self.plans
    }

    /// What was counted of a canary and of the version beside it, in the guard's window.
    pub fn tallies(&mut self, plugin: &PluginName, now: Instant) -> Option<(Tally, Tally)> {
        self.trials.get_mut(plugin).map(|trial| trial.tallies(now))
    }

    fn asked(
        &mut self,
        plugin: PluginName,
        command: Command,
        versions: &Versions,
        now: Instant,
    ) -> Vec<Output> {
        let before = self.plans.get(&plugin).cloned().unwrap_or_default();
        match before.clone().change(command, versions) {
            Err(unwanted) => vec![Output::Refused(unwanted)],
            Ok(after) => self.take(plugin, &before, after, now),
        }
    }

    fn answered(
        &mut self,
        plugin: &PluginName,
        version: &Version,
        outcome: Outcome,
        now: Instant,
    ) -> Vec<Output> {
        let Some(trial) = self.trials.get_mut(plugin) else { return Vec::new() };
        trial.count(version, outcome, now);
        if outcome == Outcome::Good { Vec::new() } else { self.judge(plugin, now) }
    }

    /// Ends the trial of `plugin` if its guard says so.
    fn judge(&mut self, plugin: &PluginName, now: Instant) -> Vec<Output> {
        let judgement = self.trials.get_mut(plugin).and_then(|trial| trial.judge(now));
        let (Some(judgement), Some(before)) = (judgement, self.plans.get(plugin).cloned()) else {
            return Vec::new();
        };
        let after = match judgement {
            Judgement::Bad(reason) => before.clone().rolled_back(reason),
            Judgement::Good(reason) => before.clone().promoted(reason),
        };
        self.take(plugin.clone(), &before, after, now)
    }

    fn take(&mut self, plugin: PluginName, before: &Plan, after: Plan, now: Instant) -> Vec<Output> {
        if *before == after {
            return Vec::new();
        }
        let mut outputs = Vec::new();
        if after.canary != before.canary {
            match &after.canary {
                Some(canary) => drop(self.trials.insert(plugin.clone(), Trial::begin(canary, now))),
                None => drop(self.trials.remove(&plugin)),
            }
            let ended = after.ended.clone().filter(|_| before.canary.is_some() && after.canary.is_none());
            outputs.extend(ended.map(|ended| Output::Ended { plugin: plugin.clone(), ended }));
        }
        if after.is_empty() {
            self.plans.remove(&plugin);
        } else {
            self.plans.insert(plugin.clone(), after);
        }
        outputs.push(Output::Planned(plugin));
        outputs
    }
}

#[cfg(test)]
mod tests;
