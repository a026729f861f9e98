//! What is wrong with a node itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use gossamer_wire::NodeId;

use super::{Accusation, Cause, Finding, Handshake, Life, Observations, Port, Verdict, names, short};

/// How late timers may run, in milliseconds: half of a probe's period. Later, answers are heard too late.
const LATE_MS_MAX: u64 = 250;

/// How many nodes a node must have accused in vain to be the one that is slow.
const ACCUSED_IN_VAIN_MIN: usize = 3;

/// How far a clock may be off, in milliseconds: what certificates and tokens bear by far.
const SKEW_MS_MAX: i64 = 5_000;

/// How many times a node must have moved to be in two places: a restart moves it once, a quick second start twice.
const MOVES_MIN: usize = 3;

/// How many deaths, or suspicions refuted, make a node flap.
const FLAPS_MIN: usize = 3;

/// Two processes with one data directory out-bid each other for ever: the node jumps between two addresses.
pub(super) fn duplicates(observations: &Observations) -> Vec<Finding> {
    let mut moves: BTreeMap<NodeId, (usize, BTreeSet<SocketAddr>)> = BTreeMap::new();
    for report in &observations.reports {
        for life in report.lives.iter().filter(|life| life.node != report.node) {
            let (most, seen) = moves.entry(life.node).or_default();
            *most = life.moves.max(*most);
            seen.insert(life.address);
        }
    }
    let doubled = moves.into_iter().filter(|(_, (moves, _))| *moves >= MOVES_MIN);
    let finding = |(node, (moves, seen)): (NodeId, (usize, BTreeSet<SocketAddr>))| Finding {
        cause: Cause::DuplicateNode,
        confidence: 90,
        nodes: vec![node],
        evidence: vec![format!(
            "{} changed its address {moves} times in ten minutes, last to {}",
            short(node),
            seen.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
        )],
        advice:
            "Two processes run with copies of one data directory, and so with one key. Stop one, empty its \
                 data directory and let it join with a token of its own."
                .to_owned(),
    };
    doubled.map(finding).collect()
}

/// A node that gets no processor hears answers too late and suspects those who gave them in time.
pub(super) fn starved(observations: &Observations) -> Vec<Finding> {
    let mut findings = Vec::new();
    for report in observations.reports.iter().filter(|report| report.late_ms >= LATE_MS_MAX) {
        let vain = accused_in_vain(observations, report.node);
        let mut evidence = vec![format!(
            "timers of {} ran up to {} ms late in the last minute",
            short(report.node),
            report.late_ms
        )];
        if !vain.is_empty() {
            evidence.push(format!("it accused {}, who answered others", names(vain.iter().copied())));
        }
        findings.push(starvation(report.node, if vain.is_empty() { 75 } else { 95 }, evidence));
    }
    let accusers: BTreeSet<NodeId> =
        observations.suspicions().into_values().flatten().map(|accusation| accusation.accuser).collect();
    for accuser in accusers {
        let known = findings.iter().any(|finding| finding.nodes.contains(&accuser));
        let vain = accused_in_vain(observations, accuser);
        if !known && vain.len() >= ACCUSED_IN_VAIN_MIN {
            let said = format!("{} accused {} in vain", short(accuser), names(vain.iter().copied()));
            findings.push(starvation(accuser, 70, vec![said]));
        }
    }
    findings
}

fn starvation(node: NodeId, confidence: u8, evidence: Vec<String>) -> Finding {
    Finding {
        cause: Cause::StarvedObserver,
        confidence,
        nodes: vec![node],
        evidence,
        advice: "The process does not get enough processor time, or was paused. Give its host or its cgroup more, \
                 and look for what else runs there."
            .to_owned(),
    }
}

/// Whom this node accused, who then spoke up.
fn accused_in_vain(observations: &Observations, accuser: NodeId) -> BTreeSet<NodeId> {
    let suspicions = observations.suspicions().into_values().flatten();
    let refuted =
        |accusation: &&Accusation| accusation.accuser == accuser && accusation.outcome == Verdict::Refuted;
    suspicions.filter(refuted).map(|accusation| accusation.accused).collect()
}

