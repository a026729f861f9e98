//! One evaluator child from this side, and what is said while it works on one task.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use gossamer_oci::Digest;
use tokio::io::BufReader;
use tokio::net::UnixStream;

use super::frames::{self, Command, Limits, Report};
use super::spawner::{Process, Spawner};
use crate::engine::Host;
use crate::evaluation::{Evaluated, Evaluation};
use crate::facts::Facts;
use crate::recorder::Recorder;
use crate::{EvalError, PolicySource, Refused};

/// Most policies that a child keeps: a hundred kilobytes each.
const LOADED_MAX: usize = 64;

/// A child that is at rest, or at work on one task.
pub(super) struct Worker {
    stream: BufReader<UnixStream>,
    /// Dropped with the worker, which kills the child.
    _process: Process,
    /// The policies that the child has, the one used last at the end.
    loaded: VecDeque<Digest>,
    /// Wall-clock time spent on tasks: never less than the processor time that the child has used.
    pub(super) busy: Duration,
}

/// What a child can be asked to do.
pub(crate) enum Task {
    /// Parse and check a policy.
    Load(Arc<PolicySource>),
    Evaluate {
        source: Arc<PolicySource>,
        evaluation: Evaluation,
    },
}

/// What came of it.
pub(super) enum Done {
    Loaded(Result<Facts, Refused>),
    Evaluated(Result<Evaluated, EvalError>),
}

/// How a conversation broke off. The child is of no use any more.
#[derive(Debug)]
pub(super) enum Broken {
    /// The child had gone before it heard of the task.
    Before(io::Error),
    /// The child went, or talked nonsense, while it was at the task.
    During(io::Error),
}

// === impl Worker ===

impl Worker {
    /// Starts a child and waits until its limits are in force.
    pub(super) async fn start(spawner: &Spawner, limits: &Limits) -> io::Result<Self> {
        let (process, socket) = spawner.spawn().await?;
        let mut stream = BufReader::new(UnixStream::from_std(socket)?);
        frames::send(&mut stream, limits).await?;
        match frames::receive(&mut stream).await? {
            Report::Ready => {
                Ok(Self { stream, _process: process, loaded: VecDeque::new(), busy: Duration::ZERO })
            }
            Report::Loaded(_) | Report::Lookup(_) | Report::Body | Report::Evaluated(_) => Err(nonsense()),
        }
    }

    /// Works on one task to its end. After an error, or if this is not awaited to its end, drop the worker.
    pub(super) async fn work(&mut self, task: &mut Task) -> Result<Done, Broken> {
        match task {
            Task::Load(source) => {
                self.send(&Command::Load { source: PolicySource::clone(source) }).await?;
                self.note_loaded(source.digest()).await?;
                self.loaded().await.map(Done::Loaded)
            }
            Task::Evaluate { source, evaluation: Evaluation { input, host, explain } } => {
                self.ensure_loaded(source).await?;
                let (policy, input, explain) = (source.digest(), input.clone(), *explain);
                self.send(&Command::Evaluate { policy, input, explain }).await?;
                self.evaluated(host).await.map(Done::Evaluated)
            }
        }
    }

    async fn ensure_loaded(&mut self, source: &PolicySource) -> Result<(), Broken> {
        let policy = source.digest();
        if let Some(place) = self.loaded.iter().position(|loaded| *loaded == policy) {
            self.loaded.remove(place);
            self.loaded.push_back(policy);
            return Ok(());
        }
        self.send(&Command::Load { source: source.clone() }).await?;
        self.note_loaded(policy).await?;
        match self.loaded().await? {
            Ok(_) => Ok(()),
            Err(refused) => Err(Broken::During(io::Error::other(refused))),
        }
    }

    async fn note_loaded(&mut self, policy: Digest) -> Result<(), Broken> {
        self.loaded.retain(|loaded| *loaded != policy);
        self.loaded.push_back(policy);
        if self.loaded.len() > LOADED_MAX
            && let Some(policy) = self.loaded.pop_front()
        {
            self.send(&Command::Forget { policy }).await?;
        }
        Ok(())
    }

    async fn loaded(&mut self) -> Result<Result<Facts, Refused>, Broken> {
        match self.receive().await? {
            Report::Loaded(outcome) => Ok(outcome),
            Report::Ready | Report::Lookup(_) | Report::Body | Report::Evaluated(_) => {
                Err(Broken::During(nonsense()))
            }
        }
    }

    /// Answers what the child asks until it is done.
    async fn evaluated(&mut self, host: &mut Recorder) -> Result<Result<Evaluated, EvalError>, Broken> {
        loop {
            let answer = match self.receive().await? {
                Report::Lookup(lookup) => Command::Answer(host.lookup(&lookup)),
                Report::Body => Command::Body(host.body()),
                Report::Evaluated(outcome) => return Ok(outcome),
                Report::Ready | Report::Loaded(_) => return Err(Broken::During(nonsense())),
            };
            frames::send(&mut self.stream, &answer).await.map_err(Broken::During)?;
        }
    }

    async fn send(&mut self, command: &Command) -> Result<(), Broken> {
        frames::send(&mut self.stream, command).await.map_err(Broken::Before)
    }

    async fn receive(&mut self) -> Result<Report, Broken> {
        frames::receive(&mut self.stream).await.map_err(Broken::During)
    }
}

fn nonsense() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the evaluator spoke out of turn")
}
