//! Decisions as JSON lines: sampled, masked, and written by a thread of its own so that no request waits for a disk.

mod mask;
mod sink;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use metrics::counter;
use serde::Deserialize;
use tracing::warn;

use super::{Outcome, Record};
use mask::Mask;
use sink::Sink;

/// The `[decisions.log]` table. Without a file or `stdout` nothing is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Write to standard output.
    pub stdout: bool,
    /// Append to this file. It is opened again on SIGHUP.
    pub file: Option<PathBuf>,
    /// A file that grows beyond this is renamed to `<file>.1`, in place of the one before; 0 leaves that to others.
    pub file_bytes_max: u64,
    /// Decisions that wait to be written. More are dropped and counted.
    pub queue_max: usize,
    /// Request headers whose values are not written, in lower case.
    pub mask_headers: Vec<String>,
    /// Query parameters whose values are not written.
    pub mask_query: Vec<String>,
    /// Paths that are not written, nor what was looked up and decided for them. `*` stands for anything in one
    /// segment, `**` for anything.
    pub mask_paths: Vec<String>,
    pub rates: Rates,
}

/// Which part of each kind of decisions is written, from 0 to 1.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    pub answered: f64,
    pub not_found: f64,
    pub denied: f64,
    pub failed: f64,
}

/// A handle on the writing thread, which ends once this is dropped and the queue is written.
#[derive(Debug)]
pub(super) struct Log {
    queue: Option<SyncSender<Message>>,
    rates: Rates,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Message {
    Decision(Arc<Record>),
    Reopen,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            stdout: false,
            file: None,
            file_bytes_max: 0,
            queue_max: 4_096,
            mask_headers: names(&["x-api-key", "x-auth-token"]),
            mask_query: names(&["access_token", "token", "signature", "X-Amz-Signature"]),
            mask_paths: Vec::new(),
            rates: Rates::default(),
        }
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self { answered: 1.0, not_found: 1.0, denied: 1.0, failed: 1.0 }
    }
}

impl Config {
    /// Opens the file and starts the thread, if anything is to be written.
    pub(super) fn open(&self) -> io::Result<Option<Log>> {
        let sink = match (&self.file, self.stdout) {
            (Some(file), _) => Sink::file(file.clone(), self.file_bytes_max)?,
            (None, true) => Sink::Stdout,
            (None, false) => return Ok(None),
        };
        let mask = Mask::new(&self.mask_headers, &self.mask_query, &self.mask_paths);
        let (queue, messages) = sync_channel(self.queue_max.max(1));
        let writer = std::thread::Builder::new().name("decision-log".to_owned());
        let writer = writer.spawn(move || write(&messages, &mask, sink))?;
        Ok(Some(Log { queue: Some(queue), rates: self.rates, writer: Some(writer) }))
    }
}

// === impl Log ===

impl Log {
    /// Queues a record if it is in the sample. Never waits.
    pub(super) fn offer(&self, record: &Arc<Record>) {
        if record.id.fraction() >= self.rates.of(record.outcome()) {
            return;
        }
        let Some(queue) = &self.queue else { return };
        if queue.try_send(Message::Decision(Arc::clone(record))).is_err() {
            counter!("gossamer_decisions_log_dropped_total").increment(1);
        }
    }

    /// Asks the writer to open its file again. A queue that is full now is asked when it is asked again.
    pub(super) fn reopen(&self) {
        let asked = self.queue.as_ref().is_some_and(|queue| queue.try_send(Message::Reopen).is_ok());
        if !asked {
            warn!("The decision log is too busy to be opened again");
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            drop(writer.join()); // a writer that panicked has nothing left to say
        }
    }
}

// === impl Rates ===

impl Rates {
    fn of(&self, outcome: Outcome) -> f64 {
        match outcome {
            Outcome::Answered => self.answered,
            Outcome::NotFound => self.not_found,
            Outcome::Denied => self.denied,
            Outcome::Failed => self.failed,
        }
    }
}

/// The life of the writing thread. What waits is written in one go.
fn write(messages: &Receiver<Message>, mask: &Mask, mut sink: Sink) {
    let mut lines = Vec::new();
    while let Ok(first) = messages.recv() {
        let mut next = Ok(first);
        let mut written = 0;
        loop {
            match next {
                Ok(Message::Decision(record)) => {
                    mask.line(&record, &mut lines);
                    written += 1;
                }
                Ok(Message::Reopen) => {
                    put(&mut sink, &mut lines, &mut written);
                    sink.reopen();
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
            if lines.len() >= BATCH_BYTES {
                put(&mut sink, &mut lines, &mut written);
            }
            next = messages.try_recv();
        }
        put(&mut sink, &mut lines, &mut written);
    }
}

/// Lines that are written in one call: enough to save calls, little enough to keep in memory.
const BATCH_BYTES: usize = 64 * 1024;

fn put(sink: &mut Sink, lines: &mut Vec<u8>, written: &mut u64) {
    if lines.is_empty() {
        return;
    }
    match sink.write(lines) {
        Ok(()) => counter!("gossamer_decisions_log_lines_total").increment(*written),
        Err(error) => {
            counter!("gossamer_decisions_log_dropped_total").increment(*written);
            warn!(%error, lines = *written, "Cannot write to the decision log");
        }
    }
    lines.clear();
    *written = 0;
}
