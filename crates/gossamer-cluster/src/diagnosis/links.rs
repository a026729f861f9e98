//! What is wrong on the way between nodes.

use std::collections::{BTreeMap, BTreeSet};

use gossamer_wire::NodeId;

use super::{
    Cause, Contact, Finding, Handshake, Observations, PATH_BYTES_MIN, Port, Verdict, names,
    nodes::is_of_another_time, short,
};

/// How many suspicions by one node alone say that the way between the two is broken.
const ACCUSATIONS_MIN: usize = 3;

/// One of the two does not believe the other's certificate, and the time is not to blame.
pub(super) fn untrusted(observations: &Observations) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (from, contact) in observations.contacts() {
        let Handshake::Untrusted(reason) = &contact.handshake else { continue };
        let said = format!("{} and {} do not trust each other: {reason}", short(from), contact.address);
        let evidence = |finding: &&mut Finding| finding.nodes.first() == Some(&from);
        if is_of_another_time(reason) {
            continue;
        }
        if let Some(finding) = findings.iter_mut().find(evidence) {
            finding.evidence.push(said);
            continue;
        }
        findings.push(Finding {
            cause: Cause::WrongCa,
            confidence: 95,
            nodes: std::iter::once(from).chain(contact.node).collect(),
            evidence: vec![said],
            advice:
                "The two belong to different meshes. Take the address out of the seeds, or let the node join \
                     this mesh with a token and an empty data directory."
                    .to_owned(),
        });
    }
    findings
}

/// Ways that do not carry the packets of a handshake.
pub(super) fn narrow(observations: &Observations) -> Vec<Finding> {
    let mut findings: BTreeMap<NodeId, Finding> = BTreeMap::new();
    for (from, contact) in observations.contacts() {
        let Some(bytes) = contact.path_bytes.filter(|bytes| *bytes < PATH_BYTES_MIN) else { continue };
        if contact.handshake == Handshake::Answered {
            continue;
        }
        let finding = findings.entry(from).or_insert_with(|| Finding {
            cause: Cause::Mtu,
            confidence: 95,
            nodes: vec![from],
            evidence: vec![format!("a QUIC handshake needs packets of {PATH_BYTES_MIN} bytes")],
            advice:
                "Raise the MTU of the interface, the tunnel or the overlay network between these nodes to at \
                     least 1280 bytes."
                    .to_owned(),
        });
        finding.nodes.extend(contact.node);
        finding.evidence.push(format!(
            "the way from {} to {} carries {bytes}, and the handshake was not answered",
            short(from),
            contact.address
        ));
    }
    findings.into_values().collect()
}

/// Handshakes that nobody answered: of one pair, or with one node.
pub(super) fn broken(observations: &Observations, explained: &BTreeSet<NodeId>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut silent: BTreeMap<NodeId, Vec<(NodeId, &Contact)>> = BTreeMap::new();
    for (from, contact) in observations.contacts() {
        let Some(node) = contact.node.filter(|node| !explained.contains(node)) else { continue };
        if contact.handshake == Handshake::Silent {
            silent.entry(node).or_default().push((from, contact));
        }
    }
    let deaf = deaf(observations);
    for (node, contacts) in silent {
        let heard: Vec<_> = contacts.iter().filter(|(from, _)| !deaf.contains(from)).collect();
        let reached = observations.reached_by(node);
        if !reached.is_empty() && !deaf.contains(&node) {
            let pairs = heard.iter().filter(|(from, _)| !already_said(&findings, *from, node));
            findings.extend(
                pairs.map(|(from, contact)| pair(*from, node, contact, &reached)).collect::<Vec<_>>(),
            );
        } else if !heard.is_empty() {
            findings.push(blocked(node, heard.iter().map(|(from, contact)| (*from, *contact)).collect()));
        }
    }
    let deaf = deaf.into_iter().filter(|node| !explained.contains(node));
    findings.extend(deaf.filter_map(|node| deafness(observations, node)));
    findings
}

/// The nodes that reached none of several others: what is wrong is at their own end.
fn deaf(observations: &Observations) -> BTreeSet<NodeId> {
    let all_silent = |report: &&super::Report| {
        let known: Vec<_> = report.contacts.iter().filter(|contact| contact.node.is_some()).collect();
        known.len() >= 2 && known.iter().all(|contact| contact.handshake == Handshake::Silent)
    };
    observations.reports.iter().filter(all_silent).map(|report| report.node).collect()
}

fn deafness(observations: &Observations, node: NodeId) -> Option<Finding> {
    let report = observations.report(node)?;
    let open = report.contacts.iter().any(is_open);
    open.then(|| Finding {
        cause: Cause::BlockedUdp,
        confidence: 85,
        nodes: vec![node],
        evidence: vec![
            format!("{} reaches none of {} nodes over QUIC", short(node), report.contacts.len()),
            "TCP connections to them open".to_owned(),
        ],
        advice: "UDP is blocked in front of this node, in either direction. Open the port of `[cluster] listen` in \
                 its firewall."
            .to_owned(),
    })
}

