//! Asks every member what it sees, so that the cause of trouble can be told.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use gossamer_cluster::diagnosis::{Observations, Report};
use gossamer_cluster::{Cluster, Examiner, Testimony};
use gossamer_wire::{NodeId, method};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::debug;

use crate::chain::Chain;

/// How many members are asked, all at once; more would say the same.
const ASKED_MAX: usize = 64;

/// How long one may take to answer: it dials others meanwhile.
const ANSWER_MAX: Duration = Duration::from_secs(8);

/// What this core sees, and what every member says that it could ask.
pub(crate) async fn consult(cluster: &Cluster, examiner: &Examiner) -> Observations {
    let mut asked = JoinSet::new();
    for member in cluster.view().others().take(ASKED_MAX) {
        asked.spawn(ask(cluster.clone(), member.node));
    }
    let (own, answers) = tokio::join!(examiner.report(), asked.join_all());
    let asker = cluster.node();
    let mut reports = vec![own];
    let mut unheard = Vec::new();
    for (node, report) in answers {
        // Whoever speaks for somebody else is as good as silent.
        match report.filter(|report| report.node == node) {
            Some(report) => reports.push(report),
            None => unheard.push(node),
        }
    }
    reports.sort_by_key(|report| report.node);
    unheard.sort_unstable();
    Observations { asker, reports, unheard }
}

async fn ask(cluster: Cluster, node: NodeId) -> (NodeId, Option<Report>) {
    let asked = SystemTime::now();
    let report = match timeout(ANSWER_MAX, cluster.call(node, method::DIAGNOSE, Bytes::new())).await {
        Ok(Ok(answer)) => Testimony::decode(&answer, asked, SystemTime::now()),
        Ok(Err(error)) => {
            debug!(%node, error = %Chain(&error), "A member says nothing of what it sees");
            None
        }
        Err(_) => None,
    };
    (node, report)
}
