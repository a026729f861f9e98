//! How a plugin that leaves knows that the cores have heard: nobody asks it for anything any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::time::{Instant, sleep};

/// How long the word that we leave takes to get around at least: a few rounds of gossip.
const HEARD_AFTER: Duration = Duration::from_millis(300);

/// No request for so long says that everybody has heard.
const QUIET: Duration = Duration::from_millis(250);

/// A core that has not heard by then asks another instance when this one refuses it.
const SETTLING_MAX: Duration = Duration::from_secs(5);

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Counts the requests that have come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals(Arc<AtomicU64>);

// === impl Arrivals ===

impl Arrivals {
    /// `router`, its requests counted.
    pub(crate) fn counting(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.clone(), count))
    }

    /// Ready when requests have ceased to come, or it is time to end all the same.
    pub(crate) async fn ceased(&self) {
        let began = Instant::now();
        let (mut seen, mut since) = (self.get(), began);
        loop {
            sleep(LOOK_EVERY).await;
            let now = Instant::now();
            let arrived = self.get();
            if arrived != seen {
                (seen, since) = (arrived, now);
            }
            let has_settled = now - began >= HEARD_AFTER && now - since >= QUIET;
            if has_settled || now - began >= SETTLING_MAX {
                return;
            }
        }
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

async fn count(State(arrivals): State<Arrivals>, request: Request, next: Next) -> Response {
    arrivals.0.fetch_add(1, Ordering::Relaxed);
    next.run(request).await
}

#[cfg(test)]
mod tests;
