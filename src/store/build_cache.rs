//! The build cache as items that can be removed one by one, least recently used first.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{CompressedCopy, Reader, Store, StoreError, Usage, kept_steps, now, staging};
use crate::base::digest::DiffId;
use crate::base::io_error::AtPath;

/// An item that only makes builds faster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheItem {
    /// What it is.
    pub what: CacheContent,
    /// Bytes on the disk; `None` if an image has the same layer.
    pub size: u64,
    /// Seconds since 1970.
    pub created_at: i64,
    /// When it was last used, in seconds since 1970.
    pub used_at: i64,
    /// A running process uses it.
    pub in_use: bool,
    /// An image needs the same layer: only the cache records can be removed.
    pub shared: bool,
}

/// What the build cache has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CacheContent {
    /// The result of a step.
    Layer(DiffId),
    /// A layer's blob that can be reproduced.
    Compressed(CompressedCopy),
    /// The folder of a `RUN --mount=type=cache`.
    CacheMount(String),
    /// A file from the network.
    Download(String),
    /// A repository at a commit.
    Checkout(String),
    /// What steps of a build left behind.
    KeptSteps(String),
    /// Digests of a context's files, what a copy put where, or the outline of a layer.
    Notes {
        /// The folder of the store.
        folder: &'static str,
        /// The file in it.
        name: String,
    },
}

/// What a removal from the cache needs to know to keep what is needed.
pub struct Eviction<'a> {
    by: &'a str,
    /// The layers that containers use now; `None` if that is unknown.
    containers: &'a dyn Fn() -> Option<HashSet<DiffId>>,
    /// The layers of all images, as of this version of the database.
    images: Option<(i64, HashSet<DiffId>)>,
}

impl<'a> Eviction<'a> {
    /// `by` is the command that removes; `containers` says which layers containers need.
    pub fn new(by: &'a str, containers: &'a dyn Fn() -> Option<HashSet<DiffId>>) -> Self {
        Self { by, containers, images: None }
    }

    /// Called once the layer is claimed: by then, all its users have registered.
    fn needs(&mut self, store: &Store, diff_id: &DiffId) -> Result<bool, StoreError> {
        if store.is_base(diff_id)? || (self.containers)().is_none_or(|layers| layers.contains(diff_id)) {
            return Ok(true);
        }
        // Changes whenever another process changes the database.
        let version = store.database().query_row("PRAGMA data_version", [], |row| row.get(0))?;
        if self.images.as_ref().is_none_or(|(seen, _)| *seen != version) {
            self.images = Some((version, store.layers_of_images()?));
        }
        Ok(self.images.as_ref().is_some_and(|(_, layers)| layers.contains(diff_id)))
    }
}

impl CacheContent {
    /// What it is called in lists.
    pub fn id(&self) -> String {
        match self {
            Self::Layer(diff_id) => diff_id.hex(),
            Self::Compressed(copy) => copy.blob.hex(),
            Self::CacheMount(name)
            | Self::Download(name)
            | Self::Checkout(name)
            | Self::KeptSteps(name)
            | Self::Notes { name, .. } => name.clone(),
        }
    }

    /// BuildKit's name for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Layer(_) => "regular",
            Self::CacheMount(_) => "exec.cachemount",
            Self::Download(_) => "source.http",
            Self::Checkout(_) => "source.git.checkout",
            Self::KeptSteps(_) => "exec.debug",
            Self::Notes { folder: "contexts", .. } => "source.local",
            Self::Compressed(_) | Self::Notes { .. } => "internal",
        }
    }
}

impl Reader {
    /// Keeps a folder of downloaded files unchanged while this store is open.
    pub fn hold_folder(&self, name: &str) -> Result<(), StoreError> {
        self.lease(&folder_digest(name)).map(drop)
    }
}

