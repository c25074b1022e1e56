//! The build cache: lists and removes its items.

use super::ImageError;
use super::users::ImageUse;
use crate::base::Filters;
use crate::container::tell_of_prune;
use crate::engine::Counter;
use crate::store::{CacheItem, Eviction, Store};

/// What to remove.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Also what other items are based on, and what was imported.
    pub all: bool,
    /// Only what was not used since this second.
    pub before: Option<i64>,
    /// Only what is, or is not, in use.
    pub in_use: Option<bool>,
    /// Only what is, or is not, shared.
    pub shared: Option<bool>,
    /// Filters by `type` and `id`.
    pub filters: Filters,
    /// The number of bytes to remove at most; `None` for everything.
    pub most: Option<u64>,
}

/// Limits of the build cache, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// At least this much is kept.
    pub reserved_space: Option<u64>,
    /// Items are removed until at most this much is used.
    pub max_used_space: Option<u64>,
    /// Items are removed until this much of the disk is free.
    pub min_free_space: Option<u64>,
}

impl Bounds {
    /// How many bytes have to be removed; `None` without limits.
    pub fn most(&self, store: &Store) -> Result<Option<u64>, ImageError> {
        if *self == Self::default() {
            return Ok(None);
        }
        let used: u64 = items(store)?.iter().map(|item| item.size).sum();
        let reserved = self.reserved_space.unwrap_or(0);
        let over_most = self.max_used_space.map(|most| used.saturating_sub(most));
        let free = store.free_space()?;
        let too_little_free = self.min_free_space.map(|wanted| wanted.saturating_sub(free));
        let wanted = match (over_most, too_little_free) {
            (None, None) => used,
            (a, b) => a.unwrap_or(0).max(b.unwrap_or(0)),
        };
        Ok(Some(wanted.min(used.saturating_sub(reserved))))
    }
}

impl Selection {
    /// Parses filters. `unused-for` is an older name of `until`.
    pub fn of(words: &[String]) -> Result<Self, ImageError> {
        let words: Vec<String> = words.iter().map(|word| word.replacen("unused-for=", "until=", 1)).collect();
        let filters = Filters::parse(&words, &["until", "type", "id", "inuse", "shared", "private"])?;
        let private = filters.boolean("private")?.map(|is_private| !is_private);
        Ok(Self {
            before: filters.until()?.map(jiff::Timestamp::as_second),
            in_use: filters.boolean("inuse")?,
            shared: filters.boolean("shared")?.or(private),
            filters,
            ..Self::default()
        })
    }

    fn takes(&self, item: &CacheItem) -> bool {
        (self.all || !item.shared) && !item.in_use && self.speaks_of(item)
    }

    /// Whether the filters match the item.
    pub fn speaks_of(&self, item: &CacheItem) -> bool {
        let id = item.what.id();
        self.before.is_none_or(|second| item.used_at < second)
            && self.in_use.is_none_or(|wanted| wanted == item.in_use)
            && self.shared.is_none_or(|wanted| wanted == item.shared)
            && self.filters.exactly("type", item.what.kind())
            && self.filters.any("id", |wanted| id.starts_with(wanted))
    }
}

/// All items of the build cache, least recently used first.
pub fn items(store: &Store) -> Result<Vec<CacheItem>, ImageError> {
    Ok(store.cache_items(&store.usage()?, &ImageUse::of(store)?.layers())?)
}

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunedCache {
    /// IDs.
    pub removed: Vec<String>,
    /// Bytes.
    pub reclaimed: u64,
}

/// Removes the selection; explanations of later builds name `by` as the reason.
pub fn prune(store: &Store, selection: &Selection, by: &str, counter: &dyn Counter) -> Result<PrunedCache, ImageError> {
    store.hold_nothing();
    let containers = || ImageUse::of(store).ok().map(|containers| containers.layers());
    let mut eviction = Eviction::new(by, &containers);
    let mut pruned = PrunedCache::default();
    for item in items(store)?.iter().filter(|item| selection.takes(item)) {
        if selection.most.is_some_and(|most| pruned.reclaimed >= most) {
            break;
        }
        if store.remove_cache_item(item, &mut eviction)? {
            counter.count();
            pruned.reclaimed += item.size;
            pruned.removed.push(item.what.id());
        }
    }
    tell_of_prune(store.root(), "builder", pruned.reclaimed);
    Ok(pruned)
}
