#![doc = include_str!("../README.md")]

mod admission;
mod authority;
mod certificate;
mod credentials;
mod evictions;
mod files;
mod grant;
mod identity;
mod join_token;
mod key;
mod ledger;
mod peer;
mod pin;
pub mod renewal;
mod signing_request;
mod spiffe;
mod tls;
mod validity;

#[cfg(test)]
mod testing;

pub use admission::{NotAdmitted, admit};
pub use authority::{
    Authority, AuthorityError, AuthorityKey, IssueError, OwnIdentityError, ReattestRefused, RotateError,
};
pub use certificate::InvalidCertificate;
pub use credentials::{Credentials, CredentialsError};
pub use evictions::{Evictions, EvictionsFile, EvictionsFileError, EvictionsFull};
pub use grant::{Grant, GrantPattern, InvalidGrantPattern};
pub use identity::{Identity, InvalidCredentials, LoadError};
pub use join_token::{InvalidJoinToken, JoinToken, Secret, TokenId};
pub use key::{KeyError, NodeKey};
pub use ledger::{Ledger, LedgerFile, LedgerFileError, LedgerFull, TokenRefused};
pub use peer::Peer;
pub use pin::{InvalidPin, Pin};
pub use signing_request::{InvalidSigningRequest, SigningRequest};
pub use spiffe::{InvalidSpiffeId, SpiffeId};
pub use tls::{ClientAuth, TlsError, pinned_client_config, server_name};
pub use validity::Validity;
