//! What is counted: traffic, members, suspicions and every bound that was hit.

use metrics::{counter, gauge};

use crate::membership::Fault;

/// A packet or a letter on its way out.
pub(crate) fn sent(bytes: usize) {
    counter!("gossamer_cluster_messages_total", "direction" => "sent").increment(1);
    counter!("gossamer_cluster_bytes_total", "direction" => "sent").increment(wide(bytes));
}

/// A packet or a letter that came in.
pub(crate) fn received(bytes: usize) {
    counter!("gossamer_cluster_messages_total", "direction" => "received").increment(1);
    counter!("gossamer_cluster_bytes_total", "direction" => "received").increment(wide(bytes));
}

/// Something that a bound, or the network, made us drop.
pub(crate) fn dropped(why: &'static str, count: usize) {
    counter!("gossamer_cluster_dropped_total", "why" => why).increment(wide(count));
}

/// Something that a peer should not have sent.
pub(crate) fn fault(fault: Fault) {
    counter!("gossamer_cluster_faults_total", "fault" => fault.as_str()).increment(1);
}

/// Who knocked and was not let in.
pub(crate) fn refused(why: &'static str) {
    counter!("gossamer_cluster_refused_total", "why" => why).increment(1);
}

pub(crate) fn dialled(reached: bool) {
    let outcome = if reached { "reached" } else { "failed" };
    counter!("gossamer_cluster_dials_total", "outcome" => outcome).increment(1);
}

pub(crate) fn suspected() {
    counter!("gossamer_cluster_suspicions_total").increment(1);
}

pub(crate) fn called(direction: &'static str, answered: bool) {
    let outcome = if answered { "answered" } else { "failed" };
    counter!("gossamer_cluster_calls_total", "direction" => direction, "outcome" => outcome).increment(1);
}

/// How little this node trusts its own judgement of others: 0 to 8.
pub(crate) fn health(score: u32) {
    gauge!("gossamer_cluster_health_score").set(f64::from(score));
}

/// Live members, ourselves included.
pub(crate) fn members(count: usize) {
    gauge!("gossamer_cluster_members").set(count as f64);
}

/// Members that we have a connection to for gossip.
pub(crate) fn connections(count: usize) {
    gauge!("gossamer_cluster_connections").set(count as f64);
}

/// All connections of the endpoint, of every protocol and direction.
pub(crate) fn open_connections(count: usize) {
    gauge!("gossamer_cluster_open_connections").set(count as f64);
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