impl Store {
    /// The whole build cache; `usage` has the sizes, `kept` the layers that containers use.
    pub fn cache_items(&self, usage: &Usage, kept: &HashSet<DiffId>) -> Result<Vec<CacheItem>, StoreError> {
        let copies = self.compressed_copies()?;
        let mut items = self.cached_layers(usage, kept, &copies)?;
        items.extend(self.compressed_items(&copies, usage)?);
        for (folder, content) in [
            ("caches", CacheContent::CacheMount as fn(String) -> CacheContent),
            ("downloads", CacheContent::Download),
            ("checkouts", CacheContent::Checkout),
            (kept_steps::FOLDER, CacheContent::KeptSteps),
            ("contexts", |name| CacheContent::Notes { folder: "contexts", name }),
            ("copies", |name| CacheContent::Notes { folder: "copies", name }),
            ("outlines", |name| CacheContent::Notes { folder: "outlines", name }),
        ] {
            for (name, size) in usage.of(folder) {
                let path = self.root.join(folder).join(name);
                let (created_at, used_at) = times_of(&path);
                let what = content(name.clone());
                let in_use = self.is_in_use(&what)?;
                items.push(CacheItem { what, size: *size, created_at, used_at, in_use, shared: false });
            }
        }
        let standing = self.layers_by_base()?;
        let is_base = |item: &CacheItem| matches!(&item.what, CacheContent::Layer(id) if standing.contains_key(id));
        let makes_faster = |item: &CacheItem| !matches!(item.what, CacheContent::KeptSteps(_));
        // What makes no build faster goes first, and deltas go before their base.
        items.sort_by_cached_key(|item| (makes_faster(item), item.used_at, is_base(item), item.what.clone()));
        Ok(items)
    }

    /// Layers that cache records lead to, and those that nothing leads to any longer.
    fn cached_layers(
        &self,
        usage: &Usage,
        kept: &HashSet<DiffId>,
        copies: &[CompressedCopy],
    ) -> Result<Vec<CacheItem>, StoreError> {
        let copies: HashSet<_> = copies.iter().map(|copy| copy.blob).collect();
        let of_images = self.layers_of_images()?;
        let is_shared = |diff_id: &DiffId| of_images.contains(diff_id) || kept.contains(diff_id);
        let mut items = Vec::new();
        let used = self.cache_uses()?;
        let standing = self.layers_by_base()?;
        for diff_id in self.all_layers()? {
            // A base layer is in use whenever its deltas are.
            let users = || standing.get(&diff_id).into_iter().flatten().chain([&diff_id]);
            let shared = users().any(is_shared);
            let record = users().filter_map(|user| used.get(user)).max();
            if record.is_none() && shared {
                continue;
            }
            let digests = self.layer_blob_digests(&diff_id)?;
            let own = digests.iter().filter(|digest| !copies.contains(digest));
            let blobs: u64 = own.filter_map(|digest| usage.blobs.get(digest)).sum();
            let size = if shared { 0 } else { usage.layers.get(&diff_id).copied().unwrap_or(0) + blobs };
            if record.is_none() && size == 0 {
                // Known only from elsewhere.
                continue;
            }
            let made_at = self.made_at(&diff_id)?;
            let used_at = record.copied().unwrap_or(made_at);
            let what = CacheContent::Layer(diff_id);
            let in_use = self.is_in_use(&what)?;
            items.push(CacheItem { what, size, created_at: made_at, used_at, in_use, shared });
        }
        Ok(items)
    }

