//! The folders that containers are kept in.

use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::error::ContainerError;
use super::names;
use super::record::Record;
use crate::io_error::AtPath;

const BY_NAME: &str = "by-name";
const RECORD: &str = "config.json";
const LOCK: &str = "lock";
const AUTO_REMOVE: &str = "auto-remove";
/// How many made-up names are tried.
const ATTEMPTS: usize = 30;

/// All containers of a store.
#[derive(Debug, Clone)]
pub struct Containers {
    root: PathBuf,
}

/// A container of this process's making; nobody else removes it.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) path: PathBuf,
    _lock: File,
}

/// A container that is there.
#[derive(Debug)]
pub struct Entry {
    pub record: Record,
    pub is_running: bool,
    path: PathBuf,
}

impl Containers {
    /// Those of the store at that folder.
    pub fn of(store_root: &Path) -> Self {
        Self { root: store_root.join("containers") }
    }

    /// Makes a folder for a new container, with a new ID, and takes its name.
    pub(super) fn reserve(&self, name: Option<&str>, auto_remove: bool) -> Result<Reserved, ContainerError> {
        let by_name = self.root.join(BY_NAME);
        std::fs::create_dir_all(&by_name).at("create", &by_name)?;
        self.remove_dead()?;
        let mut random = [0u8; 32];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty()).at("read", "the random numbers")?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = self.root.join(&id);
        std::fs::create_dir(&path).at("create", &path)?;
        let lock = lock_file(&path)?;
        flock(&lock, FlockOperation::LockExclusive).at("lock", &path)?;
        if auto_remove {
            let mark = path.join(AUTO_REMOVE);
            std::fs::write(&mark, "").at("write", &mark)?;
        }
        let taken = match name {
            Some(name) => names::check(name).and_then(|()| self.take_name(name, &id)).map(|()| name.to_owned()),
            None => self.make_up_name(&random, &id),
        };
        match taken {
            Ok(name) => Ok(Reserved { id, name, path, _lock: lock }),
            Err(error) => {
                // The error counts; an empty folder that stays does no harm.
                let _ = std::fs::remove_dir_all(&path);
                Err(error)
            }
        }
    }

    fn make_up_name(&self, seed: &[u8], id: &str) -> Result<String, ContainerError> {
        let mut attempt = 0;
        loop {
            let name = names::made_up(seed, attempt);
            match self.take_name(&name, id) {
                Err(ContainerError::NameTaken { .. }) if attempt < ATTEMPTS => attempt += 1,
                taken => return taken.map(|()| name),
            }
        }
    }

    fn take_name(&self, name: &str, id: &str) -> Result<(), ContainerError> {
        let link = self.root.join(BY_NAME).join(name);
        loop {
            match std::os::unix::fs::symlink(id, &link) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => return Ok(made.at("create", &link)?),
            }
            let holder = std::fs::read_link(&link).at("read", &link)?;
            if self.root.join(&holder).exists() {
                return Err(ContainerError::NameTaken { name: name.to_owned(), id: holder.display().to_string() });
            }
            // Left by a container whose removal was interrupted.
            std::fs::remove_file(&link).at("remove", &link)?;
        }
    }

    /// Removes the containers that were to go when they ended, and whose rbuild was killed before.
    fn remove_dead(&self) -> Result<(), ContainerError> {
        for id in self.ids()? {
            let path = self.root.join(&id);
            if path.join(AUTO_REMOVE).exists() && !is_locked(&path)? {
                self.remove_folder(&id)?;
            }
        }
        Ok(())
    }

    /// All containers, the youngest first.
    pub fn list(&self) -> Result<Vec<Entry>, ContainerError> {
        let mut entries = Vec::new();
        for id in self.ids()? {
            let path = self.root.join(&id);
            // Without a record it is being made, or was never finished.
            if path.join(RECORD).exists() {
                let (record, is_running) = (Record::read(&path.join(RECORD))?, is_locked(&path)?);
                entries.push(Entry { record, is_running, path });
            }
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.record.created));
        Ok(entries)
    }

    /// The container of that name, ID, or beginning of an ID.
    pub fn find(&self, word: &str) -> Result<Entry, ContainerError> {
        let mut entries = self.list()?;
        let is_exact = |entry: &Entry| entry.record.id == word || entry.record.name == format!("/{word}");
        if let Some(position) = entries.iter().position(is_exact) {
            return Ok(entries.swap_remove(position));
        }
        entries.retain(|entry| !word.is_empty() && entry.record.id.starts_with(word));
        match entries.len() {
            0 => Err(ContainerError::NotFound { name: word.to_owned() }),
            1 => Ok(entries.remove(0)),
            _ => Err(ContainerError::Ambiguous { prefix: word.to_owned() }),
        }
    }

    /// Removes a container that has ended.
    pub fn remove(&self, entry: &Entry) -> Result<(), ContainerError> {
        if is_locked(&entry.path)? {
            return Err(ContainerError::IsRunning { name: entry.record.name.trim_start_matches('/').to_owned() });
        }
        self.remove_folder(&entry.record.id)
    }

    pub(super) fn remove_own(&self, reserved: &Reserved) -> Result<(), ContainerError> {
        self.remove_folder(&reserved.id)
    }

    fn remove_folder(&self, id: &str) -> Result<(), ContainerError> {
        let path = self.root.join(id);
        // The name first: one that leads nowhere may be taken by anyone.
        let by_name = self.root.join(BY_NAME);
        for link in std::fs::read_dir(&by_name).at("read", &by_name)?.flatten() {
            if std::fs::read_link(link.path()).is_ok_and(|target| target == Path::new(id)) {
                std::fs::remove_file(link.path()).at("remove", link.path())?;
            }
        }
        std::fs::remove_dir_all(&path).at("remove", &path)?;
        Ok(())
    }

    fn ids(&self) -> Result<Vec<String>, ContainerError> {
        let entries = match std::fs::read_dir(&self.root) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.at("read", &self.root)?,
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        Ok(names.filter(|name| name.as_bytes().len() == 64).filter_map(|name| name.into_string().ok()).collect())
    }
}

