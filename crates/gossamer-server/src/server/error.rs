//! Why a core does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use gossamer_identity::OwnIdentityError;

use crate::access::AccessError;
use crate::issuer;

/// Why a core does not start. Nothing runs; what was made on disk stays for the next attempt.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot use the data directory {path}")]
    Data { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("cannot join the mesh as a core")]
    Enter(#[from] issuer::entering::EnterError),
    #[error("cannot open the authority of the mesh")]
    Issuer(#[from] issuer::OpenError),
    #[error("this core has no identity")]
    Identity(#[from] OwnIdentityError),
    #[error("cannot evaluate policies")]
    Policies(#[from] gossamer_policy::StartError),
    #[error("cannot find the program that evaluates policies")]
    Evaluator(#[source] io::Error),
    #[error("cannot open the registry")]
    Registry(#[from] gossamer_registry::Error),
    #[error("cannot join the cluster")]
    Cluster(#[from] gossamer_cluster::StartError),
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("a task of the start broke off")]
    BrokenOff,
}