fn already_said(findings: &[Finding], one: NodeId, other: NodeId) -> bool {
    let both = |finding: &Finding| finding.nodes.contains(&one) && finding.nodes.contains(&other);
    findings.iter().any(|finding| finding.cause == Cause::OneWayLink && both(finding))
}

fn pair(from: NodeId, node: NodeId, contact: &Contact, reached: &BTreeSet<NodeId>) -> Finding {
    Finding {
        cause: Cause::OneWayLink,
        confidence: 85,
        nodes: vec![from, node],
        evidence: vec![
            format!("{} gets no answer from {} at {}", short(from), short(node), contact.address),
            format!("{} reached it at the same time", names(reached.iter().copied())),
        ],
        advice: "What one of the two sends does not reach the other. Compare firewall rules and routes of the two \
                 hosts, in both directions."
            .to_owned(),
    }
}

fn blocked(node: NodeId, contacts: Vec<(NodeId, &Contact)>) -> Finding {
    let open = contacts.iter().any(|(_, contact)| is_open(contact));
    let refused = contacts.iter().any(|(_, contact)| is_port(contact, Port::Refused));
    let mut evidence: Vec<_> = contacts
        .iter()
        .take(3)
        .map(|(from, contact)| format!("{} gets no answer over QUIC from {}", short(*from), contact.address))
        .collect();
    let (cause, confidence, advice) = if open {
        evidence.push("TCP connections to the same node open".to_owned());
        let advice = "UDP to this node is blocked, or packets of 1200 bytes do not pass. Open the port of its QUIC \
                      endpoint in the firewall, and look at the MTU of the way.";
        (Cause::BlockedUdp, 85, advice)
    } else if refused {
        evidence.push("its host is there, and nobody listens on its service port".to_owned());
        (
            Cause::DeadProcess,
            90,
            "The process has ended without a goodbye. Look at its log and start it again.",
        )
    } else {
        evidence.push("its host does not answer over TCP either".to_owned());
        (Cause::DeadProcess, 50, "The host is down or cut off. Look whether it runs, then at the way to it.")
    };
    Finding { cause, confidence, nodes: vec![node], evidence, advice: advice.to_owned() }
}

/// A member in good standing whose service nobody can reach.
pub(super) fn services(observations: &Observations) -> Vec<Finding> {
    let mut findings: BTreeMap<NodeId, Finding> = BTreeMap::new();
    for (from, contact) in observations.contacts() {
        let (Some(node), Some((address, port))) = (contact.node, contact.service) else { continue };
        let how = match port {
            Port::Open => continue,
            Port::Refused => "nobody listens there",
            Port::Silent => "nothing comes back",
        };
        if contact.handshake != Handshake::Answered {
            continue;
        }
        let said = format!("{} reaches it over QUIC, but not {address} over TCP: {how}", short(from));
        let finding = findings.entry(node).or_insert_with(|| Finding {
            cause: Cause::UnreachableService,
            confidence: 95,
            nodes: vec![node],
            evidence: Vec::new(),
            advice: "Open the service's TCP port in the firewall, or have the node announce an address that others \
                     can dial."
                .to_owned(),
        });
        finding.evidence.push(said);
    }
    findings.into_values().collect()
}

/// Suspected again and again by one node, while others hear it: the way between the two.
pub(super) fn accused_by_one(observations: &Observations, explained: &BTreeSet<NodeId>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (accused, accusations) in observations.suspicions() {
        let refuted: Vec<_> =
            accusations.iter().filter(|accusation| accusation.outcome == Verdict::Refuted).collect();
        let accusers: BTreeSet<NodeId> = accusations.iter().map(|accusation| accusation.accuser).collect();
        let (Some(accuser), 1) = (accusers.first().copied(), accusers.len()) else { continue };
        let unexplained = !explained.contains(&accused) && !explained.contains(&accuser);
        let witnesses = observations.reports.iter().any(|report| ![accused, accuser].contains(&report.node));
        if refuted.len() < ACCUSATIONS_MIN || !unexplained || !witnesses {
            continue;
        }
        findings.push(Finding {
            cause: Cause::OneWayLink,
            confidence: 60,
            nodes: vec![accuser, accused],
            evidence: vec![format!(
                "{} alone accused {}, {} times, and was refuted",
                short(accuser),
                short(accused),
                refuted.len()
            )],
            advice: "What one of the two sends does not always reach the other. Compare firewall rules and routes of \
                     the two hosts, in both directions."
                .to_owned(),
        });
    }
    findings
}

fn is_open(contact: &Contact) -> bool {
    is_port(contact, Port::Open)
}

fn is_port(contact: &Contact, wanted: Port) -> bool {
    contact.service.is_some_and(|(_, port)| port == wanted)
}
