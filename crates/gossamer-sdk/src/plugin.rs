//! What a plugin is: the one trait that its author writes.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use gossamer_events::Event;
use gossamer_wire::Policy;
use rusqlite::Connection;

use crate::Context;

/// Any error of a plugin's own; it is logged with its whole chain.
pub type PluginError = Box<dyn std::error::Error + Send + Sync>;

/// A plugin: what it declares, what it serves and what it does about events.
///
/// Hand the type to [`main`](crate::main()) and the process joins the mesh, serves, renews and drains by itself.
pub trait Plugin: Send + Sync + Sized + 'static {
    /// The name, as in `/artifacts/{NAME}/…` and in the certificate.
    const NAME: &'static str;
    /// The version of the plugin, as semantic versioning writes it.
    const VERSION: &'static str;
    /// The media types (config or artifactType) whose events the plugin wants. None by default.
    const MEDIA_TYPES: &'static [&'static str] = &[];

    /// How cores route requests under `/artifacts/{NAME}/`.
    fn policy() -> Policy;

    /// Makes the plugin, once the process is a member of the mesh and before it takes requests or events.
    fn start(context: Context) -> impl Future<Output = Result<Self, PluginError>> + Send;

    /// What the policy forwards arrives here, with the path the client sent.
    fn router(self: Arc<Self>) -> Router;

    /// Called for each event, in commit order per repository, until it gives an effect.
    ///
    /// What happens in here may happen again after a crash. What the returned [`Effect`] writes happens exactly once.
    fn on_event(&self, event: &Event) -> impl Future<Output = Result<Effect, Retry>> + Send {
        let _ = event;
        async { Ok(Effect::none()) }
    }
}

/// What an event changes in the plugin's own tables, committed together with the mark that it was handled.
pub struct Effect(Option<Change>);

type Change = Box<dyn FnOnce(&Connection) -> rusqlite::Result<()> + Send>;

/// Not now: the event is tried again, and later events of the same repository wait behind it.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Retry {
    pub reason: String,
    /// When to try again. Without it the wait grows with every attempt.
    pub after: Option<Duration>,
}

// === impl Effect ===

impl Effect {
    /// The event is handled and leaves nothing in the tables.
    pub fn none() -> Self {
        Self(None)
    }

    /// Runs `change` inside the transaction that marks the event as handled. It must not end that transaction.
    ///
    /// An error rolls all of it back, and the event is tried again.
    pub fn new(change: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static) -> Self {
        Self(Some(Box::new(change)))
    }

    pub(crate) fn apply(self, connection: &Connection) -> rusqlite::Result<()> {
        match self.0 {
            Some(change) => change(connection),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Effect").field(&self.0.is_some()).finish()
    }
}

// === impl Retry ===

impl Retry {
    /// Try again later, at a pace that slows down.
    pub fn later(reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), after: None }
    }

    /// Try again after `wait`.
    pub fn after(wait: Duration, reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), after: Some(wait) }
    }
}
