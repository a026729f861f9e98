//! Each cause from what was recorded of it, and nothing where all is well.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::*;
use crate::view::{Member, State, View};

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 16])
}

fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 7_946))
}

fn contact(to: u8) -> Contact {
    Contact {
        node: Some(node(to)),
        address: address(to),
        handshake: Handshake::Answered,
        round_trip_ms: Some(2),
        path_bytes: Some(1_500),
        service: Some((SocketAddr::from(([10, 0, 0, to], 8_443)), Port::Open)),
    }
}

fn silent(to: u8, port: Port) -> Contact {
    let service = Some((SocketAddr::from(([10, 0, 0, to], 8_443)), port));
    Contact { handshake: Handshake::Silent, round_trip_ms: None, service, ..contact(to) }
}

/// Nodes 1 to `count`, who all reach each other; the first asks.
fn well(count: u8) -> Observations {
    let report = |number: u8| Report {
        node: node(number),
        clock_ahead_ms: 3,
        late_ms: 2,
        suspicions: Vec::new(),
        contacts: (1..=count).filter(|to| *to != number).map(contact).collect(),
        lives: Vec::new(),
    };
    Observations { asker: node(1), reports: (1..=count).map(report).collect(), unheard: Vec::new() }
}

fn report(observations: &mut Observations, number: u8) -> &mut Report {
    observations.reports.iter_mut().find(|report| report.node == node(number)).unwrap()
}

/// What `from` met on the way to `contact`.
fn meets(observations: &mut Observations, from: u8, contact: Contact) {
    let contacts = &mut report(observations, from).contacts;
    contacts.retain(|known| known.node.is_none() || known.node != contact.node);
    contacts.push(contact);
}

/// `number` says nothing, and is not reached by anybody.
fn cut(observations: &mut Observations, number: u8, port: Port) {
    observations.reports.retain(|report| report.node != node(number));
    observations.unheard.push(node(number));
    let left: Vec<NodeId> = observations.reports.iter().map(|report| report.node).collect();
    for from in left {
        meets(observations, from.as_bytes()[0], silent(number, port));
    }
}

fn refuted(accused: u8, accuser: u8, seconds_ago: u64) -> Accusation {
    Accusation { accused: node(accused), accuser: node(accuser), seconds_ago, outcome: Verdict::Refuted }
}

fn life(number: u8) -> Life {
    Life {
        node: node(number),
        address: address(number),
        service: None,
        deaths: 0,
        moves: 0,
        dead_seconds: None,
    }
}

/// The causes found, with the node to look at first.
fn found(observations: &Observations) -> Vec<(Cause, NodeId)> {
    let findings = diagnose(observations);
    assert!(findings.iter().all(|finding| !finding.evidence.is_empty() && !finding.advice.is_empty()));
    findings.into_iter().map(|finding| (finding.cause, finding.nodes[0])).collect()
}

#[test]
fn nothing_is_found_where_all_is_well() {
    for count in [1, 2, 3, 5] {
        assert_eq!(found(&well(count)), []);
    }
    let mut busy = well(3);
    report(&mut busy, 2).suspicions = vec![refuted(3, 2, 400), refuted(3, 2, 30)];
    assert_eq!(found(&busy), [], "a suspicion now and then is what suspicions are for");
}

#[test]
fn a_pair_that_does_not_hear_each_other_is_a_one_way_link() {
    let mut observations = well(4);
    meets(&mut observations, 2, silent(4, Port::Silent));
    assert_eq!(found(&observations), [(Cause::OneWayLink, node(2))]);
    meets(&mut observations, 4, silent(2, Port::Silent));
    assert_eq!(found(&observations).len(), 1, "it is said once for both ends");
}

#[test]
fn one_accuser_that_is_always_refuted_is_a_one_way_link() {
    let mut observations = well(4);
    report(&mut observations, 3).suspicions = vec![refuted(4, 2, 90), refuted(4, 2, 60), refuted(4, 2, 30)];
    assert_eq!(found(&observations), [(Cause::OneWayLink, node(2))]);
}

#[test]
fn whoever_runs_late_is_a_starved_observer() {
    let mut observations = well(4);
    report(&mut observations, 3).late_ms = 2_100;
    report(&mut observations, 1).suspicions = (0..5).map(|count| refuted(2, 3, 10 * count)).collect();
    assert_eq!(found(&observations), [(Cause::StarvedObserver, node(3))]);
    assert_eq!(diagnose(&observations)[0].confidence, 95);
}

#[test]
fn whoever_accuses_everybody_in_vain_is_a_starved_observer() {
    let mut observations = well(5);
    report(&mut observations, 1).suspicions = vec![refuted(2, 5, 9), refuted(3, 5, 8), refuted(4, 5, 7)];
    assert_eq!(found(&observations), [(Cause::StarvedObserver, node(5))]);
}

#[test]
fn a_way_that_is_too_narrow_for_a_handshake_is_named() {
    let mut observations = well(3);
    cut(&mut observations, 3, Port::Open);
    let narrow = Contact { path_bytes: Some(1_100), ..silent(3, Port::Open) };
    meets(&mut observations, 1, narrow);
    assert_eq!(found(&observations), [(Cause::Mtu, node(1))]);
}

