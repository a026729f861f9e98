//! The evaluator children: who may use one, what happens when one dies, and when one has worked enough.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

pub(crate) use super::conversation::Task;
use super::conversation::{Broken, Done, Worker};
use super::finished::Finished;
use super::frames::Limits;
use super::spawner::{Program, Spawner};
use crate::evaluation::Evaluated;
use crate::facts::Facts;
use crate::{EvalError, Refused, clock};

/// Most tasks that wait for a child. More would only wait past the time that their clients do.
const WAITING_MAX: usize = 512;

/// Longest wait for a child. By then something holds all of them.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What a child gets beyond its own limit before it is killed: a builtin cannot be interrupted from inside.
const GRACE: Duration = Duration::from_millis(500);

/// Longest start of a child, on a machine that swaps.
const START_MAX: Duration = Duration::from_secs(10);

/// Processor time in the life of a child, in force even when nobody is there to kill it.
const CPU_MAX: Duration = Duration::from_secs(120);

/// After this much work a child is replaced: long before [`CPU_MAX`], and before its heap has grown for good.
const BUSY_MAX: Duration = Duration::from_secs(60);

/// A handle on the children. Clones share them; they die when the last one is dropped.
#[derive(Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    spawner: Spawner,
    limits: Limits,
    /// One permit per child.
    children: Semaphore,
    waiting: AtomicUsize,
    idle: Mutex<Vec<Worker>>,
    /// Those whose callers went away: they are finished all the same, so that this does not cost a child.
    conversations: TaskTracker,
}

// === impl Pool ===

impl Pool {
    /// Starts one child, to know that children can be started; the others follow when they are needed.
    pub(crate) async fn start(
        path: std::path::PathBuf,
        arguments: Vec<std::ffi::OsString>,
        children: usize,
        memory_bytes: u64,
        evaluation: Duration,
    ) -> io::Result<Self> {
        let spawner = Spawner::start(Program { path, arguments })?;
        let shared = Shared {
            spawner,
            limits: Limits { memory_bytes, cpu: CPU_MAX, evaluation },
            children: Semaphore::new(children.max(1)),
            waiting: AtomicUsize::new(0),
            idle: Mutex::default(),
            conversations: TaskTracker::new(),
        };
        let first = shared.hire().await?;
        shared.rest(first);
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Parses and checks a policy in a child.
    pub(crate) async fn load(&self, source: Arc<crate::PolicySource>) -> Result<Facts, Refused> {
        match self.run(Task::Load(source)).await {
            Ok(Done::Loaded(outcome)) => outcome,
            Ok(Done::Evaluated(_)) => Err(Refused::Unchecked(mixed_up())),
            Err(error) => Err(Refused::Unchecked(error)),
        }
    }

    pub(crate) async fn evaluate(&self, task: Task) -> Result<Evaluated, EvalError> {
        match self.run(task).await? {
            Done::Evaluated(outcome) => outcome,
            Done::Loaded(_) => Err(mixed_up()),
        }
    }

    async fn run(&self, mut task: Task) -> Result<Done, EvalError> {
        let shared = Arc::clone(&self.shared);
        let queued = Queued::enter(&self.shared)?;
        let conversation = async move { shared.run(&mut task, queued).await };
        Finished::new(conversation, &self.shared.conversations).await
    }
}

fn mixed_up() -> EvalError {
    EvalError::Evaluator("the evaluator answered another task".to_owned())
}

/// A place among those who wait.
struct Queued(Arc<Shared>);

impl Queued {
    fn enter(shared: &Arc<Shared>) -> Result<Self, EvalError> {
        if shared.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            shared.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(EvalError::Busy);
        }
        Ok(Self(Arc::clone(shared)))
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Shared ===

impl Shared {
    async fn run(&self, task: &mut Task, queued: Queued) -> Result<Done, EvalError> {
        let permit = timeout(WAIT_MAX, self.children.acquire()).await;
        let Ok(Ok(_permit)) = permit else { return Err(EvalError::Busy) };
        drop(queued);
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let fresh = idle.is_none();
            let mut worker = match idle {
                Some(worker) => worker,
                None => self.hire().await.map_err(|error| EvalError::Evaluator(error.to_string()))?,
            };
            let started = clock::now();
            let outcome = self.limited(worker.work(task)).await;
            worker.busy += started.elapsed();
            match outcome {
                Some(Ok(done)) => {
                    self.rest(worker);
                    return Ok(done);
                }
                // It died while nobody looked. The task is not to blame, and the next child may have it.
                Some(Err(Broken::Before(error))) if !fresh => {
                    debug!(%error, "An idle evaluator had died, trying another");
                    self.mourn("idle");
                }
                Some(Err(Broken::Before(error) | Broken::During(error))) => {
                    warn!(%error, "An evaluator died at its task");
                    self.mourn("died");
                    return Err(EvalError::Evaluator("it died of the evaluation".to_owned()));
                }
                None => {
                    warn!(limit_ms = self.limits.evaluation.as_millis(), "An evaluator overran, killing it");
                    self.mourn("overran");
                    return Err(EvalError::Exceeded("the evaluation took too long".to_owned()));
                }
            }
        }
    }

    /// The outcome, or none if it takes far longer than the child's own limit.
    async fn limited<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        timeout(self.limits.evaluation + GRACE, work).await.ok()
    }

    async fn hire(&self) -> io::Result<Worker> {
        let started = timeout(START_MAX, Worker::start(&self.spawner, &self.limits)).await;
        let worker = started.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        gauge!("gossamer_policy_evaluators").increment(1);
        Ok(worker)
    }

    /// Keeps a worker for the next task, unless it has worked enough.
    fn rest(&self, worker: Worker) {
        if worker.busy < BUSY_MAX {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        } else {
            gauge!("gossamer_policy_evaluators").decrement(1);
        }
    }

    fn mourn(&self, how: &'static str) {
        gauge!("gossamer_policy_evaluators").decrement(1);
        counter!("gossamer_policy_evaluator_deaths_total", "how" => how).increment(1);
    }
}
