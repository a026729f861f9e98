//! The one writer: takes every change that waits, and answers them all after one sync.

use std::collections::HashMap;
use std::sync::Arc;

use gossamer_events::Sequence;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::error;

use super::apply::{Effects, apply};
use super::fault::{Fault, Shared};
use crate::Error;
use crate::catalog::{Applied, Change};
use crate::index::Index;

/// Changes in one transaction. More would make the first wait for the last without saving much:
/// at this size the sync is already a small part.
const BATCH_MAX: usize = 256;

/// A change and whom to tell.
pub(super) struct Job {
    pub(super) change: Change,
    pub(super) answer: oneshot::Sender<Result<Applied, Error>>,
}

/// What the queue carries.
pub(super) enum Order {
    Apply(Box<Job>),
    /// Answer what came before and end.
    Stop,
}

/// Owns the only connection that writes.
pub(super) struct Writer {
    pub(super) connection: Connection,
    /// Whether the connection syncs each commit, as it is opened to do.
    pub(super) synced: bool,
    pub(super) index: Arc<Index>,
    pub(super) head: watch::Sender<Sequence>,
    pub(super) totals: Totals,
}

/// What a writer did in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) commits: u64,
    pub(super) changes: u64,
}

// === impl Writer ===

impl Writer {
    /// Works until told to stop, or until nobody is left who could ask.
    pub(super) fn run(mut self, mut orders: mpsc::Receiver<Order>) -> Totals {
        let mut stopping = false;
        while !stopping {
            let Some(first) = orders.blocking_recv() else { break };
            let mut next = Some(first);
            let mut batch = Vec::new();
            while let Some(order) = next {
                match order {
                    Order::Apply(job) => batch.push(*job),
                    Order::Stop => stopping = true,
                }
                let full = stopping || batch.len() >= BATCH_MAX;
                next = if full { None } else { orders.try_recv().ok() };
            }
            self.commit(batch);
        }
        orders.close();
        if let Err(error) = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            error!(%error, "Closing the catalog left its journal behind; it is read when it opens again");
        }
        self.totals
    }

    /// Makes the changes in one transaction and answers each of them.
    pub(super) fn commit(&mut self, batch: Vec<Job>) {
        if batch.is_empty() {
            return;
        }
        metrics::histogram!("gossamer_registry_commit_changes").record(batch.len() as f64);
        let (changes, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|job| (job.change, job.answer)).unzip();
        let results = match self.transact(&changes) {
            Ok(results) => results,
            Err(error) => {
                self.roll_back();
                metrics::counter!("gossamer_registry_commit_failures_total").increment(1);
                error!(%error, changes = changes.len(), "A commit failed and was rolled back");
                let shared = Shared::from(error);
                changes.iter().map(|_| Err(shared.error())).collect()
            }
        };
        for (answer, result) in answers.into_iter().zip(results) {
            // Whoever asked may have gone; the change stands.
            let _gone = answer.send(result);
        }
    }

    /// One transaction. An error means that none of the changes is made.
    fn transact(&mut self, changes: &[Change]) -> rusqlite::Result<Vec<Result<Applied, Error>>> {
        self.set_durability(changes)?;
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut effects = HashMap::new();
        let mut results = Vec::with_capacity(changes.len());
        for change in changes {
            results.push(self.attempt(change, &mut effects)?);
        }
        self.index.begin(effects.keys());
        let committed = self.connection.execute_batch("COMMIT");
        self.index.finish(effects, committed.is_ok());
        committed?;
        self.totals.commits += 1;
        self.totals.changes += changes.len() as u64;
        let newest = results.iter().flatten().filter_map(|applied| applied.sequence).max();
        if let Some(newest) = newest {
            let before = self.head.send_replace(newest);
            let appended = newest.get().saturating_sub(before.get());
            metrics::counter!("gossamer_registry_events_appended_total").increment(appended);
        }
        Ok(results)
    }

    /// Makes one change, or leaves no trace of it. An error means that the transaction is lost.
    fn attempt(
        &mut self,
        change: &Change,
        effects: &mut Effects,
    ) -> rusqlite::Result<Result<Applied, Error>> {
        let mut own = Effects::new();
        self.execute("SAVEPOINT change")?;
        match apply(&self.connection, change, &mut own) {
            Ok(applied) => {
                self.execute("RELEASE change")?;
                effects.extend(own);
                Ok(Ok(applied))
            }
            // A full disk, for one, makes SQLite roll back everything.
            Err(Fault::Database(error)) if self.connection.is_autocommit() => Err(error),
            Err(fault) => {
                self.execute("ROLLBACK TO change")?;
                self.execute("RELEASE change")?;
                Ok(Err(fault.into()))
            }
        }
    }

    /// Spares the sync if no change in the batch needs it.
    fn set_durability(&mut self, changes: &[Change]) -> rusqlite::Result<()> {
        let wanted = changes.iter().any(Change::survives_power_cut);
        if self.synced != wanted {
            let mode = if wanted { "FULL" } else { "NORMAL" };
            self.connection.execute_batch(&format!("PRAGMA synchronous = {mode}"))?;
            self.synced = wanted;
        }
        Ok(())
    }

    fn roll_back(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            error!(%error, "Rolling back a failed commit failed too");
        }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}

#[cfg(test)]
mod tests;
