#![doc = include_str!("../README.md")]

mod announcing;
mod client;
mod context;
mod database;
mod home;
mod inbox;
mod instances;
pub mod joining;
mod listener;
mod log;
mod manifest;
mod options;
mod plugin;
pub mod renewing;
mod runner;
mod service;
mod settling;
pub mod testing;
mod trusting;

pub use announcing::InvalidDeclaration;
pub use client::{Artifact, ClientError, Deleted, Pushed, RegistryClient, TransportError};
pub use context::Context;
pub use database::{Database, DatabaseError};
pub use home::HomeError;
pub use inbox::{EnqueueError, Inbox, WaitError};
pub use instances::{Epoch, Instances};
pub use manifest::manifest_of;
pub use options::{InvalidOptions, Options};
pub use plugin::{Effect, Plugin, PluginError, Retry};
pub use runner::{RunError, main, main_with, run, run_until};

// The words of the trait above: an author names them and depends on this crate alone.
pub use gossamer_events::{Action, Event, LogId, Origin, Position, Sequence};
pub use gossamer_oci::{
    Descriptor, Digest, InvalidManifest, Manifest, MediaType, Reference, RepositoryName, Tag,
};
pub use gossamer_wire::{NodeId, Policy};
pub use {axum, rusqlite};
