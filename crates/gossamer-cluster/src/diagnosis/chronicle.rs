//! Who came and went of late, and where from: what flapping and copied data directories are known by.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use gossamer_wire::NodeId;
use serde::{Deserialize, Serialize};

use crate::{
    membership::Outcome,
    view::{Member, View},
};

/// How long what happened is remembered.
const WINDOW: Duration = Duration::from_secs(10 * 60);

/// How many nodes are remembered; beyond, newcomers are not.
const NODES_MAX: usize = 1_024;

/// How many moments are remembered of one node: one that comes and goes every second fills them in a minute.
const MOMENTS_MAX: usize = 64;

/// What the views of the last ten minutes showed. Fed every view, in their order.
#[derive(Debug, Default)]
pub struct Chronicle {
    pages: BTreeMap<NodeId, Page>,
}

/// What became of one other node in the last ten minutes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    pub node: NodeId,
    /// Where it was last seen.
    pub address: SocketAddr,
    /// Its service, where it was last said to be.
    pub service: Option<SocketAddr>,
    /// How many times it was given up without a goodbye.
    pub deaths: usize,
    /// How many times it was suddenly at another address.
    pub moves: usize,
    /// How long it has been away, in seconds, if it was given up and is.
    pub dead_seconds: Option<u64>,
}

#[derive(Debug)]
struct Page {
    address: SocketAddr,
    service: Option<SocketAddr>,
    leaving: bool,
    present: bool,
    deaths: Vec<Instant>,
    moves: Vec<Instant>,
}

// === impl Chronicle ===

impl Chronicle {
    pub fn observe(&mut self, view: &View, now: Instant) {
        for (node, page) in &mut self.pages {
            if page.present && view.get(*node).is_none() {
                page.present = false;
                if !page.leaving && was_given_up(view, *node) {
                    note(&mut page.deaths, now);
                }
            }
        }
        for member in view.others() {
            if let Some(page) = self.pages.get_mut(&member.node) {
                page.see(member, now);
            } else if self.pages.len() < NODES_MAX {
                self.pages.insert(member.node, Page::new(member));
            }
        }
        self.pages.retain(|_, page| page.present || page.is_recent(now));
    }

    /// What is worth telling, most troubled first is for others to find out.
    pub fn lives(&self, now: Instant) -> Vec<Life> {
        let recent = |moments: &[Instant]| moments.iter().filter(|at| within(**at, now)).count();
        let lives = self.pages.iter().map(|(node, page)| Life {
            node: *node,
            address: page.address,
            service: page.service,
            deaths: recent(&page.deaths),
            moves: recent(&page.moves),
            dead_seconds: page.dead_since().map(|at| now.saturating_duration_since(at).as_secs()),
        });
        lives.filter(|life| life.deaths > 0 || life.moves > 0).collect()
    }
}

// === impl Page ===

impl Page {
    fn new(member: &Member) -> Self {
        Self {
            address: member.address,
            service: service(member),
            leaving: member.is_leaving(),
            present: true,
            deaths: Vec::new(),
            moves: Vec::new(),
        }
    }

    fn see(&mut self, member: &Member, now: Instant) {
        if self.address != member.address {
            note(&mut self.moves, now);
        }
        self.address = member.address;
        self.service = service(member).or(self.service);
        self.leaving = member.is_leaving();
        self.present = true;
    }

    fn dead_since(&self) -> Option<Instant> {
        self.deaths.last().copied().filter(|_| !self.present)
    }

    fn is_recent(&self, now: Instant) -> bool {
        self.deaths.iter().chain(&self.moves).any(|at| within(*at, now))
    }
}

/// A goodbye leaves no suspicion behind, or one that came to nothing.
fn was_given_up(view: &View, node: NodeId) -> bool {
    let last = view.suspicions().iter().rev().find(|suspicion| suspicion.accused == node);
    last.is_some_and(|suspicion| suspicion.outcome == Outcome::Confirmed)
}

fn service(member: &Member) -> Option<SocketAddr> {
    member.record.as_ref().and_then(|record| record.service)
}

fn note(moments: &mut Vec<Instant>, now: Instant) {
    if moments.len() >= MOMENTS_MAX {
        moments.remove(0);
    }
    moments.push(now);
}

fn within(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) <= WINDOW
}
