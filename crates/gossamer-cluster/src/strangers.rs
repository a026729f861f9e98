//! Asking cores without a certificate: each address in turn, over a connection pinned to the mesh's roots.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gossamer_identity::{Pin, TlsError, pinned_client_config};
use gossamer_wire::alpn;
use rustls::ClientConfig;
use tokio::time::sleep;
use tracing::warn;

use crate::{
    error::{CallError, Refusal, RefusalKind},
    shell::calling::join_call,
};

/// After the first round without an answer; twice as long after each further one.
const WAIT_FIRST: Duration = Duration::from_millis(250);

/// A core that comes up is found within this.
const WAIT_LAST: Duration = Duration::from_secs(10);

/// Cores that answer nodes without a certificate.
pub struct Strangers {
    addresses: Vec<SocketAddr>,
    /// One for each root that may be at the end of a core's chain.
    tls: Vec<Arc<ClientConfig>>,
}

/// For how long to ask while nobody answers.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    Endless,
    Rounds(u32),
}

/// What came of asking every core.
#[derive(Debug)]
pub enum Round {
    Answered(Bytes),
    /// Every core was reached and none will ever answer otherwise.
    Refused(Refusal),
    /// Somebody may answer later.
    Unanswered,
}

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub enum StrangersError {
    #[error("there is no core to ask")]
    NoCore,
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
}

// === impl Strangers ===

impl Strangers {
    /// Cores at these QUIC addresses, whose chains end in a root with one of these pins.
    pub fn to(addresses: Vec<SocketAddr>, pins: Vec<Pin>) -> Result<Self, StrangersError> {
        if addresses.is_empty() {
            return Err(StrangersError::NoCore);
        }
        let tls = pins.into_iter().map(|pin| pinned_client_config(pin, &[alpn::JOIN]));
        Ok(Self { addresses, tls: tls.collect::<Result<_, _>>()? })
    }

    /// Asks until there is an answer, nothing to hope for, or no more patience.
    pub async fn ask(&self, patience: Patience, method: &str, request: &Bytes) -> Round {
        let (mut wait, mut rounds) = (WAIT_FIRST, 1);
        loop {
            let round = self.round(method, request).await;
            match (&round, patience) {
                (Round::Answered(_) | Round::Refused(_), _) => return round,
                (Round::Unanswered, Patience::Rounds(most)) if rounds >= most => return round,
                (Round::Unanswered, Patience::Rounds(_) | Patience::Endless) => sleep(wait).await,
            }
            wait = (wait * 2).min(WAIT_LAST);
            rounds = rounds.saturating_add(1);
        }
    }

    /// Asks every core once, until one answers.
    pub async fn round(&self, method: &str, request: &Bytes) -> Round {
        let mut refused = None;
        let mut hope = false;
        for address in &self.addresses {
            for tls in &self.tls {
                match join_call(*address, tls.clone(), method, request.clone()).await {
                    Ok(answer) => return Round::Answered(answer),
                    Err(CallError::Refused(refusal)) if is_final(refusal.kind) => refused = Some(refusal),
                    Err(error) => {
                        warn!(core = %address, method, error = &error as &dyn std::error::Error, "A core did not answer");
                        hope = true;
                    }
                }
            }
        }
        match refused {
            Some(refusal) if !hope => Round::Refused(refusal),
            Some(_) | None => Round::Unanswered,
        }
    }
}

/// Whether asking again would be answered in the same way.
fn is_final(kind: RefusalKind) -> bool {
    match kind {
        RefusalKind::Forbidden | RefusalKind::Invalid => true,
        RefusalKind::UnknownMethod | RefusalKind::Unavailable => false,
    }
}
