//! One routed request: what was decided, why, and what came of it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use gossamer_oci::{Digest, PluginName};
use gossamer_policy::{Answer, Body, Decision, Input, RouteTable, Trail};
use gossamer_wire::NodeId;
use http::{Method, StatusCode};
use semver::Version;
use serde::{Deserialize, Serialize, Serializer};
use time::OffsetDateTime;

use super::DecisionId;

/// What a record takes in memory besides its texts, in bytes, about.
const OVERHEAD_BYTES: usize = 512;

/// What a manifest that a policy looked at takes, in bytes: a typical one. Records share it with the memo.
const MANIFEST_BYTES: usize = 4 * 1024;

/// What one tag of a list takes, in bytes: a typical one.
const TAG_BYTES: usize = 40;

/// What is kept of one request. It holds what the request held, and is turned into JSON only when somebody asks.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    pub id: DecisionId,
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    #[serde(serialize_with = "as_text")]
    pub method: Method,
    /// Path and query as the client sent them.
    pub target: String,
    pub principal: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<SocketAddr>,
    /// Whose policy was asked; `None` if no plugin answers for the request.
    pub selected: Option<Chosen>,
    /// What the policy said; `None` if it was not asked, or failed.
    pub decision: Option<Decision>,
    /// The input, the lookups with their answers, and who evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trail: Option<Arc<Trail>>,
    /// The input of a request that no policy decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Arc<Input>>,
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
    pub status: StatusCode,
    /// Why the answer is not what the policy wanted, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// From the request's head to the answer's, in microseconds.
    pub micros: u64,
}

/// What a record starts with.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Path and query as the client sent them.
    pub target: String,
    /// The name of a principal, or what stands for one.
    pub principal: Cow<'static, str>,
    pub client: Option<SocketAddr>,
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

/// What became of a request, as far as memory and log care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Answered,
    /// 404 and 410.
    NotFound,
    /// Every other status from 400 to 499: by credentials, by a policy, or by the plugin.
    Denied,
    /// A status from 500 on, or an answer that the policy did not want.
    Failed,
}

// === impl Record ===

impl Record {
    /// A record of which nothing is decided yet.
    pub fn begin(request: Request) -> Self {
        let Request { method, target, principal, client } = request;
        Self {
            id: DecisionId::next(),
            time: OffsetDateTime::now_utc(),
            method,
            target,
            principal,
            client,
            selected: None,
            decision: None,
            trail: None,
            input: None,
            replicas: Vec::new(),
            routes: None,
            detail: None,
            status: StatusCode::OK,
            failure: None,
            micros: 0,
        }
    }

    /// What the policy was shown or would have been shown.
    pub fn input(&self) -> Option<&Arc<Input>> {
        self.trail.as_ref().map(|trail| &trail.input).or(self.input.as_ref())
    }

    pub fn outcome(&self) -> Outcome {
        if self.failure.is_some() || self.status.is_server_error() {
            Outcome::Failed
        } else if matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            Outcome::NotFound
        } else if self.status.is_client_error() {
            Outcome::Denied
        } else {
            Outcome::Answered
        }
    }

    /// What the record takes in memory, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        let input = self.input().map_or(0, |input| weigh(input));
        let lookups = self.trail.iter().flat_map(|trail| trail.lookups.iter());
        let answers = lookups.map(|(_, answer)| match answer {
            Answer::BlobDigest(_) | Answer::Manifest(None) => 256,
            Answer::Manifest(Some(_)) => MANIFEST_BYTES,
            Answer::Tags(tags) => tags.len() * TAG_BYTES,
        });
        let replicas = self.replicas.len() * 256;
        OVERHEAD_BYTES + self.target.len() + input + answers.sum::<usize>() + replicas
    }
}

fn weigh(input: &Input) -> usize {
    let headers: usize = input.headers().iter().map(|(name, value)| name.len() + value.len() + 48).sum();
    let query: usize = input
        .query
        .iter()
        .map(|(name, values)| name.len() + values.iter().map(|value| value.len() + 24).sum::<usize>() + 48)
        .sum();
    let body = match &input.body {
        Body::Whole(bytes) => bytes.len(),
        Body::Absent | Body::Unread | Body::TooLarge => 0,
    };
    headers + query + body + input.path.len()
}

fn as_text<S: Serializer>(method: &Method, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.as_str())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it by reference")]
fn as_number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
