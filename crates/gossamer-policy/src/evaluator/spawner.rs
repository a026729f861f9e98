//! Starts evaluator children and buries them, on one thread that lives as long as the pool.
//!
//! A child is killed when the *thread* that started it ends, so it must not be one that the runtime may retire.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use tokio::sync::oneshot;
use tracing::warn;

/// A program and its arguments that end up in [`crate::evaluator_main`].
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

/// A handle on the thread. Clones share it; it ends when the last one is dropped.
#[derive(Clone)]
pub(super) struct Spawner(mpsc::Sender<Request>);

/// A running child. Killed when dropped.
pub(super) struct Process {
    child: Option<Child>,
    spawner: Spawner,
}

enum Request {
    Spawn(oneshot::Sender<io::Result<(Child, UnixStream)>>),
    Bury(Child),
}

// === impl Spawner ===

impl Spawner {
    pub(super) fn start(program: Program) -> io::Result<Self> {
        let (requests, received) = mpsc::channel();
        std::thread::Builder::new().name("policy-evaluators".to_owned()).spawn(move || {
            for request in received {
                match request {
                    // If nobody waits for it any more, the pair is dropped with the answer: bury it.
                    Request::Spawn(reply) => {
                        if let Err(Ok((child, _))) = reply.send(spawn(&program)) {
                            bury(child);
                        }
                    }
                    Request::Bury(child) => bury(child),
                }
            }
        })?;
        Ok(Self(requests))
    }

    /// Starts a child; the socket is ready for tokio.
    pub(super) async fn spawn(&self) -> io::Result<(Process, UnixStream)> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let (reply, answer) = oneshot::channel();
        self.0.send(Request::Spawn(reply)).map_err(|_| gone())?;
        let (child, socket) = answer.await.map_err(|_| gone())??;
        Ok((Process { child: Some(child), spawner: self.clone() }, socket))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            // Without the thread the child dies by its own death signal.
            let _ = self.spawner.0.send(Request::Bury(child));
        }
    }
}

fn spawn(program: &Program) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let child = Command::new(&program.path)
        .args(&program.arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok((child, ours))
}

/// Kills a child and waits for it, so that it does not stay as a zombie. Either fails only if it is gone already.
fn bury(mut child: Child) {
    let _ = child.kill();
    if let Err(error) = child.wait() {
        warn!(%error, pid = child.id(), "Cannot wait for a dead evaluator");
    }
}