impl Reserved {
    pub(super) fn record_path(&self) -> PathBuf {
        self.path.join(RECORD)
    }
}

impl Entry {
    /// Where what it changed is.
    pub fn upper(&self) -> PathBuf {
        self.path.join("upper")
    }
}

fn lock_file(path: &Path) -> Result<File, ContainerError> {
    let path = path.join(LOCK);
    Ok(File::options().create(true).truncate(false).write(true).open(&path).at("open", &path)?)
}

fn is_locked(path: &Path) -> Result<bool, ContainerError> {
    let file = lock_file(path)?;
    Ok(flock(&file, FlockOperation::NonBlockingLockShared).is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_once_and_given_back() {
        let root = tempfile::tempdir().unwrap();
        let containers = Containers::of(root.path());
        let first = containers.reserve(Some("web"), false).unwrap();
        assert!(matches!(containers.reserve(Some("web"), false), Err(ContainerError::NameTaken { .. })));
        assert_eq!(containers.ids().unwrap(), [first.id.as_str()]);
        containers.remove_own(&first).unwrap();
        containers.reserve(Some("web"), false).unwrap();
    }

    #[test]
    fn what_a_killed_rbuild_was_to_remove_goes() {
        let root = tempfile::tempdir().unwrap();
        let containers = Containers::of(root.path());
        let dead = containers.reserve(Some("gone"), true).unwrap();
        let alive = containers.reserve(Some("here"), true).unwrap();
        let dead_id = dead.id.clone();
        drop(dead);
        let third = containers.reserve(Some("gone"), false).unwrap();
        let ids = containers.ids().unwrap();
        assert!(!ids.contains(&dead_id) && ids.contains(&alive.id) && ids.contains(&third.id));
    }
}
