//! The likely root cause of trouble in a mesh, from what its nodes have seen of each other: pure.

mod chronicle;
mod links;
mod nodes;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
};

use gossamer_wire::NodeId;
use serde::{Deserialize, Serialize};

pub use self::chronicle::{Chronicle, Life};
use crate::membership::{Outcome, Suspicion};

/// The smallest packet that every way must carry, in bytes, headers included: a QUIC handshake over IPv4 (RFC 9000,
/// section 14).
pub const PATH_BYTES_MIN: u32 = 1_228;

/// What the nodes that could be asked say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observations {
    /// The node that asked the others; its clock is the measure.
    pub asker: NodeId,
    /// One for each node that answered, the asker among them.
    pub reports: Vec<Report>,
    /// Members that could not be asked.
    pub unheard: Vec<NodeId>,
}

/// What one node has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub node: NodeId,
    /// How far its clock is ahead of the asker's, in milliseconds, give or take the round trip.
    pub clock_ahead_ms: i64,
    /// How late its timers ran at worst in the last minute, in milliseconds.
    pub late_ms: u64,
    /// Who accused whom of late, as this node heard it.
    pub suspicions: Vec<Accusation>,
    /// Whom it has just tried to reach.
    pub contacts: Vec<Contact>,
    /// Who came and went of late.
    pub lives: Vec<Life>,
}

/// One suspicion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accusation {
    pub accused: NodeId,
    pub accuser: NodeId,
    pub seconds_ago: u64,
    pub outcome: Verdict,
}

/// How a suspicion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Open,
    Refuted,
    Confirmed,
}

/// What came of one fresh dial to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Who should be there. `None` for a seed that has never answered.
    pub node: Option<NodeId>,
    /// Where its QUIC endpoint should be.
    pub address: SocketAddr,
    pub handshake: Handshake,
    /// How long the handshake and one question took, in milliseconds, where it was answered.
    pub round_trip_ms: Option<u64>,
    /// The longest packet that the way carries as far as the kernel knows, in bytes, headers included.
    pub path_bytes: Option<u32>,
    /// Where its service should be, and whether a TCP connection to it opens.
    pub service: Option<(SocketAddr, Port)>,
}

/// How a QUIC handshake ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handshake {
    Answered,
    /// Nothing came back.
    Silent,
    /// One side does not believe the other's certificate.
    Untrusted(String),
    /// Somebody answered that is another node than the one expected.
    Somebody(NodeId),
    Failed(String),
}

/// What a TCP connection met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Port {
    Open,
    /// The host is there, and nobody listens.
    Refused,
    Silent,
}

/// A likely cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub cause: Cause,
    /// How sure it is, in percent.
    pub confidence: u8,
    /// The nodes concerned: the one to look at first, first.
    pub nodes: Vec<NodeId>,
    /// What it rests on, in sentences.
    pub evidence: Vec<String>,
    pub advice: String,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Two nodes that others reach do not reach each other, in at least one direction.
    OneWayLink,
    /// A node is too slow to hear answers in time, and blames others.
    StarvedObserver,
    /// The way does not carry the packets of a handshake.
    Mtu,
    ClockSkew,
    /// Two processes are the same node: a data directory was copied.
    DuplicateNode,
    WrongCa,
    BlockedUdp,
    /// The node is a member and its service cannot be reached over TCP.
    UnreachableService,
    DeadProcess,
    /// A node comes and goes.
    FlappingLink,
}

// === impl Observations ===

impl Observations {
    fn report(&self, node: NodeId) -> Option<&Report> {
        self.reports.iter().find(|report| report.node == node)
    }

    /// Every dial, and who made it.
    fn contacts(&self) -> impl Iterator<Item = (NodeId, &Contact)> {
        self.reports.iter().flat_map(|report| report.contacts.iter().map(|contact| (report.node, contact)))
    }

