//! The addresses of members on disk, so that a node that restarts finds its cluster without a seed.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gossamer_wire::NodeId;
use tokio::sync::watch;
use tracing::warn;

use crate::membership::REMEMBERED_MAX;

/// The file in the directory of the cluster: a JSON object from node to address.
const FILE: &str = "members.json";

/// How often it is written at most. What is lost in a crash is a second old.
const PAUSE: Duration = Duration::from_secs(1);

/// Where members were last seen.
pub(crate) type Addresses = BTreeMap<NodeId, SocketAddr>;

/// Reads what an earlier run left. A file that is not ours to understand is no reason not to start.
pub(crate) fn load(directory: &Path) -> io::Result<Addresses> {
    fs::create_dir_all(directory)?;
    let content = match fs::read(directory.join(FILE)) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Addresses::new()),
        Err(error) => return Err(error),
    };
    match serde_json::from_slice::<Addresses>(&content) {
        Ok(addresses) => Ok(addresses.into_iter().take(REMEMBERED_MAX).collect()),
        Err(error) => {
            warn!(%error, file = FILE, "The remembered members are unreadable and are forgotten");
            Ok(Addresses::new())
        }
    }
}

/// Writes the addresses whenever they change, the last time when the sender is gone.
pub(crate) async fn keep(directory: PathBuf, mut addresses: watch::Receiver<Arc<Addresses>>) {
    while addresses.changed().await.is_ok() {
        let (directory, latest) = (directory.clone(), Arc::clone(&addresses.borrow_and_update()));
        match tokio::task::spawn_blocking(move || store(&directory, &latest)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, file = FILE, "The members could not be remembered"),
            Err(error) => warn!(%error, file = FILE, "The members could not be remembered"),
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = closed(&addresses) => {}
        }
    }
}

async fn closed(addresses: &watch::Receiver<Arc<Addresses>>) {
    while addresses.has_changed().is_ok() {
        tokio::time::sleep(PAUSE / 20).await;
    }
}

/// All of the old file or all of the new, whatever happens meanwhile.
fn store(directory: &Path, addresses: &Addresses) -> io::Result<()> {
    let (path, draft) = (directory.join(FILE), directory.join(format!("{FILE}.new")));
    let mut file = File::create(&draft)?;
    file.write_all(&serde_json::to_vec_pretty(addresses)?)?;
    file.sync_all()?;
    fs::rename(&draft, &path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests;
