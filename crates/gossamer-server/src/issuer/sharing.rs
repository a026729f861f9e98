//! Telling every member whom to trust: at once when that changes, and each life of a member once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use gossamer_cluster::{Cluster, Member};
use gossamer_oci::Digest;
use gossamer_wire::{NodeId, Role, Trust, method};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::Issuer;

/// A member that was not reached is tried again this often, while it is in view.
const RETRY: Duration = Duration::from_millis(500);

/// A call to a member that vanished must not keep news from it when it is back.
const CALL_MAX: Duration = Duration::from_secs(2);

/// What a member has heard: in which of its lives, and of which state.
type Told = BTreeMap<NodeId, (Instant, Digest)>;

/// What a member answered: whose life, what it was told, and what it said to that.
struct Answer {
    member: NodeId,
    told: (Instant, Digest),
    said: Option<Option<Trust>>,
}

/// Tells until `stop` is cancelled, and follows the root.
pub async fn keep(issuer: Issuer, cluster: Cluster, stop: CancellationToken) {
    let (mut news, mut views) = (issuer.news(), cluster.watch());
    let (mut told, mut calls) = (Told::new(), FuturesUnordered::new());
    let mut calling = BTreeSet::new();
    loop {
        let trust = issuer.trust();
        let digest = Digest::sha256(&trust.encode());
        for member in due(&cluster, &trust, &told, digest) {
            if calling.insert(member.node) {
                calls.push(tell(&cluster, member, trust.encode(), digest));
            }
        }
        let answered = tokio::select! {
            () = stop.cancelled() => return,
            Some(answer) = calls.next() => Some(answer),
            Ok(()) = news.changed() => None,
            Ok(()) = views.changed() => None,
            () = sleep(RETRY) => None,
        };
        if issuer.is_due() {
            issuer.follow_root(&cluster).await;
        }
        let Some(Answer { member, told: state, said }) = answered else {
            issuer.retire().await;
            continue;
        };
        calling.remove(&member);
        if let Some(said) = said {
            told.insert(member, state);
            let view = cluster.view();
            told.retain(|node, _| view.get(*node).is_some());
            if let Some(theirs) = said {
                issuer.merge(theirs).await;
            }
        }
    }
}

/// Members that have not heard of this state. Of no evictions, only cores are told, for the sake of the roots.
fn due(cluster: &Cluster, trust: &Trust, told: &Told, digest: Digest) -> Vec<std::sync::Arc<Member>> {
    let view = cluster.view();
    let has_heard = |member: &Member| told.get(&member.node) == Some(&(member.since, digest));
    let is_concerned = |member: &Member| !trust.evictions.is_empty() || member.role() == Some(&Role::Core);
    view.others().filter(|member| is_concerned(member) && !has_heard(member)).cloned().collect()
}

async fn tell(
    cluster: &Cluster,
    member: std::sync::Arc<Member>,
    trust: bytes::Bytes,
    digest: Digest,
) -> Answer {
    let called = timeout(CALL_MAX, cluster.call(member.node, method::TRUST, trust)).await;
    let said = match called {
        Ok(Ok(answer)) => Some(Trust::decode(&answer).ok()),
        Ok(Err(error)) => {
            debug!(member = %member.node, %error, "A member did not hear whom to trust");
            sleep(RETRY).await;
            None
        }
        Err(_) => None,
    };
    Answer { member: member.node, told: (member.since, digest), said }
}
