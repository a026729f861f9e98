//! Recent decisions, kept so that anybody who got an answer can ask why, and written down for whoever wants a log.

mod config;
mod hangup;
mod id;
pub mod log;
mod policies;
mod record;
mod ring;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use gossamer_oci::{Digest, PluginName};
use gossamer_policy::{Policy, Trail};
use http::StatusCode;

pub use config::Config;
pub(crate) use hangup::reopen_on_hangup;
pub use id::{DecisionId, InvalidDecisionId};
pub use record::{Chosen, Outcome, Record, Replica, Request, Verdict};

use log::Log;
use policies::Shelf;
use ring::Ring;

use crate::listeners::ClientAddress;

/// The last decisions of this core. Bounded; refusals and failures do not make room for successes.
#[derive(Debug)]
pub struct Decisions {
    recent: Ring,
    denied: Ring,
    failed: Ring,
    policies: Shelf,
    log: Option<Log>,
}

/// What is kept of a request that was refused before any plugin was looked for.
pub struct Refusal<'a> {
    /// The name of the principal, or `unknown` for credentials that are nobody's.
    pub principal: Cow<'static, str>,
    pub status: StatusCode,
    /// What the client is told.
    pub detail: &'a str,
}

// === impl Decisions ===

impl Decisions {
    /// Fails if the log cannot be opened.
    pub fn open(config: &Config) -> io::Result<Self> {
        let Config { recent_max, denied_max, failed_max, bytes_max, log } = config;
        Ok(Self {
            recent: Ring::new(*recent_max, *bytes_max),
            denied: Ring::new(*denied_max, *bytes_max),
            failed: Ring::new(*failed_max, *bytes_max),
            policies: Shelf::default(),
            log: log.open()?,
        })
    }

    /// Remembers a decision, and forgets the oldest of its kind if there are too many.
    pub fn keep(&self, record: Record) {
        let record = Arc::new(record);
        if let Some(log) = &self.log {
            log.offer(&record);
        }
        match record.outcome() {
            Outcome::Answered | Outcome::NotFound => self.recent.keep(record),
            Outcome::Denied => self.denied.keep(record),
            Outcome::Failed => self.failed.keep(record),
        }
    }

    /// What recent decisions of `plugin` rested on: at most `max` of each kind, the newest ones.
    pub fn trails(&self, plugin: &PluginName, max: usize) -> Vec<Arc<Trail>> {
        let trail = |record: &Record| {
            let is_its = record.selected.as_ref().is_some_and(|chosen| chosen.plugin == *plugin);
            record.trail.clone().filter(|_| is_its)
        };
        [&self.recent, &self.denied, &self.failed]
            .into_iter()
            .flat_map(|ring| ring.newest(max, trail))
            .collect()
    }

    /// Keeps the record of a request that goes no further.
    pub fn refuse<B>(&self, request: &http::Request<B>, refusal: Refusal<'_>) -> DecisionId {
        let Refusal { principal, status, detail } = refusal;
        let target = request.uri().path_and_query().map(|target| target.as_str().to_owned());
        let client = request.extensions().get::<ClientAddress>().map(|client| client.0);
        let method = request.method().clone();
        let mut record =
            Record::begin(Request { method, target: target.unwrap_or_default(), principal, client });
        record.status = status;
        record.detail = Some(detail.to_owned());
        let id = record.id;
        self.keep(record);
        id
    }

    /// The decision with this id, if it is recent enough.
    pub fn get(&self, id: DecisionId) -> Option<Arc<Record>> {
        [&self.recent, &self.denied, &self.failed].into_iter().find_map(|ring| ring.get(id))
    }

    /// Keeps a policy that decides, so that its decisions can be replayed when it is no longer active.
    pub fn remember(&self, policy: &Arc<Policy>) {
        self.policies.remember(policy);
    }

    /// A policy that decided lately, active or not.
    pub fn policy(&self, digest: Digest) -> Option<Arc<Policy>> {
        self.policies.get(digest)
    }

    /// Whether decisions are written down.
    pub fn has_log(&self) -> bool {
        self.log.is_some()
    }

    /// Opens the log's file again, after somebody moved it away.
    pub fn reopen_log(&self) {
        if let Some(log) = &self.log {
            log.reopen();
        }
    }
}
