//! Recent decisions, kept so that anybody who got an answer can ask why.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use gossamer_oci::{Digest, PluginName};
use gossamer_policy::{Decision, RouteTable, Trail};
use gossamer_wire::NodeId;
use semver::Version;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;

/// Long enough that no two of the decisions kept at once are alike, short enough to be read aloud.
const ID_BYTES: usize = 6;

/// The name of one decision: 12 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct DecisionId(Arc<str>);

/// One routed request: what was decided, why, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    pub id: DecisionId,
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    pub method: String,
    /// Path and query as the client sent them.
    pub target: String,
    pub principal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<SocketAddr>,
    /// Whose policy was asked; `None` if no plugin answers for the request.
    pub selected: Option<Chosen>,
    /// What the policy said; `None` if it was not asked, or failed.
    pub decision: Option<Decision>,
    /// The input, the lookups with their answers, and who evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trail: Option<Arc<Trail>>,
    /// For a forwarded request: every instance in the order in which it would be asked.
    pub replicas: Vec<Replica>,
    /// The routes that were valid then: they say why other plugins were not asked.
    #[serde(skip)]
    pub routes: Option<Arc<RouteTable>>,
    /// What the client was told, if it got no answer from a blob or a plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The status of the answer.
    #[serde(serialize_with = "as_number")]
    pub status: http::StatusCode,
    /// Why the answer is not what the policy wanted, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// From the request's head to the answer's, in microseconds.
    pub micros: u64,
}

/// The plugin whose policy was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chosen {
    pub plugin: PluginName,
    pub version: Version,
    pub policy: Digest,
    /// Which rule of selection held.
    pub because: String,
}

/// One instance of the plugin, and what became of it in this request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replica {
    pub node: NodeId,
    pub service: SocketAddr,
    pub version: Version,
    pub verdict: Verdict,
}

/// Why an instance answered, or why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It was sent the request.
    Chosen { because: String },
    /// It was to be sent the request and could not be.
    Failed { because: String },
    /// Its turn did not come.
    NotNeeded { because: String },
}

/// The last decisions of this core. Bounded; refusals and failures do not make room for successes.
#[derive(Debug)]
pub struct Decisions {
    kept: Mutex<Kept>,
    max: usize,
}

#[derive(Debug, Default)]
struct Kept {
    records: HashMap<DecisionId, Arc<Record>>,
    good: VecDeque<DecisionId>,
    bad: VecDeque<DecisionId>,
}

// === impl DecisionId ===

impl DecisionId {
    /// A fresh random id. Without randomness, which no supported system runs out of, all are `0`.
    pub fn random() -> Self {
        Self(crate::random::hex(ID_BYTES).unwrap_or_else(|| "0".to_owned()).into())
    }

    /// The id with this text, whether there is such a decision or not.
    pub fn of(text: &str) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Record ===

impl Record {
    fn is_bad(&self) -> bool {
        self.status.is_client_error() || self.status.is_server_error() || self.failure.is_some()
    }
}

// === impl Decisions ===

impl Decisions {
    /// Keeps `max` good decisions and as many bad ones.
    pub fn new(max: usize) -> Self {
        Self { kept: Mutex::default(), max: max.max(1) }
    }

    /// Remembers a decision, and forgets the oldest of its kind if there are too many.
    pub fn keep(&self, record: Record) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { records, good, bad } = &mut *kept;
        let order = if record.is_bad() { bad } else { good };
        order.push_back(record.id.clone());
        let forgotten = if order.len() > self.max { order.pop_front() } else { None };
        if let Some(id) = forgotten {
            records.remove(&id);
        }
        records.insert(record.id.clone(), Arc::new(record));
    }

    /// The decision with this id, if it is recent enough.
    pub fn get(&self, id: &DecisionId) -> Option<Arc<Record>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).records.get(id).cloned()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it by reference")]
fn as_number<S: Serializer>(status: &http::StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
