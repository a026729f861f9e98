//! What one node believes of another's word about a third.

use std::time::Duration;

use gossamer_wire::{Generation, Record};

use super::*;
use crate::membership::{
    Input,
    tests::{Room, node, record},
};

const SECOND: Duration = Duration::from_secs(1);

/// A room of four in which the first has just heard of the last, and a word that the last is dead.
fn doubt() -> (Room, Member<Presence>) {
    let mut room = Room::of(4);
    room.input(0, Input::Seen(node(3)));
    let dead = Member::new(room.presence(3), 0, State::Down);
    (room, dead)
}

fn state(weighed: Option<Member<Presence>>) -> Option<State> {
    weighed.map(|member| member.state())
}

#[test]
fn one_word_against_signs_of_life_is_a_suspicion() {
    let (mut room, dead) = doubt();
    let now = room.now;
    assert_eq!(state(room.cores[0].weighed(node(1), dead.clone(), now)), Some(State::Suspect));
    assert_eq!(state(room.cores[0].weighed(node(3), dead.clone(), now)), Some(State::Down), "its own word");
    let later = now + 2 * SECOND;
    assert_eq!(state(room.cores[0].weighed(node(1), dead, later)), Some(State::Down), "silent since");
}

#[test]
fn two_that_accuse_in_person_outweigh_signs_of_life() {
    let (mut room, dead) = doubt();
    let now = room.now;
    let hear = |room: &Room, accuser: u8, teller: u8| {
        let accusation = Accusation::new(room.presence(3), 0, room.presence(accuser.into()));
        room.cores[0].rumours.heard().accusations.hear(accusation, Some(node(teller)))
    };
    assert!(hear(&room, 1, 1));
    assert!(hear(&room, 2, 1), "what another says that it says is gossiped on");
    assert_eq!(state(room.cores[0].weighed(node(1), dead.clone(), now)), Some(State::Suspect));
    assert!(!hear(&room, 2, 2), "and is no news");
    assert_eq!(state(room.cores[0].weighed(node(1), dead, now)), Some(State::Down));
}

#[test]
fn one_that_said_that_it_leaves_may_be_gone() {
    let (mut room, dead) = doubt();
    let leaving = Record { leaving: true, ..record(3, 1) };
    room.input(3, Input::Publish(leaving));
    room.pass(SECOND);
    room.input(0, Input::Seen(node(3)));
    let now = room.now;
    assert_eq!(state(room.cores[0].weighed(node(1), dead, now)), Some(State::Down));
}

#[test]
fn a_life_that_nobody_can_have_lived_is_not_believed_of_others() {
    let mut room = Room::of(3);
    let now = room.now;
    let place = room.presence(2).address();
    let absurd = Member::alive(Presence::new(node(2), place, u64::MAX));
    assert_eq!(room.cores[0].weighed(node(1), absurd.clone(), now), None);
    assert_eq!(room.cores[0].weighed(node(2), absurd.clone(), now), Some(absurd), "except by itself");
    let place = room.presence(0).address();
    let ours = Member::alive(Presence::new(node(0), place, u64::MAX));
    assert_eq!(room.cores[0].weighed(node(1), ours, now), None, "and need not be outbid");
}

#[test]
fn a_record_that_nobody_can_have_written_is_only_taken_from_its_node() {
    let mut room = Room::of(3);
    let forged = Record { revision: u64::MAX, leaving: true, ..record(2, 1) };
    let newer = Record { generation: Generation::new(u64::MAX), ..forged.clone() };
    let now = room.now;
    for record in [forged, newer] {
        let rumour = Rumour::encode_record(&record);
        room.cores[1].swim.spread(&rumour, now).unwrap();
        room.pass(3 * SECOND);
        for core in 0..3 {
            let record = room.sees(core, 2).unwrap().record.clone().unwrap();
            assert!(!record.leaving && record.revision < 10, "core {core}: {record:?}");
        }
    }
    // Its own node may say so: who is asked because others doubt it is believed.
    let far = Record { revision: 1 << 40, ..record(2, 1) };
    room.input(2, Input::Publish(far));
    room.pass(3 * SECOND);
    for core in 0..3 {
        assert_eq!(room.sees(core, 2).unwrap().record.as_ref().unwrap().revision, 1 << 40, "core {core}");
    }
}

#[test]
fn what_was_slept_through_is_held_against_nobody() {
    let mut room = Room::of(2);
    for _ in 0..5 {
        room.now += 10 * SECOND; // the first wakes up late, with all its timers overdue
        room.input(0, Input::Time);
        assert!(room.sees(0, 1).is_some());
        assert!(room.cores[0].health() > 0);
        room.pass(SECOND);
        assert!(room.sees(0, 1).is_some());
    }
}

#[test]
fn what_the_censor_leaves_of_a_packet_can_be_read() {
    let (mut room, dead) = doubt();
    let now = room.now;
    room.cores[1].swim.introduce(std::iter::once(dead), true, now).unwrap();
    room.cores[1].swim.gossip(now).unwrap();
    let packets = room.cores[1].swim.take_packets();
    let (_, packet) = packets.into_iter().find(|(to, _)| to.node() == node(0)).unwrap();
    let mut glance = Glance::at(&packet).unwrap();
    let censored = room.cores[0].censored(&mut glance, now).unwrap();
    let reread = Glance::at(&censored).unwrap();
    assert_eq!(censored.len(), packet.len());
    assert!(reread.updates.iter().any(|update| update.state() == State::Suspect));
    assert!(reread.updates.iter().all(|update| update.state() != State::Down));
    let outputs = room.cores[0].handle(Input::Packet { from: node(1), bytes: packet }, now);
    assert!(!outputs.iter().any(|output| matches!(output, crate::membership::Output::Fault(_))));
    assert_eq!(room.sees(0, 3).unwrap().state, crate::State::Suspect);
}
