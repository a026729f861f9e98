//! Evaluates trusted policies in this process: quick ones where they are asked for, all others on a few threads.
//!
//! A router takes less time than waking a thread does. What takes long, or could go deep on its stack, must not do so
//! on a thread of the runtime.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use gossamer_oci::Digest;
use tokio::sync::oneshot;

use crate::engine::{Engine, Prepared};
use crate::evaluation::{Evaluated, Evaluation};
use crate::facts::Facts;
use crate::{EvalError, PolicySource, Refused, StartError, clock};

/// Most evaluations that wait: at 100 µs each, a tenth of a second of work for one thread.
const WAITING_MAX: usize = 1024;

/// Most engines that a thread keeps. More policies than this are never trusted; if they are, engines are made anew.
const ENGINES_MAX: usize = 64;

/// Stack of a thread, in bytes: room for any chain of calls that the static checks let through.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// An evaluation that took longer than this was not quick.
const QUICK_MAX: Duration = Duration::from_millis(5);

/// What a slow evaluation adds to the strain of its policy. A quick one takes 1 away, so that one in eight is borne:
/// on a busy machine anything may be interrupted.
const STRAIN_OF_SLOW: u32 = 8;

/// From this strain on a policy runs on the threads, for good.
const STRAIN_MAX: u32 = 3 * STRAIN_OF_SLOW;

/// Rules deep that an evaluation may go on the stack of its caller, which may have 2 MiB only.
const DEPTH_MAX: usize = 16;

/// Threads that have engines of their own. More than a runtime has on a small machine; on a larger one some share.
const SEATS: usize = 8;

/// A trusted policy, and the engines of it that are used where it is asked for.
pub(crate) struct Home {
    source: PolicySource,
    limit: Duration,
    prepared: Arc<Prepared>,
    strain: AtomicU32,
    /// One engine per thread, each parsed for itself: engines that are copies of one another count references to
    /// one syntax tree, and two threads that do so are no faster than one.
    seats: [Mutex<Option<Engine>>; SEATS],
}

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

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Threads are numbered as they come.
    static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
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

    pub(crate) async fn evaluate(&self, home: &Home, evaluation: Evaluation) -> Result<Evaluated, EvalError> {
        // Explanations evaluate every rule: they are not quick.
        if home.is_quick() && !evaluation.explain {
            return home.evaluate(evaluation);
        }
        let (reply, answer) = oneshot::channel();
        let (policy, prepared) = (home.source.digest(), Arc::clone(&home.prepared));
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

// === impl Home ===

impl Home {
    /// Parses and checks the policy, here and now. No evaluation of it takes longer than `limit`.
    pub(crate) fn new(source: PolicySource, limit: Duration) -> Result<Self, Refused> {
        let prepared = Prepared::new(&source, limit)?;
        let deep = prepared.facts().depth > DEPTH_MAX;
        let strain = AtomicU32::new(if deep { STRAIN_MAX } else { 0 });
        let seats = Default::default();
        Ok(Self { source, limit, prepared: Arc::new(prepared), strain, seats })
    }

    pub(crate) fn facts(&self) -> &Facts {
        self.prepared.facts()
    }

    /// Evaluates on the calling thread, and notes if that was not quick.
    fn evaluate(&self, evaluation: Evaluation) -> Result<Evaluated, EvalError> {
        let started = clock::now();
        let Evaluation { input, host, explain } = evaluation;
        let outcome = match self.seat() {
            Some(mut seat) => {
                seat.get_or_insert_with(|| self.engine()).evaluate(&input, Box::new(host), explain)
            }
            // Another thread is at work there: a copy will do this once.
            None => Engine::new(Arc::clone(&self.prepared)).evaluate(&input, Box::new(host), explain),
        };
        self.took(started.elapsed());
        outcome
    }

    fn is_quick(&self) -> bool {
        self.strain.load(Ordering::Relaxed) < STRAIN_MAX
    }

    fn took(&self, time: Duration) {
        if time > QUICK_MAX {
            self.strain.fetch_add(STRAIN_OF_SLOW, Ordering::Relaxed);
        } else if self.strain.load(Ordering::Relaxed) > 0 {
            // Two threads may take the same point away: the strain is a hint.
            let _ = self
                .strain
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |strain| strain.checked_sub(1));
        }
    }

    /// The place of the calling thread, if nobody else has it just now.
    fn seat(&self) -> Option<MutexGuard<'_, Option<Engine>>> {
        match self.seats.get(THREAD.with(|number| number % SEATS))?.try_lock() {
            Ok(seat) => Some(seat),
            Err(TryLockError::Poisoned(seat)) => Some(seat.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// An engine that shares nothing with any other. What was parsed once is parsed again.
    fn engine(&self) -> Engine {
        let prepared = Prepared::new(&self.source, self.limit);
        Engine::new(prepared.map_or_else(|_| Arc::clone(&self.prepared), Arc::new))
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

#[cfg(test)]
mod tests;
