//! Evaluates trusted policies in this process, on a few threads that each keep their own engines.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use gossamer_oci::Digest;
use tokio::sync::oneshot;

use crate::engine::{Engine, Prepared};
use crate::evaluation::{Evaluated, Evaluation};
use crate::{EvalError, StartError};

/// Most evaluations that wait: at 100 µs each, a tenth of a second of work for one thread.
const WAITING_MAX: usize = 1024;

/// Most engines that a thread keeps. More policies than this are never trusted; if they are, engines are made anew.
const ENGINES_MAX: usize = 64;

/// Stack of a thread, in bytes: room for any chain of calls that the static checks let through.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// A handle on the threads. They end when it is dropped.
pub(crate) struct Trusted {
    queue: Arc<Queue>,
}

struct Job {
    policy: Digest,
    prepared: Arc<Prepared>,
    evaluation: Evaluation,
    reply: oneshot::Sender<Result<Evaluated, EvalError>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

// === impl Trusted ===

impl Trusted {
    pub(crate) fn start(threads: usize) -> Result<Self, StartError> {
        let queue = Arc::new(Queue::default());
        let trusted = Self { queue: Arc::clone(&queue) };
        for number in 0..threads.max(1) {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(format!("policy-{number}"))
                .stack_size(STACK_BYTES)
                .spawn(move || work(&queue))
                .map_err(StartError::Thread)?;
        }
        Ok(trusted)
    }

    pub(crate) async fn evaluate(
        &self,
        policy: Digest,
        prepared: &Arc<Prepared>,
        evaluation: Evaluation,
    ) -> Result<Evaluated, EvalError> {
        let (reply, answer) = oneshot::channel();
        let prepared = Arc::clone(prepared);
        self.queue.push(Job { policy, prepared, evaluation, reply })?;
        answer.await.unwrap_or(Err(EvalError::Busy))
    }
}

impl Drop for Trusted {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.closed = true;
        state.jobs.clear();
        self.queue.ready.notify_all();
    }
}

// === impl Queue ===

impl Queue {
    fn push(&self, job: Job) -> Result<(), EvalError> {
        let mut state = self.state();
        if state.jobs.len() >= WAITING_MAX {
            return Err(EvalError::Busy);
        }
        state.jobs.push_back(job);
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// The next job; none once the queue is closed.
    fn pop(&self) -> Option<Job> {
        let waited = self.ready.wait_while(self.state(), |state| state.jobs.is_empty() && !state.closed);
        waited.unwrap_or_else(PoisonError::into_inner).jobs.pop_front()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The life of one thread.
fn work(queue: &Queue) {
    let mut engines: HashMap<Digest, Engine> = HashMap::new();
    while let Some(Job { policy, prepared, evaluation, reply }) = queue.pop() {
        if reply.is_closed() {
            continue; // nobody waits any more
        }
        if engines.len() >= ENGINES_MAX && !engines.contains_key(&policy) {
            engines.clear();
        }
        let engine = engines.entry(policy).or_insert_with(|| Engine::new(prepared));
        let Evaluation { input, host, explain } = evaluation;
        // If nobody waits for the answer by now, it is not wanted.
        let _ = reply.send(engine.evaluate(&input, Box::new(host), explain));
    }
}
