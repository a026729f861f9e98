#![doc = include_str!("../README.md")]

pub mod alpn;
mod announcement;
mod codec;
mod error;
pub mod event;
mod generation;
mod join;
mod mesh_name;
pub mod method;
mod node_id;
mod policy;
mod proto;
mod pull;
mod record;
mod role;
mod routes;
mod trust;

pub use announcement::Announcement;
pub use error::{InvalidMessage, Malformed};
pub use generation::Generation;
pub use join::{JoinConfirm, JoinConfirmed, JoinRequest, JoinResponse, ReattestRequest, RenewRequest};
pub use mesh_name::{InvalidMeshName, MeshName};
pub use node_id::{InvalidNodeId, NodeId};
pub use policy::Policy;
pub use pull::{PullRequest, PullResponse};
pub use record::Record;
pub use role::Role;
pub use routes::{LastGood, PluginRoute, Routes};
pub use trust::{Eviction, Trust};

#[cfg(test)]
mod tests;
