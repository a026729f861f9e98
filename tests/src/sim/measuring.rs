//! What a simulation is measured by: who sees whom, who has heard what, and what all of it cost in packets.

use std::ops::Sub;
use std::time::Duration;

use super::Sim;

/// Packets and letters that were sent, and their bytes, without what QUIC, UDP and IP add.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub packets: u64,
    pub bytes: u64,
}

// === impl Sim ===

impl Sim {
    /// Everything that was sent so far, lost or not.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// How many other hosts that run count this one among their members.
    pub fn seen_by(&self, host: usize) -> usize {
        let node = self.hosts[host].node;
        let others = self.hosts.iter().filter(|other| other.node != node);
        others.filter_map(|other| other.view()).filter(|view| view.get(node).is_some()).count()
    }

    /// Whether every host that runs sees as many members as there are such hosts.
    pub fn sees_all(&self) -> bool {
        let running = self.hosts.iter().filter(|host| host.core.is_some()).count();
        self.hosts.iter().filter_map(|host| host.view()).all(|view| view.members().count() == running)
    }

    /// Whether every host that runs has what this one last said of itself.
    pub fn have_news_of(&self, host: usize) -> bool {
        let (node, record) = (self.hosts[host].node, self.hosts[host].own_record());
        let has = |view: std::sync::Arc<gossamer_cluster::View>| {
            view.get(node).is_some_and(|member| member.record.as_deref() == record.as_ref())
        };
        self.hosts.iter().filter_map(|host| host.view()).all(has)
    }

    /// Runs until `condition` holds, which is looked at every `step`. Says how long it took, unless that is `limit`.
    pub fn run_until(
        &mut self,
        step: Duration,
        limit: Duration,
        condition: impl Fn(&Self) -> bool,
    ) -> Option<Duration> {
        let begin = self.now;
        while !condition(self) {
            if self.now - begin >= limit {
                return None;
            }
            self.run_for(step);
        }
        Some(self.now - begin)
    }

    /// Notes that something was sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.traffic.packets += 1;
        self.traffic.bytes += u64::try_from(bytes).unwrap();
    }
}

// === impl Traffic ===

impl Sub for Traffic {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { packets: self.packets - earlier.packets, bytes: self.bytes - earlier.bytes }
    }
}