#[test]
fn a_clock_that_is_off_is_named_and_so_is_that_of_the_asker() {
    let mut observations = well(3);
    report(&mut observations, 2).clock_ahead_ms = -90_000;
    assert_eq!(found(&observations), [(Cause::ClockSkew, node(2))]);
    report(&mut observations, 1).clock_ahead_ms = 0;
    report(&mut observations, 3).clock_ahead_ms = -91_000;
    assert_eq!(found(&observations), [(Cause::ClockSkew, node(1))]);
    let mut observations = well(3);
    let reason = "invalid peer certificate: certificate not valid yet".to_owned();
    meets(&mut observations, 1, Contact { handshake: Handshake::Untrusted(reason), ..contact(2) });
    assert_eq!(found(&observations), [(Cause::ClockSkew, node(2))]);
}

#[test]
fn a_node_in_two_places_is_a_copied_data_directory() {
    let mut observations = well(3);
    report(&mut observations, 1).lives = vec![Life { moves: 9, deaths: 4, ..life(3) }];
    assert_eq!(
        found(&observations),
        [(Cause::DuplicateNode, node(3))],
        "that it flaps too goes without saying"
    );
}

#[test]
fn a_seed_of_another_mesh_has_the_wrong_ca() {
    let mut observations = well(2);
    let reason = "invalid peer certificate: UnknownIssuer".to_owned();
    meets(
        &mut observations,
        1,
        Contact { node: None, handshake: Handshake::Untrusted(reason), ..contact(9) },
    );
    assert_eq!(found(&observations), [(Cause::WrongCa, node(1))]);
}

#[test]
fn a_node_that_only_tcp_reaches_has_its_udp_blocked() {
    let mut observations = well(3);
    cut(&mut observations, 3, Port::Open);
    assert_eq!(found(&observations), [(Cause::BlockedUdp, node(3))]);
    let mut observations = well(4);
    for to in [2, 3, 4] {
        meets(&mut observations, 1, silent(to, Port::Open));
    }
    assert_eq!(
        found(&observations),
        [(Cause::BlockedUdp, node(1))],
        "what reaches nobody is at fault itself"
    );
}

#[test]
fn a_member_whose_service_does_not_answer_is_named() {
    let mut observations = well(2);
    let service = Some((SocketAddr::from(([10, 0, 0, 2], 8_443)), Port::Refused));
    meets(&mut observations, 1, Contact { service, ..contact(2) });
    assert_eq!(found(&observations), [(Cause::UnreachableService, node(2))]);
}

#[test]
fn a_node_that_was_given_up_and_whose_port_is_closed_has_died() {
    let mut observations = well(3);
    cut(&mut observations, 3, Port::Refused);
    report(&mut observations, 1).lives = vec![Life { deaths: 1, dead_seconds: Some(9), ..life(3) }];
    assert_eq!(found(&observations), [(Cause::DeadProcess, node(3))]);
    assert!(diagnose(&observations)[0].confidence > 90);
}

#[test]
fn a_node_that_comes_and_goes_has_a_flapping_link() {
    let mut observations = well(3);
    report(&mut observations, 1).lives = vec![Life { deaths: 4, ..life(3) }];
    assert_eq!(found(&observations), [(Cause::FlappingLink, node(3))]);
    let mut observations = well(3);
    report(&mut observations, 1).suspicions = vec![refuted(3, 1, 90), refuted(3, 2, 60), refuted(3, 1, 30)];
    assert_eq!(found(&observations), [(Cause::FlappingLink, node(3))]);
}

#[test]
fn one_suspicion_that_many_have_heard_of_counts_once() {
    let mut observations = well(4);
    for number in 1..=4 {
        report(&mut observations, number).suspicions = vec![refuted(3, 2, 60 + u64::from(number % 2))];
    }
    assert_eq!(found(&observations), []);
}

#[test]
fn observations_survive_being_written_down() {
    let mut observations = well(2);
    meets(&mut observations, 1, Contact { handshake: Handshake::Failed("reset".to_owned()), ..contact(2) });
    report(&mut observations, 1).lives = vec![Life { dead_seconds: Some(3), ..life(2) }];
    let written = serde_json::to_string(&observations).unwrap();
    assert_eq!(serde_json::from_str::<Observations>(&written).unwrap(), observations);
}

fn view(members: &[(u8, u8)], suspicions: &[Suspicion], now: Instant) -> View {
    let member = |&(number, place): &(u8, u8)| {
        Arc::new(Member {
            node: node(number),
            address: address(place),
            state: State::Alive,
            record: None,
            certified: None,
            since: now,
        })
    };
    View::new(node(1), members.iter().map(member).collect(), suspicions.into())
}

#[test]
fn the_chronicle_counts_moves_and_deaths_but_not_goodbyes() {
    let mut now = tokio::time::Instant::now().into_std();
    let mut chronicle = Chronicle::default();
    for place in [2, 7, 2, 7] {
        chronicle.observe(&view(&[(1, 1), (2, place), (3, 3), (4, 4)], &[], now), now);
        now += Duration::from_secs(1);
    }
    let given_up = Suspicion { accused: node(3), accuser: node(1), at: now, outcome: Outcome::Confirmed };
    chronicle.observe(&view(&[(1, 1), (2, 7)], &[given_up], now), now);
    now += Duration::from_secs(5);
    let moved = Life { moves: 3, address: address(7), ..life(2) };
    let died = Life { deaths: 1, dead_seconds: Some(5), ..life(3) };
    assert_eq!(chronicle.lives(now), [moved, died]);
    chronicle.observe(&view(&[(1, 1), (2, 7), (3, 3)], &[given_up], now), now);
    assert_eq!(chronicle.lives(now)[1].dead_seconds, None);
    now += Duration::from_secs(11 * 60);
    assert_eq!(chronicle.lives(now), [], "what is long ago is forgotten");
}
