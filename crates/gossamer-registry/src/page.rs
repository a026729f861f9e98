//! Listings come in pages.

/// Which part of a sorted listing is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Only entries after this text, in byte order. It need not be an entry.
    pub after: Option<String>,
    /// At most so many entries; more than the configured bound is taken as the bound.
    pub limit: Option<usize>,
}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<T> {
    /// Sorted in byte order.
    pub items: Vec<T>,
    /// Whether there are entries after these. Never for a page of none.
    pub more: bool,
}

// === impl Page ===

impl Page {
    /// How many entries to give, given the configured bound.
    pub(crate) fn limit(&self, bound: usize) -> usize {
        self.limit.unwrap_or(bound).min(bound)
    }

    /// The text that entries must be greater than. No entry is the empty text.
    pub(crate) fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }
}

// === impl Listing ===

impl<T> Listing<T> {
    /// The page of `limit` entries out of `found`, which was asked for one entry more.
    pub(crate) fn cut(mut found: Vec<T>, limit: usize) -> Self {
        let more = limit > 0 && found.len() > limit;
        found.truncate(limit);
        Self { items: found, more }
    }
}
