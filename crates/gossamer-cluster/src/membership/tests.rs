//! One core at a time, and a few in a room where every word is heard at once. For all that can happen on the way
//! between them see the simulator.

use std::{collections::VecDeque, time::Duration};

use gossamer_wire::Generation;
use rand::rngs::StdRng;

use super::*;
use crate::Member;

pub(super) type Core = Membership<StdRng>;

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn node(index: u8) -> NodeId {
    NodeId::from_bytes([index; 16])
}

fn address(index: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, index], 7_946))
}

pub(super) fn record(index: u8, revision: u64) -> Record {
    Record {
        node: node(index),
        revision,
        generation: Generation::new(1),
        role: Role::Agent,
        version: None,
        service: None,
        announcement: None,
        route_table: None,
        leaving: false,
    }
}

fn core(index: u8, seeds: &[u8], now: Instant) -> Core {
    let start = Start {
        presence: Presence::new(node(index), address(index), 1),
        record: record(index, 1),
        seeds: seeds.iter().copied().map(address).collect(),
        remembered: BTreeMap::new(),
        tuning: Tuning::default(),
    };
    Membership::new(start, StdRng::seed_from_u64(index.into()), now)
}

/// Cores that hear each other at once; time is what the test says.
pub(super) struct Room {
    pub(super) cores: Vec<Core>,
    silent: Vec<usize>,
    pub(super) now: Instant,
    faults: Vec<Fault>,
}

impl Room {
    /// Cores that have met.
    pub(super) fn of(count: u8) -> Self {
        let now = crate::shell::now();
        let cores = (0..count).map(|index| core(index, &[0], now)).collect();
        let mut room = Self { cores, silent: Vec::new(), now, faults: Vec::new() };
        room.pass(SECOND);
        room
    }

    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let loud = (0..self.cores.len()).filter(|core| !self.silent.contains(core));
            let next = loud.min_by_key(|core| self.cores[*core].deadline());
            match next.filter(|core| self.cores[*core].deadline() <= end) {
                Some(core) => {
                    self.now = self.now.max(self.cores[core].deadline());
                    self.input(core, Input::Time);
                }
                None => break,
            }
        }
        self.now = end;
    }

    pub(super) fn input(&mut self, core: usize, input: Input) {
        let mut inputs = VecDeque::from([(core, input)]);
        while let Some((core, input)) = inputs.pop_front() {
            let from = self.cores[core].view().me();
            for output in self.cores[core].handle(input, self.now) {
                let (to, input) = match output {
                    Output::Packet { to, bytes } => (to, Input::Packet { from, bytes }),
                    Output::Letter { to, bytes } => (to, Input::Letter { from, bytes }),
                    Output::Fault(fault) => {
                        self.faults.push(fault);
                        continue;
                    }
                    Output::Changed(_) | Output::Suspected(_) | Output::Doubt(_) => continue,
                };
                let hearer = self.cores.iter().position(|core| core.swim.me().address() == to.address);
                let hearer = hearer.filter(|hearer| *hearer != core && !self.silent.contains(hearer));
                inputs.extend(hearer.map(|hearer| (hearer, input)));
            }
        }
    }

    pub(super) fn presence(&self, core: usize) -> Presence {
        self.cores[core].swim.me()
    }

    pub(super) fn sees(&self, core: usize, other: u8) -> Option<&Arc<Member>> {
        self.cores[core].view().get(node(other))
    }
}

fn first_of<T>(outputs: Vec<Output>, pick: impl Fn(Output) -> Option<T>) -> T {
    outputs.into_iter().find_map(pick).unwrap()
}

fn faults(outputs: Vec<Output>) -> Vec<Fault> {
    let fault = |output| match output {
        Output::Fault(fault) => Some(fault),
        Output::Packet { .. }
        | Output::Letter { .. }
        | Output::Changed(_)
        | Output::Suspected(_)
        | Output::Doubt(_) => None,
    };
    outputs.into_iter().filter_map(fault).collect()
}

