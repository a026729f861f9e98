//! The log of events, as delivery reads it.

use gossamer_events::{Cursors, DeadLetter, Event, EventLog, Head, Lane, LogId, Sequence};
use gossamer_oci::{PluginName, RepositoryName};

use crate::catalog::{Catalog, Change, EventsQuery};
use crate::registry::blocking;
use crate::{Error, Registry};

// === impl Registry ===

impl EventLog for Registry {
    type Error = Error;

    fn id(&self) -> LogId {
        self.log()
    }

    async fn heads(&self, after: Sequence, limit: usize) -> Result<Vec<Head>, Error> {
        let query = EventsQuery { repository: None, after, limit };
        self.ask(move |catalog| catalog.heads(&query)).await
    }

    async fn lane_heads(
        &self,
        repository: &RepositoryName,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Head>, Error> {
        let query = EventsQuery { repository: Some(repository.clone()), after, limit };
        self.ask(move |catalog| catalog.heads(&query)).await
    }

    async fn read(&self, after: Sequence, limit: usize) -> Result<Vec<Event>, Error> {
        let query = EventsQuery { repository: None, after, limit };
        self.ask(move |catalog| catalog.events(&query)).await
    }

    async fn read_lane(
        &self,
        repository: &RepositoryName,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        let query = EventsQuery { repository: Some(repository.clone()), after, limit };
        self.ask(move |catalog| catalog.events(&query)).await
    }

    async fn cursors(&self, plugin: &PluginName) -> Result<Cursors, Error> {
        let plugin = plugin.clone();
        self.ask(move |catalog| catalog.cursors(&plugin)).await
    }

    async fn commit(&self, lane: &Lane, cursor: Sequence) -> Result<(), Error> {
        let change = Change::CommitCursor { lane: lane.clone(), cursor };
        self.inner.catalog.apply(change).await.map(drop)
    }

    async fn commit_low(&self, plugin: &PluginName, low: Sequence) -> Result<(), Error> {
        let change = Change::CommitLow { plugin: plugin.clone(), low };
        self.inner.catalog.apply(change).await.map(drop)
    }

    async fn park(&self, letter: &DeadLetter) -> Result<(), Error> {
        self.inner.catalog.apply(Change::Park(letter.clone())).await.map(drop)
    }
}

impl Registry {
    /// Events that the plugin would not take, by sequence, after `after` and at most `limit`.
    pub async fn dead_letters(
        &self,
        plugin: &PluginName,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        let (plugin, limit) = (plugin.clone(), limit.min(self.inner.limits.page_max));
        self.ask(move |catalog| catalog.dead_letters(&plugin, after, limit)).await
    }

    /// Asks the catalog on a thread that may block.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Catalog) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let catalog = self.inner.catalog.clone();
        blocking::run(move || question(&*catalog)).await
    }
}

#[cfg(test)]
mod tests;
