//! Asking another core by what it routes, and for what it remembers of plugins that are away.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gossamer_cluster::Cluster;
use gossamer_oci::{Digest, PluginName};
use gossamer_wire::{Announcement, LastGood, NodeId, PullRequest, PullResponse, Routes, method};
use tokio::time::timeout;
use tracing::debug;

use super::roster::{Kept, Since};
use super::snapshot::Snapshot;
use crate::chain::Chain;

/// A core answers from memory.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Announcements taken over at one time; the rest come with the next asking.
const TAKEN_MAX: usize = 64;

/// By what `core` routes now.
pub async fn ask(cluster: &Cluster, core: NodeId) -> Result<Routes, String> {
    let answer = timeout(ANSWER_TIMEOUT, cluster.call(core, method::ROUTES, Bytes::new())).await;
    let answer = answer.map_err(|_| "it did not answer in time".to_owned())?;
    Routes::decode(&answer.map_err(|error| Chain(&error).to_string())?)
        .map_err(|error| Chain(&error).to_string())
}

/// What `core` remembers of plugins that are away here, where that is later than what is remembered here.
pub(super) async fn learn(cluster: Cluster, core: NodeId, snapshot: Arc<Snapshot>) -> Vec<Kept> {
    let routes = match ask(&cluster, core).await {
        Ok(routes) => routes,
        Err(reason) => {
            debug!(%core, reason, "A core that routes otherwise does not say how");
            return Vec::new();
        }
    };
    let mut learnt = Vec::new();
    for offered in wanted(&snapshot, &routes.last_good).into_iter().take(TAKEN_MAX) {
        match fetch(&cluster, core, offered).await {
            Ok(kept) => learnt.push(kept),
            Err(reason) => {
                debug!(%core, plugin = %offered.plugin, reason, "What a core remembers was not taken");
            }
        }
    }
    learnt
}

/// Of plugins that are away, what is later than here.
fn wanted<'a>(snapshot: &Snapshot, offered: &'a [LastGood]) -> Vec<&'a LastGood> {
    let here: BTreeMap<PluginName, (Since, Digest)> = snapshot.last_good().collect();
    let is_wanted = |offered: &&LastGood| {
        let known = here.get(&offered.plugin);
        let is_later =
            known.is_none_or(|known| *known < (Since::from_millis(offered.since_ms), offered.announcement));
        is_later && snapshot.instances(&offered.plugin).is_empty()
    };
    offered.iter().filter(is_wanted).collect()
}

/// The announcement itself. That it was once checked is the core's word; its policy is judged here all the same.
async fn fetch(cluster: &Cluster, core: NodeId, offered: &LastGood) -> Result<Kept, String> {
    let request = PullRequest { digest: offered.announcement }.encode();
    let answer = timeout(ANSWER_TIMEOUT, cluster.call(core, method::PULL, request)).await;
    let answer = answer.map_err(|_| "it did not answer in time".to_owned())?;
    let answer = answer.map_err(|error| Chain(&error).to_string())?;
    let answer = PullResponse::decode(&answer).map_err(|error| Chain(&error).to_string())?;
    let content = answer.announcement.ok_or("it does not have it any more")?;
    if Digest::sha256(&content) != offered.announcement {
        return Err("it sent something else".to_owned());
    }
    let announcement = Announcement::decode(&content).map_err(|error| Chain(&error).to_string())?;
    if announcement.plugin != offered.plugin {
        return Err(format!("it is an announcement of {}", announcement.plugin));
    }
    Ok(Kept { since: Since::from_millis(offered.since_ms), announcement: Arc::new(announcement) })
}