#[test]
fn a_join_is_repeated_with_growing_pauses_but_for_ever() {
    let begin = crate::shell::now();
    let mut core = core(1, &[0], begin);
    let mut greeted = Vec::new();
    while core.deadline() < begin + 60 * SECOND {
        let now = core.deadline();
        let greets =
            |output: &Output| matches!(output, Output::Letter { to, .. } if to.address == address(0));
        if core.handle(Input::Time, now).iter().any(greets) {
            greeted.push(now);
        }
    }
    let pauses: Vec<Duration> = greeted.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(greeted[0], begin);
    assert!(pauses[0] < SECOND / 2, "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause < 7 * SECOND), "{pauses:?}");
    assert!(pauses.len() > 10, "{pauses:?}");
}

#[test]
fn those_in_one_room_know_each_other_and_what_they_say() {
    let room = Room::of(5);
    for core in 0..5 {
        for other in 0..5 {
            assert_eq!(room.sees(core, other).unwrap().record.as_deref(), Some(&record(other, 1)));
        }
    }
    assert_eq!(room.faults, []);
}

#[test]
fn the_sender_must_be_who_the_certificate_says() {
    let mut room = Room::of(3);
    let end = room.now + SECOND;
    let mut outputs = Vec::new();
    while room.cores[1].deadline() < end {
        room.now = room.cores[1].deadline();
        outputs.extend(room.cores[1].handle(Input::Time, room.now));
    }
    let now = room.now;
    let bytes = first_of(outputs, |output| match output {
        Output::Packet { bytes, .. } => Some(bytes),
        Output::Letter { .. }
        | Output::Changed(_)
        | Output::Suspected(_)
        | Output::Doubt(_)
        | Output::Fault(_) => None,
    });
    let forged = room.cores[0].handle(Input::Packet { from: node(2), bytes }, now);
    assert_eq!(faults(forged), [Fault::Forged]);

    room.cores[1].open_exchange(Destination { address: address(0), node: None });
    let bytes = first_of(std::mem::take(&mut room.cores[1].outbox), |output| match output {
        Output::Letter { bytes, .. } => Some(bytes),
        Output::Packet { .. }
        | Output::Changed(_)
        | Output::Suspected(_)
        | Output::Doubt(_)
        | Output::Fault(_) => None,
    });
    let forged = room.cores[0].handle(Input::Letter { from: node(2), bytes }, now);
    assert_eq!(faults(forged), [Fault::Forged]);
}

#[test]
fn noise_is_refused() {
    let mut room = Room::of(2);
    let now = room.now;
    for bytes in [Bytes::new(), Bytes::from_static(b"noise"), Bytes::from(vec![0xff; 2_000])] {
        let packet = room.cores[0].handle(Input::Packet { from: node(1), bytes: bytes.clone() }, now);
        assert_eq!(faults(packet), [Fault::Malformed]);
        let letter = room.cores[0].handle(Input::Letter { from: node(1), bytes }, now);
        assert_eq!(faults(letter), [Fault::Malformed]);
    }
}

#[test]
fn the_highest_edition_wins() {
    let mut room = Room::of(3);
    room.input(1, Input::Publish(record(1, 7)));
    room.pass(SECOND);
    assert_eq!(room.sees(2, 1).unwrap().record.as_ref().unwrap().revision, 7);
    // Never back, whatever the caller counts.
    room.input(1, Input::Publish(Record { leaving: true, ..record(1, 1) }));
    room.pass(SECOND);
    let record = room.sees(2, 1).unwrap().record.clone().unwrap();
    assert_eq!((record.revision, record.leaving), (8, true));
}

#[test]
fn a_record_that_somebody_made_up_about_us_is_outbid() {
    let mut room = Room::of(3);
    let forged = Record { generation: Generation::new(3), leaving: true, ..record(1, 40) };
    let rumour = Rumour::encode_record(&forged);
    let now = room.now;
    room.cores[0].rumours.heard().records.offer(forged, node(0));
    room.cores[0].swim.spread(&rumour, now).unwrap();
    room.pass(3 * SECOND);
    for core in 0..3 {
        let record = room.sees(core, 1).unwrap().record.clone().unwrap();
        assert!(!record.leaving, "core {core}: {record:?}");
        assert_eq!((record.generation.get(), record.revision), (3, 41), "core {core}");
    }
}

#[test]
fn whatever_a_record_claims_the_role_is_that_of_the_certificate() {
    let mut room = Room::of(2);
    assert_eq!(room.sees(0, 1).unwrap().role(), Some(&Role::Agent));
    room.input(0, Input::Met { node: node(1), role: Role::Core, dialled: None });
    let member = room.sees(0, 1).unwrap();
    assert_eq!(member.role(), Some(&Role::Core));
    assert_eq!(member.record.as_ref().unwrap().role, Role::Agent, "what it claims stays on display");
    assert!(room.faults.contains(&Fault::Impostor));
}

#[test]
fn a_goodbye_counts_at_once_and_a_return_as_well() {
    let mut room = Room::of(3);
    room.silent = vec![2];
    room.input(0, Input::Departed(node(2)));
    assert!(room.sees(0, 2).is_none());
    room.pass(SECOND / 2); // gossip tells the others, who have just heard of it and did not see it close
    assert_eq!(room.sees(1, 2).unwrap().state, crate::State::Suspect);
    room.pass(3 * SECOND);
    assert!(room.sees(1, 2).is_none());

    room.silent.clear(); // it was no goodbye after all: it hears of it and goes on in a later life
    room.pass(10 * SECOND);
    assert!(room.sees(0, 2).is_some() && room.sees(1, 2).is_some());
    assert!(room.sees(0, 2).unwrap().record.is_some(), "its record was kept for its return");
}

#[test]
fn a_suspicion_says_who_accused_whom_and_how_it_ended() {
    let mut room = Room::of(4);
    room.silent = vec![3];
    room.pass(8 * SECOND);
    for core in 0..3 {
        assert!(room.sees(core, 3).is_none());
        let suspicions = room.cores[core].view().suspicions();
        let suspicion = suspicions.iter().find(|suspicion| suspicion.accused == node(3)).unwrap();
        assert_eq!(suspicion.outcome, Outcome::Confirmed);
        assert!((0..3).map(node).any(|node| node == suspicion.accuser));
    }
    let accuser = room.cores[0].view().suspicions()[0].accuser;
    assert!(
        room.cores.iter().take(3).all(|core| core.view().suspicions()[0].accuser == accuser),
        "all name one"
    );
}

#[test]
fn an_earlier_life_that_we_forgot_is_outbid() {
    let mut room = Room::of(2);
    // The disk of the second is lost: it counts its lives from the beginning, while the first remembers more.
    let later = Presence::new(node(1), address(1), 9);
    let now = room.now;
    room.cores[0].swim.introduce(std::iter::once(foca::Member::alive(later)), false, now).unwrap();
    room.pass(5 * SECOND);
    assert!(room.cores[1].swim.me().outranks(&later));
    assert!(room.sees(0, 1).is_some());
}

#[test]
fn the_connection_to_where_a_member_was_is_not_used_for_where_it_is() {
    let mut room = Room::of(2);
    let moved = Presence::new(node(1), address(9), 2);
    room.cores[0].swim.introduce(std::iter::once(foca::Member::alive(moved)), false, room.now).unwrap();
    let outputs = room.cores[0].handle(Input::Time, room.now);
    assert!(outputs.iter().any(|output| matches!(output, Output::Doubt(doubted) if *doubted == node(1))));
    assert_eq!(room.sees(0, 1).unwrap().address, address(9));
}

#[test]
fn the_dead_leave_an_address_behind_and_no_record() {
    let mut room = Room::of(2);
    room.silent = vec![1];
    room.pass(8 * SECOND);
    assert!(room.sees(0, 1).is_none());
    assert_eq!(room.cores[0].remembered().get(&node(1)), Some(&address(1)));
    room.silent.clear();
    room.pass(8 * SECOND);
    assert!(room.sees(0, 1).unwrap().record.is_some());
}

#[test]
fn nothing_is_done_after_leaving() {
    let mut room = Room::of(2);
    let now = room.now;
    assert!(!room.cores[1].handle(Input::Leave, now).is_empty());
    assert!(room.cores[1].handle(Input::Time, now + SECOND).is_empty());
}

#[test]
fn records_of_the_absent_are_forgotten_oldest_first() {
    let mut records = records::Records::new(record(0, 1));
    let stranger = |index: u64| {
        let mut bytes = [9; 16];
        bytes[..8].copy_from_slice(&index.to_be_bytes());
        Record { node: NodeId::from_bytes(bytes), ..record(0, 1) }
    };
    for index in 0..1_100 {
        records.offer(stranger(index), node(1));
    }
    assert!(records.get(&stranger(0).node).is_none());
    assert!(records.get(&stranger(1_099).node).is_some());
}

#[test]
fn suspicion_waits_longer_among_many() {
    let tuning = Tuning::default();
    assert_eq!(tuning.suspicion(5), Duration::from_millis(1_500));
    assert_eq!(tuning.suspicion(100), Duration::from_millis(3_000));
}
