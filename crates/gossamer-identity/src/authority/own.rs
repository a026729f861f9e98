//! The authority's own core: it needs no token to speak in its own mesh.

use std::path::Path;
use std::time::Duration;

use gossamer_wire::Role;
use time::OffsetDateTime;

use super::{Authority, IssueError};
use crate::credentials::CredentialsError;
use crate::identity::{InvalidCredentials, LoadError};
use crate::key::{KeyError, NodeKey};
use crate::renewal::{Renewal, Step};
use crate::{Grant, Identity, SigningRequest, Validity};

/// Why a core has no identity of its own, or no new certificate. What it had is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OwnIdentityError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the core's key is unusable")]
    Key(#[from] KeyError),
    #[error("cannot issue the core's own certificate")]
    Issue(#[from] IssueError),
    #[error("cannot store the core's own certificate")]
    Store(#[from] CredentialsError),
    #[error("the core's own certificate cannot be used")]
    Invalid(#[from] InvalidCredentials),
}

// === impl Authority ===

impl Authority {
    /// The identity of the core that has this identity directory: issued and stored at its first start,
    /// loaded after that, and renewed on the way if half of its life is over.
    pub fn own_identity(
        &self,
        directory: &Path,
        lifetime: Duration,
        now: OffsetDateTime,
    ) -> Result<Identity, OwnIdentityError> {
        if let Some(identity) = Identity::load(directory)?
            && identity.id().mesh == self.mesh
            && identity.id().role == Role::Core
        {
            match Renewal::stored(identity.validity(), 0.0).next(now) {
                Step::Wait(_) if identity.roots() == self.roots => {}
                Step::Wait(_) => self.renew_own(&identity, directory, lifetime, now)?,
                Step::Renew | Step::Reattest | Step::Rejoin => {
                    self.renew_own(&identity, directory, lifetime, now)?;
                }
            }
            return Ok(identity);
        }
        let key = NodeKey::load_or_create(directory)?;
        let identity = self.enrol(key, &Grant::role(Role::Core), lifetime, now)?;
        identity.store(directory)?;
        Ok(identity)
    }

    /// Issues the core's next certificate, takes it into use and stores it.
    pub fn renew_own(
        &self,
        identity: &Identity,
        directory: &Path,
        lifetime: Duration,
        now: OffsetDateTime,
    ) -> Result<(), OwnIdentityError> {
        let request = SigningRequest::parse(&identity.signing_request()?).map_err(IssueError::from)?;
        let grant = Grant::role(Role::Core);
        let validity = Validity::starting(now, lifetime);
        identity.replace(self.issue(&request, identity.node(), &grant, validity)?)?;
        Ok(identity.store(directory)?)
    }
}
