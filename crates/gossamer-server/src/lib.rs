#![doc = include_str!("../README.md")]

pub mod access;
mod calls;
mod chain;
pub mod config;
pub mod decisions;
pub mod directory;
mod doctor;
mod evaluator;
pub mod fanout;
pub mod gateway;
mod generation;
mod health;
pub mod http;
pub mod issuer;
mod layout;
pub mod listeners;
mod lookups;
mod presence;
pub mod proxy;
mod random;
pub mod server;
#[cfg(test)]
mod testing;
pub mod trials;

pub use config::{Config, ConfigError};
pub use evaluator::{EVALUATOR_COMMAND, evaluator};
pub use server::{Addresses, Server, StartError};
