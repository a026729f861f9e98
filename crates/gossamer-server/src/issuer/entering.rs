//! How a further core gets into a mesh: with a core token, and an authority of its own below the root.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gossamer_cluster::{Patience, Refusal, Round, Strangers, StrangersError};
use gossamer_identity::{
    Authority, AuthorityError, AuthorityKey, CredentialsError, Identity, InvalidJoinToken, JoinToken,
    KeyError, NodeKey, NotAdmitted, admit,
};
use gossamer_wire::{InvalidMessage, JoinConfirm, JoinRequest, JoinResponse, MeshName, Role, method};
use tokio::task::spawn_blocking;
use tracing::{info, warn};

/// The core starts without the confirmation: the token is tied to its key, and expires.
const CONFIRMING: Patience = Patience::Rounds(3);

/// QUIC addresses of the cores that the core joined, one on a line, beside its authority. It may be killed before
/// it has met anybody else.
const CORES_FILE: &str = "cores";

/// Why a core could not join. Its keys are kept for the next attempt.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    #[error("cannot use {path}")]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Token(#[from] InvalidJoinToken),
    #[error("the token is for {0}, not for a core")]
    NotForACore(Role),
    #[error("the token is for the mesh {token}, but this core is configured for {configured}")]
    OtherMesh { configured: MeshName, token: MeshName },
    #[error(transparent)]
    Strangers(#[from] StrangersError),
    #[error("the core refused")]
    Refused(#[source] Refusal),
    #[error("no core answered")]
    Unanswered,
    #[error("the core's answer is malformed")]
    Answer(#[from] InvalidMessage),
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    #[error("this core's key is unusable")]
    Key(#[from] KeyError),
    #[error("what the root certified cannot be used")]
    Authority(#[from] AuthorityError),
    #[error("cannot store the certificate")]
    Store(#[from] CredentialsError),
    #[error("the process is stopping")]
    Stopping,
}

/// The token in `text`, else the one in the file. A file that is gone has served.
pub fn token(text: Option<&str>, file: Option<&Path>) -> Result<Option<JoinToken>, EnterError> {
    let read = |path: &Path| match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EnterError::File { path: path.to_owned(), source }),
    };
    let text = match (text, file) {
        (Some(text), _) => Some(text.to_owned()),
        (None, Some(path)) => read(path)?,
        (None, None) => None,
    };
    Ok(text.map(|text| text.parse()).transpose()?)
}

/// Joins `mesh` with `token`, unless this identity directory holds an authority already. Afterwards it holds
/// one, and the core's own first certificate. Asks until a core answers.
pub async fn enter(directory: &Path, mesh: &MeshName, token: &JoinToken) -> Result<(), EnterError> {
    if token.mesh() != mesh {
        return Err(EnterError::OtherMesh { configured: mesh.clone(), token: token.mesh().clone() });
    }
    if token.grant().role != Role::Core {
        return Err(EnterError::NotForACore(token.grant().role.clone()));
    }
    if Authority::exists(directory) {
        info!("This core has joined before, passing over the token");
        return Ok(());
    }
    let at = directory.to_owned();
    let keys = blocking(move || Ok((NodeKey::load_or_create(&at)?, AuthorityKey::load_or_create(&at)?)));
    let (key, authority) = keys.await?;
    let request = JoinRequest {
        token_id: token.id().to_string(),
        secret: token.secret().reveal(),
        csr: key.signing_request()?.into(),
        authority_csr: Some(authority.signing_request()?.into()),
    };
    let strangers = Strangers::to(token.cores().to_vec(), vec![token.pin()])?;
    info!(%mesh, node = %key.node(), token = %token.id(), "Joining as a core");
    let answer = match strangers.ask(Patience::Endless, method::JOIN, &request.encode()).await {
        Round::Answered(answer) => answer,
        Round::Refused(refusal) => return Err(EnterError::Refused(refusal)),
        Round::Unanswered => return Err(EnterError::Unanswered),
    };
    let response = JoinResponse::decode(&answer)?;
    let identity = admit(key, token, &response)?;
    let certificates = response.authority.iter().map(|der| der.to_vec().into()).collect();
    // The authority last: with it, the core has joined.
    let (at, mesh, joined) = (directory.to_owned(), mesh.clone(), identity.clone());
    let cores: String = token.cores().iter().map(|core| format!("{core}\n")).collect();
    let stored = blocking(move || {
        let path = at.join(CORES_FILE);
        fs::write(&path, cores).map_err(|source| EnterError::File { path, source })?;
        joined.store(&at)?;
        authority.install(&mesh, certificates, joined.roots())?;
        Ok(())
    });
    stored.await?;
    confirm(&strangers, token, &identity).await;
    Ok(())
}

/// Whom the core joined when it entered; nobody, if it began a mesh of its own.
pub fn cores(directory: &Path) -> Vec<SocketAddr> {
    let text = fs::read_to_string(directory.join(CORES_FILE)).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, EnterError> + Send + 'static,
) -> Result<T, EnterError> {
    spawn_blocking(act).await.map_err(|_| EnterError::Stopping)?
}

/// Burns the token.
async fn confirm(strangers: &Strangers, token: &JoinToken, identity: &Identity) {
    let request = JoinConfirm {
        token_id: token.id().to_string(),
        secret: token.secret().reveal(),
        certificate_digest: identity.peer().certificate,
    };
    match strangers.ask(CONFIRMING, method::CONFIRM, &request.encode()).await {
        Round::Answered(_) => {}
        Round::Refused(refusal) => warn!(%refusal, "The token could not be burnt"),
        Round::Unanswered => warn!("Nobody burnt the token; it stays tied to this core until it expires"),
    }
}
