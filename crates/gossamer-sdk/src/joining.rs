//! How a node gets its identity: from last time, with its token, or back with the key that it kept.

pub(crate) mod notes;

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gossamer_cluster::{Patience, Refusal, Round, Strangers, StrangersError};
use gossamer_identity::renewal::{Renewal, Step};
use gossamer_identity::{
    Credentials, CredentialsError, Identity, InvalidCredentials, JoinToken, KeyError, LoadError, NodeKey,
    NotAdmitted, admit,
};
use gossamer_wire::{InvalidMessage, JoinConfirm, JoinRequest, JoinResponse, MeshName, method};
use time::OffsetDateTime;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::log::Chain;
use notes::Notes;

/// For what the node can do without: a confirmation, as the token expires by itself; another mesh of the
/// same name, as it has a certificate.
const A_FEW_ROUNDS: Patience = Patience::Rounds(3);

/// Why a node has no identity. What it had stored is as it was.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("this node has not joined yet: give it a token in GOSSAMER_JOIN or GOSSAMER_JOIN_FILE")]
    NoToken,
    #[error("the certificate ended too long ago: give the node a new token")]
    Ended,
    #[error(
        "the node belongs to the mesh {stored}, but the token is for {token}; use another data directory"
    )]
    OtherMesh { stored: MeshName, token: MeshName },
    #[error("the core refused")]
    Refused(#[source] Refusal),
    #[error("no core answered")]
    Unanswered,
    #[error("the core's answer is malformed")]
    Answer(#[from] InvalidMessage),
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    #[error("the new certificate cannot be used")]
    Invalid(#[from] InvalidCredentials),
    #[error("the node's key is unusable")]
    Key(#[from] KeyError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("cannot store the certificate")]
    Store(#[from] CredentialsError),
    #[error("cannot use {}", path.display())]
    Notes { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Strangers(#[from] StrangersError),
    #[error("the process is stopping")]
    Stopping,
}

/// The identity of the node whose identity directory this is. With a certificate from last time, that one;
/// else by `token`, which may be gone afterwards. Asks until a core answers.
pub async fn join(directory: &Path, token: Option<&JoinToken>) -> Result<Identity, JoinError> {
    let notes = Notes::new(directory);
    let at = directory.to_owned();
    match (blocking(move || Ok(Identity::load(&at)?)).await, token) {
        (Ok(Some(identity)), token) => resume(&notes, identity, token).await,
        (Ok(None), Some(token)) => enter(&notes, token, Patience::Endless).await,
        (Ok(None), None) => Err(JoinError::NoToken),
        // As a crash leaves them while a node moves to a mesh that was made anew.
        (Err(JoinError::Load(LoadError::Invalid(error))), Some(token)) => {
            warn!(error = %Chain(&error), "The stored certificates do not fit together, joining with the token");
            enter(&notes, token, Patience::Endless).await
        }
        (Err(error), _) => Err(error),
    }
}

// === from last time ===

async fn resume(notes: &Notes, identity: Identity, token: Option<&JoinToken>) -> Result<Identity, JoinError> {
    if let Some(token) = token
        && *token.mesh() != identity.id().mesh
    {
        return Err(JoinError::OtherMesh { stored: identity.id().mesh, token: token.mesh().clone() });
    }
    if let Some(token) = token
        && !identity.pins().contains(&token.pin())
    {
        match enter(notes, token, A_FEW_ROUNDS).await {
            Err(JoinError::Refused(_) | JoinError::Unanswered) => {
                warn!("The token is for other roots and helps no longer, keeping the stored certificate");
            }
            outcome => return outcome,
        }
    }
    match (Renewal::stored(identity.validity(), 0.0).next(OffsetDateTime::now_utc()), token) {
        (Step::Wait(_) | Step::Renew, _) => {}
        (Step::Reattest, token) => match (come_back(notes, &identity).await, token) {
            (Err(JoinError::Refused(refusal)), Some(token)) => {
                warn!(%refusal, "The old certificate does not help, trying the token");
                return enter(notes, token, Patience::Endless).await;
            }
            (outcome, _) => outcome?,
        },
        (Step::Rejoin, Some(token)) => return enter(notes, token, Patience::Endless).await,
        (Step::Rejoin, None) => return Err(JoinError::Ended),
    }
    settle(notes, &identity, token).await?;
    Ok(identity)
}

/// Confirms what an earlier life of this process stored but could not confirm.
async fn settle(notes: &Notes, identity: &Identity, token: Option<&JoinToken>) -> Result<(), JoinError> {
    let Some(unconfirmed) = notes.unconfirmed()? else { return Ok(()) };
    match token {
        Some(token) if token.id() == unconfirmed => confirm(notes, identity, token).await,
        Some(_) | None => notes.confirmed(),
    }
}

/// Trades a certificate that has ended for a new one.
async fn come_back(notes: &Notes, identity: &Identity) -> Result<(), JoinError> {
    warn!(ended = %identity.validity().not_after, "The certificate has ended, coming back with the stored key");
    let strangers = Strangers::to(notes.issuers()?, identity.pins())?;
    let request = identity.reattest_request()?.encode();
    let answer = answered(strangers.ask(Patience::Endless, method::REATTEST, &request).await)?;
    renewed(notes, identity, &answer).await
}

/// Takes an issuer's answer to a node that has an identity already into use, and stores it.
pub(crate) async fn renewed(notes: &Notes, identity: &Identity, answer: &[u8]) -> Result<(), JoinError> {
    let response = JoinResponse::decode(answer)?;
    identity.replace(Credentials::from_response(&response))?;
    if !response.cores.is_empty() {
        notes.note_issuers(&response.cores)?;
    }
    store(notes, identity).await
}

// === with a token ===

async fn enter(notes: &Notes, token: &JoinToken, patience: Patience) -> Result<Identity, JoinError> {
    let directory = notes.directory().to_owned();
    let key = blocking(move || Ok(NodeKey::load_or_create(&directory)?)).await?;
    let request = JoinRequest {
        token_id: token.id().to_string(),
        secret: token.secret().reveal(),
        csr: key.signing_request()?.into(),
        authority_csr: None,
    };
    let strangers = Strangers::to(token.cores().to_vec(), vec![token.pin()])?;
    info!(mesh = %token.mesh(), node = %key.node(), token = %token.id(), "Joining");
    let answer = answered(strangers.ask(patience, method::JOIN, &request.encode()).await)?;
    let response = JoinResponse::decode(&answer)?;
    let identity = admit(key, token, &response)?;

    // The certificate last: with it, the node has joined, and with the notes it knows what is left to do.
    notes.note_issuers(if response.cores.is_empty() { token.cores() } else { &response.cores })?;
    notes.note_unconfirmed(token.id())?;
    store(notes, &identity).await?;
    confirm(notes, &identity, token).await?;
    Ok(identity)
}

/// Burns the token. A failure is no reason to stay out: the certificate is stored, and the token expires.
async fn confirm(notes: &Notes, identity: &Identity, token: &JoinToken) -> Result<(), JoinError> {
    let request = JoinConfirm {
        token_id: token.id().to_string(),
        secret: token.secret().reveal(),
        certificate_digest: identity.peer().certificate,
    };
    let strangers = Strangers::to(token.cores().to_vec(), vec![token.pin()])?;
    match strangers.ask(A_FEW_ROUNDS, method::CONFIRM, &request.encode()).await {
        Round::Answered(_) => {}
        Round::Refused(refusal) => warn!(%refusal, "The token could not be burnt"),
        Round::Unanswered => {
            warn!("Nobody burnt the token; it will be tried again at the next start");
            return Ok(());
        }
    }
    notes.confirmed()
}

fn answered(round: Round) -> Result<Bytes, JoinError> {
    match round {
        Round::Answered(answer) => Ok(answer),
        Round::Refused(refusal) => Err(JoinError::Refused(refusal)),
        Round::Unanswered => Err(JoinError::Unanswered),
    }
}

async fn store(notes: &Notes, identity: &Identity) -> Result<(), JoinError> {
    let (identity, directory) = (identity.clone(), notes.directory().to_owned());
    blocking(move || Ok(identity.store(&directory)?)).await
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, JoinError> + Send + 'static,
) -> Result<T, JoinError> {
    spawn_blocking(act).await.map_err(|_| JoinError::Stopping)?
}

#[cfg(test)]
pub(crate) mod test_issuer;
#[cfg(test)]
mod tests;