    /// When each layer was last taken from the cache.
    fn cache_uses(&self) -> Result<HashMap<DiffId, i64>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached("SELECT diff_id, max(used_at) FROM cache GROUP BY diff_id")?;
        let rows = statement.query_map([], |row| Ok((DiffId::from_bytes(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn made_at(&self, diff_id: &DiffId) -> Result<i64, StoreError> {
        let database = self.database();
        let mut statement =
            database.prepare_cached("SELECT coalesce(max(made_at), 0) FROM layers WHERE diff_id = ?1")?;
        Ok(statement.query_row([diff_id.as_bytes()], |row| row.get(0))?)
    }

    fn is_in_use(&self, what: &CacheContent) -> Result<bool, StoreError> {
        Ok(match what {
            CacheContent::Layer(diff_id) | CacheContent::Compressed(CompressedCopy { diff_id, .. }) => {
                self.claim(diff_id.as_bytes())?.is_none()
            }
            CacheContent::CacheMount(name) => self.lock_cache_mount(name)?.is_none(),
            CacheContent::Download(_) => self.claim(&folder_digest("downloads"))?.is_none(),
            CacheContent::Checkout(_) => self.claim(&folder_digest("checkouts"))?.is_none(),
            CacheContent::KeptSteps(name) => self.open_kept_steps(name)?.is_none(),
            CacheContent::Notes { .. } => false,
        })
    }

    /// The locks of all folders of the cache mount; `None` if a RUN is using one.
    fn lock_cache_mount(&self, name: &str) -> Result<Option<Vec<File>>, StoreError> {
        let folder = self.root.join("caches").join(name);
        let mut locks = Vec::new();
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("lock-") {
                let lock = File::open(entry.path()).at("open", entry.path())?;
                if lock.try_lock().is_err() {
                    return Ok(None);
                }
                locks.push(lock);
            }
        }
        Ok(Some(locks))
    }

    /// Removes the item unless it is in use. A layer that an image or a container needs stays; only the cache forgets
    /// it. Returns whether it was removed.
    pub fn remove_cache_item(&self, item: &CacheItem, eviction: &mut Eviction<'_>) -> Result<bool, StoreError> {
        match &item.what {
            CacheContent::Layer(diff_id) => self.evict_layer(diff_id, eviction),
            CacheContent::Compressed(copy) => self.remove_compressed_copy(copy),
            CacheContent::CacheMount(name) => {
                let Some(_locks) = self.lock_cache_mount(name)? else { return Ok(false) };
                self.discard(&self.root.join("caches").join(name)).map(|()| true)
            }
            CacheContent::Download(name) => self.remove_from_network("downloads", name),
            CacheContent::Checkout(name) => self.remove_from_network("checkouts", name),
            CacheContent::KeptSteps(name) => self.remove_kept_steps(name),
            CacheContent::Notes { folder, name } => self.discard(&self.root.join(folder).join(name)).map(|()| true),
        }
    }

    fn remove_from_network(&self, folder: &str, name: &str) -> Result<bool, StoreError> {
        let Some(_claim) = self.claim(&folder_digest(folder))? else { return Ok(false) };
        self.discard(&self.root.join(folder).join(name)).map(|()| true)
    }

    fn evict_layer(&self, diff_id: &DiffId, eviction: &mut Eviction<'_>) -> Result<bool, StoreError> {
        let Some(_claim) = self.claim(diff_id.as_bytes())? else { return Ok(false) };
        let is_needed = eviction.needs(self, diff_id)?;
        self.note_eviction(diff_id, eviction.by)?;
        {
            let mut database = self.database();
            let transaction = database.transaction()?;
            transaction.execute("DELETE FROM cache WHERE diff_id = ?1", [diff_id.as_bytes()])?;
            transaction.execute("DELETE FROM trees WHERE diff_id = ?1", [diff_id.as_bytes()])?;
            transaction.commit()?;
        }
        if !is_needed {
            self.remove_layer(diff_id)?;
        }
        Ok(true)
    }

    /// Moves it out of the way at once, then removes it.
    pub(super) fn discard(&self, path: &Path) -> Result<(), StoreError> {
        let staging = self.staging()?;
        let target = staging.path().join("discarded");
        match std::fs::rename(path, &target) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            result => result.at("rename", path)?,
        }
        if target.is_dir() {
            staging::remove_tree(&target).at("remove", &target)?;
        }
        Ok(())
    }
}

fn folder_digest(name: &str) -> [u8; 32] {
    *blake3::hash(format!("folder {name}").as_bytes()).as_bytes()
}

/// When it was created and last used, according to the locks in a cache mount's folder.
fn times_of(path: &Path) -> (i64, i64) {
    let modified = |path: &Path| std::fs::symlink_metadata(path).map_or(0, |status| status.mtime());
    let own = modified(path);
    let inside = std::fs::read_dir(path).into_iter().flatten().flatten();
    let locks = inside.filter(|entry| entry.file_name().to_string_lossy().starts_with("lock-"));
    let used = locks.map(|entry| modified(&entry.path())).max().unwrap_or(own).max(own);
    (own.min(now()), used)
}