/// Clocks that differ, by measurement or by a certificate that seems to be of another time.
pub(super) fn skewed(observations: &Observations) -> Vec<Finding> {
    let off = |node: NodeId, confidence: u8, evidence: String| {
        Finding {
        cause: Cause::ClockSkew,
        confidence,
        nodes: vec![node],
        evidence: vec![evidence],
        advice: "Set the clock, and have chrony or systemd-timesyncd keep it: certificates are valid from and to a \
                 moment."
            .to_owned(),
    }
    };
    let skewed: Vec<_> =
        observations.reports.iter().filter(|report| report.clock_ahead_ms.abs() >= SKEW_MS_MAX).collect();
    // Where most are off by as much, it is the asker who is.
    let others = observations.reports.len().saturating_sub(1);
    if skewed.len() >= 2 && skewed.len() == others {
        let said = format!("the clocks of all {others} others differ from its own");
        return vec![off(observations.asker, 90, said)];
    }
    let mut findings: Vec<_> = skewed
        .into_iter()
        .map(|report| {
            let ahead = report.clock_ahead_ms;
            let side = if ahead > 0 { "ahead of" } else { "behind" };
            let said = format!(
                "the clock of {} is {} ms {side} that of {}",
                short(report.node),
                ahead.abs(),
                short(observations.asker)
            );
            off(report.node, 95, said)
        })
        .collect();
    for (from, contact) in observations.contacts() {
        let Handshake::Untrusted(reason) = &contact.handshake else { continue };
        let node = contact.node.unwrap_or(from);
        if is_of_another_time(reason) && !findings.iter().any(|finding| finding.nodes.contains(&node)) {
            findings.push(off(node, 70, format!("{} at {}: {reason}", short(from), contact.address)));
        }
    }
    findings
}

/// Whether a certificate was refused for the time at which it was shown.
pub(super) fn is_of_another_time(reason: &str) -> bool {
    ["NotValidYet", "not valid yet", "Expired", "expired"].iter().any(|word| reason.contains(word))
}

/// Given up without a goodbye, and the host says that nobody listens there.
pub(super) fn dead(observations: &Observations, explained: &BTreeSet<NodeId>) -> Vec<Finding> {
    let mut gone: BTreeMap<NodeId, &Life> = BTreeMap::new();
    for life in observations.reports.iter().flat_map(|report| &report.lives) {
        if life.dead_seconds.is_some() {
            gone.entry(life.node).or_insert(life);
        }
    }
    gone.retain(|node, _| {
        let silent = observations.report(*node).is_none() && observations.reached_by(*node).is_empty();
        silent && !explained.contains(node)
    });
    gone.into_values().map(|life| death(observations, life)).collect()
}

fn death(observations: &Observations, life: &Life) -> Finding {
    let port = |wanted: Port| {
        let met = |contact: &super::Contact| contact.service.is_some_and(|(_, port)| port == wanted);
        observations.contacts_with(life.node).any(|(_, contact)| met(contact))
    };
    let seconds = life.dead_seconds.unwrap_or_default();
    let mut evidence = vec![format!("{} at {} fell silent {seconds} s ago", short(life.node), life.address)];
    let (confidence, advice) = if port(Port::Refused) {
        evidence.push("its host is there, and nobody listens on its service port".to_owned());
        (95, "The process has ended without a goodbye. Look at its log and start it again.")
    } else if port(Port::Open) {
        evidence.push("something still listens on its service port".to_owned());
        (
            70,
            "UDP to or from it is blocked, or the process hangs. Open the port of its QUIC endpoint in the firewall.",
        )
    } else {
        evidence.push("its host does not answer either".to_owned());
        (60, "The host is down or cut off. Look whether it runs, then at the way to it.")
    };
    Finding {
        cause: if port(Port::Open) { Cause::BlockedUdp } else { Cause::DeadProcess },
        confidence,
        nodes: vec![life.node],
        evidence,
        advice: advice.to_owned(),
    }
}

/// Comes and goes, or is suspected again and again, without anything else to explain it.
pub(super) fn flapping(observations: &Observations, explained: &BTreeSet<NodeId>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut deaths: BTreeMap<NodeId, usize> = BTreeMap::new();
    for life in observations.reports.iter().flat_map(|report| &report.lives) {
        let most = deaths.entry(life.node).or_default();
        *most = life.deaths.max(*most);
    }
    let suspicions = observations.suspicions();
    let nodes: BTreeSet<NodeId> = deaths.keys().chain(suspicions.keys()).copied().collect();
    for node in nodes.difference(explained) {
        let died = deaths.get(node).copied().unwrap_or_default();
        let of_node = suspicions.get(node).map(Vec::as_slice).unwrap_or_default();
        let refuted: Vec<_> = of_node
            .iter()
            .filter(|accusation| {
                accusation.outcome == Verdict::Refuted && !explained.contains(&accusation.accuser)
            })
            .collect();
        if died < FLAPS_MIN && refuted.len() < FLAPS_MIN {
            continue;
        }
        let accusers: BTreeSet<NodeId> = refuted.iter().map(|accusation| accusation.accuser).collect();
        findings.push(Finding {
            cause: Cause::FlappingLink,
            confidence: if died >= FLAPS_MIN { 80 } else { 65 },
            nodes: vec![*node],
            evidence: vec![
                format!("{} was given up {died} times in ten minutes, and came back", short(*node)),
                format!("it refuted {} suspicions, by {}", refuted.len(), names(accusers)),
            ],
            advice: "The way to this node loses what is sent in spells. Look at its interface's errors, its cable or \
                     its virtual switch, and at whether the process is restarted again and again."
                .to_owned(),
        });
    }
    findings
}
