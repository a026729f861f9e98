//! The core's own certificate, renewed by its own authority for as long as the core runs.

use gossamer_identity::Identity;
use gossamer_identity::renewal::{Renewal, Step};
use time::OffsetDateTime;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Issuer;
use crate::chain::Chain;

/// Renews `identity` at half life until `stop` is cancelled. Metric: when it ends, in seconds since 1970.
pub async fn keep(issuer: Issuer, identity: Identity, stop: CancellationToken) {
    let mut renewal = Renewal::stored(identity.validity(), 0.0);
    loop {
        let ends = identity.validity().not_after;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a float; seconds since 1970 fit in 53 bits"
        )]
        metrics::gauge!("gossamer_identity_not_after_seconds").set(ends.unix_timestamp() as f64);
        match renewal.next(OffsetDateTime::now_utc()) {
            Step::Wait(wait) => tokio::select! {
                () = sleep(wait) => {}
                () = stop.cancelled() => return,
            },
            Step::Renew | Step::Reattest | Step::Rejoin => renew(&issuer, &identity, &mut renewal).await,
        }
    }
}

async fn renew(issuer: &Issuer, identity: &Identity, renewal: &mut Renewal) {
    let of = identity.clone();
    let renewed = issuer.at_the_desk(move |desk| desk.renew_own(&of)).await;
    let now = OffsetDateTime::now_utc();
    match renewed {
        Some(Ok(())) => {
            info!(ends = %identity.validity().not_after, "Renewed the core's own certificate");
            renewal.renewed(identity.validity(), now);
        }
        Some(Err(error)) => {
            warn!(error = %Chain(&error), "Cannot renew the core's own certificate, will retry");
            renewal.failed(now);
        }
        None => renewal.failed(now),
    }
}
