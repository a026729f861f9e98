//! What readers ask most, in memory and never stale.
//!
//! An entry is right for as long as it is there, and this is why. Before the writer commits, it marks
//! every entry that the transaction touches as changing; while one is, readers ask the catalog, which
//! turns from old to new in one instant. After the commit the writer puts the new values in, and only
//! then answers. A reader that finds nothing takes a lease on the entry before it asks the catalog, and
//! may fill the entry in only while the lease is still there: the mark of a writer ends it. So a value
//! read before a commit cannot arrive after it, and an uncommitted one is never here.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use gossamer_oci::{Digest, Reference, RepositoryName, Tag};

use crate::manifests::StoredManifest;

mod shard;

use shard::{Shard, Slot};

/// Parts with a lock each, so that readers on different cores rarely meet.
const SHARDS: usize = 16;

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    repository: RepositoryName,
    item: Item,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Item {
    Tag(Tag),
    Manifest(Digest),
    Blob(Digest),
}

/// What is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Manifest(Arc<StoredManifest>),
    /// The size of a blob that the repository has, in bytes.
    Blob(u64),
}

/// The entries. Bounded by bytes; what was not asked for lately goes first.
pub(crate) struct Index {
    shards: Vec<RwLock<Shard>>,
    leases: AtomicU64,
}

/// What a reader finds.
pub(crate) enum Found<'a> {
    Hit(Value),
    /// Ask the catalog, then fill the lease.
    Miss(Lease<'a>),
}

/// The right to fill an entry in, until a writer touches it.
pub(crate) struct Lease<'a> {
    index: &'a Index,
    /// Nothing if a writer or another reader is at the entry.
    claim: Option<(Key, u64)>,
}

// === impl Key ===

impl Key {
    pub(crate) fn tag(repository: &RepositoryName, tag: &Tag) -> Self {
        Self { repository: repository.clone(), item: Item::Tag(tag.clone()) }
    }

    pub(crate) fn manifest(repository: &RepositoryName, digest: &Digest) -> Self {
        Self { repository: repository.clone(), item: Item::Manifest(*digest) }
    }

    pub(crate) fn blob(repository: &RepositoryName, digest: &Digest) -> Self {
        Self { repository: repository.clone(), item: Item::Blob(*digest) }
    }

    pub(crate) fn reference(repository: &RepositoryName, reference: &Reference) -> Self {
        match reference {
            Reference::Tag(tag) => Self::tag(repository, tag),
            Reference::Digest(digest) => Self::manifest(repository, digest),
        }
    }

    fn shard(&self) -> usize {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        (hasher.finish() % SHARDS as u64) as usize
    }
}

// === impl Value ===

impl Value {
    pub(crate) fn into_manifest(self) -> Option<Arc<StoredManifest>> {
        match self {
            Self::Manifest(manifest) => Some(manifest),
            Self::Blob(_) => None,
        }
    }

    pub(crate) fn into_size(self) -> Option<u64> {
        match self {
            Self::Blob(size) => Some(size),
            Self::Manifest(_) => None,
        }
    }

    /// Bytes of memory, with the key and the bookkeeping, estimated upwards.
    fn cost(&self) -> usize {
        /// Key, slot and place in the queue.
        const ENTRY: usize = 512;
        match self {
            // The content, and what parsing makes of it: hardly ever twice as much.
            Self::Manifest(manifest) => ENTRY + 3 * manifest.content.len(),
            Self::Blob(_) => ENTRY,
        }
    }
}

// === impl Index ===

impl Index {
    /// An empty index that takes at most `bytes_max`.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let shard = || RwLock::new(Shard::new(bytes_max / SHARDS));
        Self { shards: (0..SHARDS).map(|_| shard()).collect(), leases: AtomicU64::new(0) }
    }

    /// The value, if it is known.
    pub(crate) fn get(&self, key: &Key) -> Option<Value> {
        self.shards.get(key.shard())?.read().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    /// The value, or a lease for whoever is about to ask the catalog.
    pub(crate) fn find(&self, key: Key) -> Found<'_> {
        if let Some(value) = self.get(&key) {
            return Found::Hit(value);
        }
        let Some(lock) = self.shards.get(key.shard()) else { return self.miss(None) };
        let mut shard = lock.write().unwrap_or_else(PoisonError::into_inner);
        match shard.slots.entry(key) {
            Entry::Occupied(entry) => match entry.get() {
                Slot::Ready(ready) => Found::Hit(ready.value.clone()),
                Slot::Leased(_) | Slot::Changing => self.miss(None),
            },
            Entry::Vacant(entry) => {
                let number = self.leases.fetch_add(1, Ordering::Relaxed);
                let key = entry.key().clone();
                entry.insert(Slot::Leased(number));
                self.miss(Some((key, number)))
            }
        }
    }

    fn miss(&self, claim: Option<(Key, u64)>) -> Found<'_> {
        Found::Miss(Lease { index: self, claim })
    }

    /// From here to [`Index::finish`] readers ask the catalog for these. Ends their leases.
    pub(crate) fn begin<'k>(&self, keys: impl Iterator<Item = &'k Key>) {
        for key in keys {
            self.with(key, |shard| shard.put(key.clone(), Slot::Changing));
        }
    }

    /// Puts in what the transaction made of its entries, or forgets them if it failed.
    pub(crate) fn finish(&self, effects: HashMap<Key, Option<Value>>, committed: bool) {
        for (key, value) in effects {
            self.with(&key.clone(), |shard| match value.filter(|_| committed) {
                Some(value) => shard.fill(key, value),
                None => shard.remove(&key),
            });
        }
    }

    /// Forgets a value as if there were no room for it.
    #[cfg(test)]
    pub(crate) fn evict(&self, key: &Key) {
        self.with(key, |shard| {
            if matches!(shard.slots.get(key), Some(Slot::Ready(_))) {
                shard.remove(key);
            }
        });
    }

    fn with(&self, key: &Key, change: impl FnOnce(&mut Shard)) {
        if let Some(lock) = self.shards.get(key.shard()) {
            change(&mut lock.write().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

// === impl Lease ===

impl Lease<'_> {
    /// Puts in what the catalog answered, unless a writer was faster.
    pub(crate) fn fill(mut self, value: Value) {
        if let Some((key, number)) = self.claim.take() {
            self.index.with(&key.clone(), |shard| {
                if shard.has_lease(&key, number) {
                    shard.fill(key, value);
                }
            });
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some((key, number)) = self.claim.take() {
            self.index.with(&key, |shard| {
                if shard.has_lease(&key, number) {
                    shard.remove(&key);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests;
