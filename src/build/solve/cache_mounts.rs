//! `RUN --mount=type=cache`: folders of the store that persist between builds.

use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid};

use crate::base::digest::{CacheKey, FieldHasher};
use crate::base::foreign::Folder;
use crate::base::io_error::{AtPath, IoError};
use crate::container::sandbox;
use crate::language::dockerfile::mount::{Mount, Sharing};
use crate::store::Staging;
use crate::store::snapshot::{Owner, View};

use super::copy::fill_folder;
use super::error::StepError;
use super::mounts::{MountPlace, Mounted, Prepared};
use super::settings::Solver;

impl Solver<'_> {
    /// Mounts a folder of the store that persists between builds.
    pub(super) fn cache(
        &self,
        prepared: &Prepared<'_>,
        mounted: &mut Mounted,
        place: &MountPlace<'_>,
    ) -> Result<(), StepError> {
        let mount = &prepared.mount.mount;
        let name = self.cache_name(prepared);
        let folder = self.store.root().join("caches").join(&name);
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        // A cache with its own owner or mode is the result of a step, which is executed again.
        let is_fresh = place.ignore_cache && own_root(mount).is_some() && place.made.is_first_use(&name);
        if is_fresh {
            empty_cache(&folder, place.staging)?;
        }
        let (data, lock) = self.take_cache(&folder, mount.sharing.unwrap_or_default())?;
        if !data.is_dir() {
            self.create_cache(prepared, &name, &data)?;
        }
        mounted.locks.push(lock);
        mounted.mounts.push(sandbox::Mount {
            target: PathBuf::from(&prepared.mount.target),
            source: sandbox::MountSource::Own(data),
            read_only: mount.read_only,
            shallow: false,
            lasting: false,
        });
        Ok(())
    }

    /// The name of a cache's folder, the same on every machine. A different owner or mode with the same ID is a
    /// different cache.
    pub(super) fn cache_name(&self, prepared: &Prepared<'_>) -> String {
        let mount = &prepared.mount.mount;
        let mut name = FieldHasher::new("cache-mount-1");
        if !self.run.cache_namespace.is_empty() {
            name.field(b"namespace").field(self.run.cache_namespace.as_bytes());
        }
        // A relative target does not depend on the working directory.
        let target = || clean_path(mount.target.as_deref().unwrap_or_default());
        name.field(mount.id.clone().unwrap_or_else(target).as_bytes());
        if let Some(stack) = &prepared.stack {
            name.field(&stack.exact_digest()).field(mount.source.as_deref().unwrap_or("/").as_bytes());
        }
        if let Some((mode, owner)) = own_root(mount) {
            name.field(b"root").number(u64::from(mode)).number(u64::from(owner.uid)).number(u64::from(owner.gid));
        }
        CacheKey::from_bytes(name.finish()).hex()
    }

    /// Finds a folder of the cache that this step may use, and locks it.
    fn take_cache(&self, folder: &Path, sharing: Sharing) -> Result<(PathBuf, File), IoError> {
        for number in 0.. {
            let (data, lock_path) = (folder.join(format!("data-{number}")), folder.join(format!("lock-{number}")));
            let lock = File::create(&lock_path).at("create", &lock_path)?;
            match sharing {
                Sharing::Shared => lock.lock_shared().at("lock", &lock_path)?,
                Sharing::Locked => lock.lock().at("lock", &lock_path)?,
                Sharing::Private if lock.try_lock().is_err() => continue,
                Sharing::Private => {}
            }
            return Ok((data, lock));
        }
        unreachable!("the loop ends only with a lock")
    }

    /// Makes a new cache: as another machine left it, or else empty, or with the content of `from` and `source`.
    fn create_cache(&self, prepared: &Prepared<'_>, name: &str, data: &Path) -> Result<(), StepError> {
        let staging = self.work()?.store.staging()?;
        let folder = staging.path().join("cache");
        let fetched = staging.path().join("fetched");
        std::fs::DirBuilder::new().mode(0o700).create(&fetched).at("create", &fetched)?;
        let folder = match self.remote.fill_mount(name, &fetched) {
            Some(Ok(())) => fetched,
            outcome => {
                if let Some(Err(why)) = outcome {
                    self.progress.warn(&format!("the cache mount {} begins empty: {why}", prepared.mount.target));
                }
                std::fs::DirBuilder::new().mode(0o700).create(&folder).at("create", &folder)?;
                let (mode, owner) = self.fill_cache(prepared, &folder)?;
                let made = Folder::open(&folder)?;
                made.set_own_owner(Uid::from_raw(owner.uid), Gid::from_raw(owner.gid))?;
                // After the owner: changing that clears the setuid and setgid bits.
                made.set_own_mode(mode)?;
                folder
            }
        };
        match std::fs::rename(&folder, data) {
            // Another step made it at the same time.
            Err(_) if data.is_dir() => Ok(()),
            result => Ok(result.at("rename", &folder)?),
        }
    }

    /// Fills a new cache from `from` and `source`; returns the mode and the owner of its root. With its own owner or
    /// mode it contains `/cache` of that tree, as in BuildKit, which makes that folder if it is missing.
    fn fill_cache(&self, prepared: &Prepared<'_>, folder: &Path) -> Result<(u32, Owner), StepError> {
        let mount = &prepared.mount.mount;
        let own = own_root(mount);
        let root = own.unwrap_or((0o755, Owner::default()));
        let Some(stack) = &prepared.stack else { return Ok(root) };
        if own.is_none() {
            fill_folder(self, stack, mount.source.as_deref().unwrap_or("/"), folder)?;
            return Ok(root);
        }
        let view = View::of_layers(&stack.unpacked(self.work()?.store)?)?;
        let path = view.resolve(Path::new(""), Path::new(OWN_ROOT))?;
        let Some(entry) = view.lstat(&path)? else { return Ok(root) };
        fill_folder(self, stack, OWN_ROOT, folder)?;
        Ok((entry.mode, entry.owner))
    }
}

/// `/a//b/../c/` becomes `/a/c`, `./a` becomes `a`.
fn clean_path(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    let is_rooted = path.starts_with('/');
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => drop(names.pop()),
            ".." if is_rooted => {}
            name => names.push(name),
        }
    }
    format!("{}{}", if is_rooted { "/" } else { "" }, names.join("/"))
}

/// Where BuildKit makes the root of a cache with its own mode or owner.
const OWN_ROOT: &str = "/cache";

/// The mode and the owner of a cache's root, if the mount sets any; those of a `source` are kept.
fn own_root(mount: &Mount) -> Option<(u32, Owner)> {
    let is_root = clean_path(mount.source.as_deref().unwrap_or("/")).trim_matches('/').is_empty();
    let is_said = mount.mode.is_some() || mount.uid.is_some() || mount.gid.is_some();
    (is_root && is_said).then(|| {
        let owner = Owner { uid: mount.uid.unwrap_or(0), gid: mount.gid.unwrap_or(0) };
        (mount.mode.unwrap_or(0o755) & 0o777, owner)
    })
}

/// Removes the content of the cache, once it is unused.
fn empty_cache(folder: &Path, staging: &Staging) -> Result<(), IoError> {
    for number in 0.. {
        let (data, lock_path) = (folder.join(format!("data-{number}")), folder.join(format!("lock-{number}")));
        if !lock_path.exists() {
            break;
        }
        let lock = File::create(&lock_path).at("create", &lock_path)?;
        lock.lock().at("lock", &lock_path)?;
        if data.exists() {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            std::fs::rename(&data, staging.path().join(format!("stale-{name}-{number}"))).at("rename", &data)?;
        }
    }
    Ok(())
}
