//! What delivery asks of the store that keeps the events.

use std::error::Error;
use std::future::Future;

use gossamer_oci::{PluginName, RepositoryName};

use crate::{Event, Head, Lane, LogId, Sequence};

/// The durable log of events, and how far each plugin has come in it.
///
/// Reads answer in sequence order and only with what is committed: once a read has answered with
/// sequence *n*, no later read shows a smaller one for the first time.
/// Events that every plugin is past may have been trimmed; reads then start at the oldest kept.
pub trait EventLog: Send + Sync + 'static {
    type Error: Error + Send + Sync + 'static;

    /// In which log all sequences of this store count. Never changes.
    fn id(&self) -> LogId;

    /// The heads after `after`, at most `limit`, of all repositories. Fewer than `limit` means
    /// that the log ended there.
    fn heads(
        &self,
        after: Sequence,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Head>, Self::Error>> + Send;

    /// As [`EventLog::heads`], of one repository.
    fn lane_heads(
        &self,
        repository: &RepositoryName,
        after: Sequence,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Head>, Self::Error>> + Send;

    /// The events after `after`, at most `limit`, of all repositories.
    fn read(
        &self,
        after: Sequence,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Event>, Self::Error>> + Send;

    /// As [`EventLog::read`], of one repository.
    fn read_lane(
        &self,
        repository: &RepositoryName,
        after: Sequence,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Event>, Self::Error>> + Send;

    /// How far `plugin` has come. A plugin never heard of has come nowhere: `Cursors::default()`.
    fn cursors(&self, plugin: &PluginName) -> impl Future<Output = Result<Cursors, Self::Error>> + Send;

    /// Makes `cursor` the lane's cursor. A smaller one than the stored changes nothing.
    fn commit(&self, lane: &Lane, cursor: Sequence) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Makes `low` the plugin's low-water mark and forgets its lane cursors up to and including
    /// it, in one transaction. A smaller one than the stored changes nothing.
    fn commit_low(
        &self,
        plugin: &PluginName,
        low: Sequence,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Keeps the event as a dead letter of the lane and moves the lane's cursor to it, in one
    /// transaction. Parking the same event again replaces the letter.
    fn park(&self, letter: &DeadLetter) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// How far one plugin has come in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursors {
    /// Everything up to here was delivered to the plugin or is not for it.
    pub low: Sequence,
    /// Per repository how far its lane is ahead of `low`; only those that are.
    pub lanes: Vec<(RepositoryName, Sequence)>,
}

/// An event that a plugin would not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub lane: Lane,
    pub sequence: Sequence,
    /// How often it was offered, at least once.
    pub attempts: u32,
    /// What the plugin said, cut to a line.
    pub reason: String,
}
