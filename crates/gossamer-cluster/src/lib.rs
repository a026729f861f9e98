#![doc = include_str!("../README.md")]

mod cache;
mod calls;
mod cluster;
mod config;
pub mod diagnosis;
mod error;
mod examiner;
pub mod membership;
mod meter;
mod rendezvous;
mod shell;
mod sightings;
mod strangers;
mod view;
mod welcome;

pub use calls::{CALL_BYTES_MAX, Calls, JOIN_BYTES_MAX};
pub use cluster::Cluster;
pub use config::{Config, Tuning};
pub use error::{CallError, InvalidTuning, PublishError, Refusal, RefusalKind, StartError};
pub use examiner::{Examiner, Testimony, Witness};
pub use membership::{Outcome, Suspicion};
pub use rendezvous::rank;
pub use shell::calling::join_call;
pub use strangers::{Patience, Round, Strangers, StrangersError};
pub use view::{Member, State, View};
pub use welcome::{Unwelcome, fresh_for, until_stale, until_unwelcome};
