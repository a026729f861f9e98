//! Keeping a certificate fresh while the process runs: the shell around the renewal core.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use gossamer_cluster::{Cluster, Member, Round, Strangers};
use gossamer_identity::Identity;
use gossamer_identity::renewal::{self, Renewal, Step};
use gossamer_wire::{RenewRequest, Role, method};
use time::OffsetDateTime;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::joining::notes::Notes;
use crate::joining::{self, JoinError};
use crate::log::Chain;

/// Why there is no new certificate yet. The old one stays in use.
#[derive(Debug, thiserror::Error)]
enum NotRenewed {
    #[error("no core of the mesh renewed the certificate")]
    Nobody,
    #[error("the cores refuse the old certificate: {0}")]
    Refused(gossamer_cluster::Refusal),
    #[error(transparent)]
    Answer(#[from] JoinError),
}

/// Renews `identity`, which is stored in `directory`, at half life until `stop` is cancelled.
/// Metric: when the certificate ends, in seconds since 1970.
pub async fn keep(
    directory: impl AsRef<Path>,
    identity: Identity,
    cluster: Cluster,
    stop: CancellationToken,
) {
    let notes = Notes::new(directory.as_ref());
    let mut renewal = Renewal::stored(identity.validity(), renewal::spread(identity.node()));
    loop {
        let ends = identity.validity().not_after;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a float; seconds since 1970 fit in 53 bits"
        )]
        metrics::gauge!("gossamer_identity_not_after_seconds").set(ends.unix_timestamp() as f64);
        let outcome = match renewal.next(OffsetDateTime::now_utc()) {
            Step::Wait(wait) => tokio::select! {
                () = sleep(wait) => continue,
                () = stop.cancelled() => return,
            },
            step @ (Step::Renew | Step::Reattest | Step::Rejoin) => tokio::select! {
                outcome = take(step, &notes, &identity, &cluster) => outcome,
                () = stop.cancelled() => return,
            },
        };
        let now = OffsetDateTime::now_utc();
        match outcome {
            Ok(()) => {
                info!(ends = %identity.validity().not_after, "Renewed the certificate");
                renewal.renewed(identity.validity(), now);
            }
            Err(error) => {
                warn!(error = %Chain(&error), ends = %ends, "The certificate was not renewed, will retry");
                renewal.failed(now);
            }
        }
    }
}

async fn take(step: Step, notes: &Notes, identity: &Identity, cluster: &Cluster) -> Result<(), NotRenewed> {
    let answer = match step {
        Step::Wait(_) => return Ok(()),
        Step::Renew => renew(identity, cluster).await?,
        Step::Reattest => reattest(notes, identity, cluster).await?,
        Step::Rejoin => {
            error!("The certificate ended too long ago; restart the node with a new token");
            reattest(notes, identity, cluster).await?
        }
    };
    Ok(joining::renewed(notes, identity, &answer).await?)
}

/// Asks the cores of the mesh, each in its turn.
async fn renew(identity: &Identity, cluster: &Cluster) -> Result<Bytes, NotRenewed> {
    let csr = identity.signing_request().map_err(JoinError::from)?;
    let request = RenewRequest { csr: csr.into() }.encode();
    for core in cores(identity, cluster) {
        match cluster.call(core.node, method::RENEW, request.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => warn!(core = %core.node, error = %Chain(&error), "A core did not renew"),
        }
    }
    Err(NotRenewed::Nobody)
}

/// Asks as one without a certificate, because peers refuse the one that has ended.
async fn reattest(notes: &Notes, identity: &Identity, cluster: &Cluster) -> Result<Bytes, NotRenewed> {
    let mut addresses = notes.issuers()?;
    addresses.extend(cores(identity, cluster).iter().map(|core| core.address));
    addresses.sort();
    addresses.dedup();
    let strangers = Strangers::to(addresses, identity.pins()).map_err(JoinError::from)?;
    let request = identity.reattest_request().map_err(JoinError::from)?.encode();
    match strangers.round(method::REATTEST, &request).await {
        Round::Answered(answer) => Ok(answer),
        Round::Refused(refusal) => Err(NotRenewed::Refused(refusal)),
        Round::Unanswered => Err(NotRenewed::Nobody),
    }
}

/// In an order of this node's own, so that nodes spread over the cores.
fn cores(identity: &Identity, cluster: &Cluster) -> Vec<Arc<Member>> {
    cluster.view().ranked(&Role::Core, &identity.node().to_string())
}

#[cfg(test)]
mod tests;