    /// The dials to `node`.
    fn contacts_with(&self, node: NodeId) -> impl Iterator<Item = (NodeId, &Contact)> {
        self.contacts().filter(move |(_, contact)| contact.node == Some(node))
    }

    /// Who reached `node` just now. To have been asked is to have been reached by the asker.
    fn reached_by(&self, node: NodeId) -> BTreeSet<NodeId> {
        let answered = |(_, contact): &(NodeId, &Contact)| contact.handshake == Handshake::Answered;
        self.contacts_with(node).filter(answered).map(|(from, _)| from).collect()
    }

    /// Every suspicion once, however many have heard of it, by the accused.
    fn suspicions(&self) -> BTreeMap<NodeId, Vec<&Accusation>> {
        let mut by_accused: BTreeMap<NodeId, Vec<&Accusation>> = BTreeMap::new();
        for accusation in self.reports.iter().flat_map(|report| &report.suspicions) {
            let known = by_accused.entry(accusation.accused).or_default();
            if !known.iter().any(|other| other.is_same(accusation)) {
                known.push(accusation);
            }
        }
        by_accused
    }
}

// === impl Accusation ===

/// How far apart two nodes may see one suspicion, in seconds.
const SAME_SUSPICION_S: u64 = 2;

impl Accusation {
    pub(crate) fn new(suspicion: &Suspicion, now: std::time::Instant) -> Self {
        let Suspicion { accused, accuser, at, outcome } = *suspicion;
        let outcome = match outcome {
            Outcome::Open => Verdict::Open,
            Outcome::Refuted => Verdict::Refuted,
            Outcome::Confirmed => Verdict::Confirmed,
        };
        Self { accused, accuser, seconds_ago: now.saturating_duration_since(at).as_secs(), outcome }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.accused == other.accused
            && self.accuser == other.accuser
            && self.seconds_ago.abs_diff(other.seconds_ago) <= SAME_SUSPICION_S
    }
}

// === impl Cause ===

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneWayLink => "one-way-link",
            Self::StarvedObserver => "starved-observer",
            Self::Mtu => "mtu",
            Self::ClockSkew => "clock-skew",
            Self::DuplicateNode => "duplicate-node",
            Self::WrongCa => "wrong-ca",
            Self::BlockedUdp => "blocked-udp",
            Self::UnreachableService => "unreachable-service",
            Self::DeadProcess => "dead-process",
            Self::FlappingLink => "flapping-link",
        })
    }
}

// === diagnosing ===

/// The likely causes, the surest first. Nothing where all is well.
///
/// Causes that explain others come first in each pass: what a copied data directory or a starved observer makes look
/// like a flapping link is not reported a second time.
pub fn diagnose(observations: &Observations) -> Vec<Finding> {
    let mut findings = nodes::duplicates(observations);
    findings.extend(nodes::starved(observations));
    findings.extend(nodes::skewed(observations));
    findings.extend(links::untrusted(observations));
    findings.extend(links::narrow(observations));
    let explained = nodes_of(&findings);
    findings.extend(nodes::dead(observations, &explained));
    let explained = nodes_of(&findings);
    findings.extend(links::broken(observations, &explained));
    findings.extend(links::services(observations));
    let explained = nodes_of(&findings);
    findings.extend(links::accused_by_one(observations, &explained));
    let explained = nodes_of(&findings);
    findings.extend(nodes::flapping(observations, &explained));
    findings.sort_by(|one, other| {
        other.confidence.cmp(&one.confidence).then_with(|| one.cause.cmp(&other.cause))
    });
    findings
}

fn nodes_of(findings: &[Finding]) -> BTreeSet<NodeId> {
    findings.iter().flat_map(|finding| finding.nodes.iter().copied()).collect()
}

/// The first digits of a node's id: enough for a person.
fn short(node: NodeId) -> String {
    node.to_string().chars().take(8).collect()
}

fn names(nodes: impl IntoIterator<Item = NodeId>) -> String {
    nodes.into_iter().map(short).collect::<Vec<_>>().join(", ")
}
