//! The plans of this core: asked for by operators, ended by guards, kept on disk.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gossamer_oci::PluginName;
use gossamer_policy::rollout::{
    Command, Ended, Input, Outcome, Output, Plan, Rollouts, Tally, Unwanted, Verdict, Versions,
};
use semver::Version;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{PlanTable, file};

/// How often canaries are looked at that nobody asks: for their promotion, which is a matter of time alone.
const TICK: Duration = Duration::from_secs(1);

/// The plans of this core. Cheap to clone; all clones share them.
#[derive(Clone)]
pub struct Plans {
    shared: Arc<Shared>,
}

struct Shared {
    rollouts: Mutex<Rollouts>,
    table: watch::Sender<Arc<PlanTable>>,
    file: PathBuf,
    /// One writer of the file at a time, so that the last one writes last.
    writing: tokio::sync::Mutex<()>,
}

/// Writes down what guards decide.
pub(super) struct Keeper {
    plans: Plans,
    table: watch::Receiver<Arc<PlanTable>>,
}

/// Why a wish of an operator was not met.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Unwanted(#[from] Unwanted),
    /// The plan is in force and would not survive a restart.
    #[error("the plan is in force, but cannot be kept on disk")]
    Kept(#[source] io::Error),
}

// === impl Plans ===

impl Plans {
    pub(super) fn open(file: PathBuf) -> io::Result<(Self, Keeper)> {
        let rollouts = Rollouts::resume(file::load(&file)?, Instant::now().into_std());
        let (sender, table) = watch::channel(Arc::new(rollouts.plans().clone()));
        let shared = Shared {
            rollouts: Mutex::new(rollouts),
            table: sender,
            file,
            writing: tokio::sync::Mutex::default(),
        };
        let plans = Self { shared: Arc::new(shared) };
        Ok((plans.clone(), Keeper { plans, table }))
    }

    /// The plans as they are now.
    pub fn table(&self) -> Arc<PlanTable> {
        Arc::clone(&self.shared.table.borrow())
    }

    /// Tells of every change.
    pub fn watch(&self) -> watch::Receiver<Arc<PlanTable>> {
        self.shared.table.subscribe()
    }

    /// Does what an operator asks. The plan is in force and on disk when this returns.
    pub async fn ask(
        &self,
        plugin: PluginName,
        command: Command,
        versions: Versions,
    ) -> Result<Plan, AskError> {
        info!(%plugin, ?command, "An operator asks for another plan");
        self.handle(Input::Asked { plugin: plugin.clone(), command, versions })?;
        let table = self.save().await.map_err(AskError::Kept)?;
        Ok(table.get(&plugin).cloned().unwrap_or_default())
    }

    /// Counts how a request ended that `version` decided. Costs next to nothing where no canary is.
    pub fn answered(&self, plugin: &PluginName, version: &Version, outcome: Outcome) {
        let is_watched = |table: &PlanTable| table.get(plugin).is_some_and(|plan| plan.canary.is_some());
        if !is_watched(&self.shared.table.borrow()) {
            return;
        }
        let answered = Input::Answered { plugin: plugin.clone(), version: version.clone(), outcome };
        self.told(answered);
    }

    /// What was counted of the canary of `plugin` and of the version beside it.
    pub fn tallies(&self, plugin: &PluginName) -> Option<(Tally, Tally)> {
        self.rollouts().tallies(plugin, Instant::now().into_std())
    }

    fn told(&self, input: Input) {
        if let Err(unwanted) = self.handle(input) {
            warn!(%unwanted, "A plan could not be changed");
        }
    }

    fn handle(&self, input: Input) -> Result<(), Unwanted> {
        let mut rollouts = self.rollouts();
        for output in rollouts.handle(input, Instant::now().into_std()) {
            match output {
                Output::Refused(unwanted) => return Err(unwanted),
                Output::Ended { plugin, ended } => note(&plugin, &ended),
                Output::Planned(_) => {
                    drop(self.shared.table.send_replace(Arc::new(rollouts.plans().clone())))
                }
            }
        }
        Ok(())
    }

    async fn save(&self) -> io::Result<Arc<PlanTable>> {
        let _turn = self.shared.writing.lock().await;
        let (path, table) = (self.shared.file.clone(), self.table());
        let written = Arc::clone(&table);
        spawn_blocking(move || file::store(&path, &written)).await.map_err(io::Error::other)??;
        Ok(table)
    }

    fn rollouts(&self) -> MutexGuard<'_, Rollouts> {
        self.shared.rollouts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(plugin: &PluginName, ended: &Ended) {
    let Ended { version, verdict, reason } = ended;
    let verdict = match verdict {
        Verdict::Promoted => "promoted",
        Verdict::RolledBack => "rolled_back",
    };
    metrics::counter!("gossamer_rollout_ended_total", "plugin" => plugin.to_string(), "verdict" => verdict)
        .increment(1);
    info!(%plugin, %version, verdict, reason, "A canary has ended");
}

// === impl Keeper ===

impl Keeper {
    pub(super) async fn run(mut self, closing: CancellationToken) {
        let mut ticks = interval(TICK);
        loop {
            tokio::select! {
                () = closing.cancelled() => break,
                Ok(()) = self.table.changed() => {
                    self.table.mark_unchanged();
                    self.save().await;
                }
                _ = ticks.tick() => self.plans.told(Input::Tick),
            }
        }
    }

    async fn save(&self) {
        if let Err(error) = self.plans.save().await {
            warn!(%error, "Cannot keep the plans of versions; a restart would forget the last change");
        }
    }
}
