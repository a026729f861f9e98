//! The body of an evaluator child. Single-threaded; ends when its socket does.

use std::collections::HashMap;
use std::io::{self, BufReader};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gossamer_oci::Digest;
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};

use super::frames::{self, Command, Limits, Report};
use crate::engine::{Engine, Host, Prepared};
use crate::evaluation::Evaluated;
use crate::facts::Facts;
use crate::{Answer, EvalError, Lookup, PolicySource, Refused};

/// Descriptors below which a new one may be opened. All of them are taken, so that none can be.
const FILES_MAX: u64 = 3;

/// Serves evaluations over the socket that is this process' standard input, until it closes.
///
/// Call this first in `main`, before any thread or file: the process can have neither afterwards.
pub fn evaluator_main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve() -> io::Result<()> {
    let mut socket = BufReader::new(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?));
    let limits: Limits = frames::read(&mut socket)?;
    enforce(&limits)?;
    Child { wire: Arc::new(Mutex::new(socket)), engines: HashMap::new(), evaluation: limits.evaluation }
        .serve()
}

/// Dies with its parent, leaves no core dump, opens and writes no file, and has no more memory and time than given.
fn enforce(limits: &Limits) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    setrlimit(Resource::Core, both(0))?;
    setrlimit(Resource::Fsize, both(0))?;
    setrlimit(Resource::Nofile, both(FILES_MAX))?;
    setrlimit(Resource::As, both(limits.memory_bytes))?;
    setrlimit(Resource::Cpu, both(limits.cpu.as_secs()))?;
    Ok(())
}

fn both(limit: u64) -> Rlimit {
    Rlimit { current: Some(limit), maximum: Some(limit) }
}

/// The child's side of the socket.
type Wire = BufReader<UnixStream>;

struct Child {
    wire: Arc<Mutex<Wire>>,
    engines: HashMap<Digest, Engine>,
    evaluation: Duration,
}

/// Passes what a policy asks on to the parent.
struct Remote(Arc<Mutex<Wire>>);

// === impl Child ===

impl Child {
    fn serve(&mut self) -> io::Result<()> {
        self.report(&Report::Ready)?;
        loop {
            let command = match exchange(&self.wire, frames::read) {
                Ok(command) => command,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            };
            match command {
                Command::Load { source } => {
                    let outcome = self.load(&source);
                    self.report(&Report::Loaded(outcome))?;
                }
                Command::Forget { policy } => drop(self.engines.remove(&policy)),
                Command::Evaluate { policy, input, explain } => {
                    let outcome = self.evaluate(policy, &input, explain);
                    self.report(&Report::Evaluated(outcome))?;
                }
                // An answer to nothing that was asked.
                Command::Answer(_) | Command::Body(_) => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    fn report(&self, report: &Report) -> io::Result<()> {
        exchange(&self.wire, |wire| frames::write(&mut wire.get_ref(), report))
    }

    fn load(&mut self, source: &PolicySource) -> Result<Facts, Refused> {
        let prepared = Arc::new(Prepared::new(source, self.evaluation)?);
        let facts = prepared.facts().clone();
        self.engines.insert(source.digest(), Engine::new(prepared));
        Ok(facts)
    }

    fn evaluate(&mut self, policy: Digest, input: &str, explain: bool) -> Result<Evaluated, EvalError> {
        let host = Box::new(Remote(Arc::clone(&self.wire)));
        let engine = self.engines.get_mut(&policy);
        let engine = engine.ok_or_else(|| EvalError::Evaluator("the policy is not loaded".to_owned()))?;
        engine.evaluate(input, host, explain)
    }
}

// === impl Remote ===

impl Remote {
    fn ask(&self, report: &Report) -> Result<Command, EvalError> {
        let answer = exchange(&self.0, |wire| {
            frames::write(&mut wire.get_ref(), report)?;
            frames::read(wire)
        });
        answer.map_err(|error| EvalError::Evaluator(error.to_string()))
    }
}

impl Host for Remote {
    fn lookup(&mut self, lookup: &Lookup) -> Result<Answer, EvalError> {
        match self.ask(&Report::Lookup(lookup.clone()))? {
            Command::Answer(answer) => answer,
            Command::Load { .. } | Command::Forget { .. } | Command::Evaluate { .. } | Command::Body(_) => {
                Err(out_of_turn())
            }
        }
    }

    fn body(&mut self) -> Result<Option<String>, EvalError> {
        match self.ask(&Report::Body)? {
            Command::Body(body) => body,
            Command::Load { .. } | Command::Forget { .. } | Command::Evaluate { .. } | Command::Answer(_) => {
                Err(out_of_turn())
            }
        }
    }
}

fn out_of_turn() -> EvalError {
    EvalError::Evaluator("the parent answered something else".to_owned())
}

fn exchange<T>(wire: &Mutex<Wire>, work: impl FnOnce(&mut Wire) -> io::Result<T>) -> io::Result<T> {
    work(&mut wire.lock().unwrap_or_else(PoisonError::into_inner))
}
