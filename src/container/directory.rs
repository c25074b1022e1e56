//! The folders of containers.

use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::error::ContainerError;
use super::events;
use super::foreign;
use super::names;
use super::record::Record;
use super::state::State;
use super::stop::Stop;
use super::volumes;
use crate::base::hex;
use crate::base::io_error::AtPath;

pub(super) const BY_NAME: &str = "by-name";
pub(super) const RECORD: &str = "config.json";
pub(super) const STATE: &str = "state.json";
pub(super) const LOCK: &str = "lock";
const CHANGE_LOCK: &str = "change.lock";
const AUTO_REMOVE: &str = "auto-remove";
/// How often an exclusive lock is retried while another process holds it, a millisecond apart.
const TAKE_ATTEMPTS: usize = 50;

/// The prefix of a container's ID while it is being removed.
pub(super) const REMOVING: &str = ".removed-";
const KILL: i32 = 9;

/// How containers are removed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Removal {
    /// Also remove running containers.
    pub force: bool,
    /// Also remove their anonymous volumes.
    pub volumes: bool,
}

/// All containers of a store.
#[derive(Debug, Clone)]
pub struct Containers {
    root: PathBuf,
}

/// The folder and name of a container that is being created; no other process removes it meanwhile.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) path: PathBuf,
    _lock: File,
}

/// An existing container.
#[derive(Debug)]
pub struct Entry {
    /// What is written down of it.
    pub record: Record,
    /// The actual state, even if a killed monitor left another one in the file.
    pub state: State,
    /// Whether its monitor is there. (The program itself may have ended and wait for its restart.)
    pub is_running: bool,
    pub(super) path: PathBuf,
}

/// A container that no other process runs while this is held.
#[derive(Debug)]
pub(super) struct Running {
    lock: File,
}

impl Running {
    /// Whether the container's folder was deleted, perhaps with the whole store.
    pub(super) fn is_deleted(&self) -> bool {
        self.lock.metadata().is_ok_and(|metadata| std::os::unix::fs::MetadataExt::nlink(&metadata) == 0)
    }
}

impl Containers {
    /// The containers of the store in that folder.
    pub fn of(store_root: &Path) -> Self {
        Self { root: store_root.join("containers") }
    }

    /// The containers in that folder itself.
    pub(super) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn open(&self, id: &str) -> Result<Entry, ContainerError> {
        Entry::open(self.root.join(id))?.ok_or_else(|| ContainerError::NotFound { name: id.to_owned() })
    }

    /// The folder of the store.
    pub fn store_root(&self) -> &Path {
        self.root.parent().unwrap_or(&self.root)
    }

    /// Creates a folder for a new container, with a new ID, and takes its name.
    pub(super) fn reserve(&self, name: Option<&str>) -> Result<Reserved, ContainerError> {
        let by_name = self.root.join(BY_NAME);
        std::fs::create_dir_all(&by_name).at("create", &by_name)?;
        self.remove_dead()?;
        let mut random = [0u8; 32];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty()).at("read", "the random numbers")?;
        let id = hex::encode(&random);
        let path = self.root.join(&id);
        std::fs::create_dir(&path).at("create", &path)?;
        let lock = lock_file(&path)?;
        flock(&lock, FlockOperation::LockExclusive).at("lock", &path)?;
        let taken = match name {
            Some(name) => names::check(name).and_then(|()| self.take_name(name, &id)).map(|()| name.to_owned()),
            None => self.make_up_name(&random, &id),
        };
        match taken {
            Ok(name) => Ok(Reserved { id, name, path, _lock: lock }),
            Err(error) => {
                // This error matters more; an empty folder that stays does no harm.
                let _ = crate::base::foreign::remove_tree(&path);
                Err(error)
            }
        }
    }

    /// Finishes removals that were interrupted, and removes the containers made with `--rm` whose rbuild was killed.
    fn remove_dead(&self) -> Result<(), ContainerError> {
        for entry in std::fs::read_dir(&self.root).at("read", &self.root)?.flatten() {
            if entry.file_name().as_bytes().starts_with(REMOVING.as_bytes()) {
                // Another process may be removing it, and will finish.
                let _ = crate::base::foreign::remove_tree(&entry.path());
            }
        }
        for id in self.ids()? {
            let path = self.root.join(&id);
            if path.join(AUTO_REMOVE).exists() && !is_locked(&path)? {
                self.remove_own(&id)?;
            }
        }
        Ok(())
    }

    /// All containers, newest first.
    pub fn list(&self) -> Result<Vec<Entry>, ContainerError> {
        let mut entries = Vec::new();
        for id in self.ids()? {
            // Without a record, it is being created, was never finished, or is being removed.
            entries.extend(Entry::open(self.root.join(&id))?);
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.record.created));
        Ok(entries)
    }

    /// The container with that name, ID, or unique prefix of an ID.
    pub fn find(&self, word: &str) -> Result<Entry, ContainerError> {
        if let Some(entry) = self.find_exact(word)? {
            return Ok(entry);
        }
        let mut entries = Vec::new();
        for id in self.ids()?.into_iter().filter(|id| !word.is_empty() && id.starts_with(word)) {
            entries.extend(Entry::open(self.root.join(&id))?);
        }
        match entries.len() {
            0 => Err(ContainerError::NotFound { name: word.to_owned() }),
            1 => Ok(entries.remove(0)),
            _ => Err(ContainerError::Ambiguous { prefix: word.to_owned() }),
        }
    }

    /// By its name or its whole ID; no other container is looked at.
    fn find_exact(&self, word: &str) -> Result<Option<Entry>, ContainerError> {
        let by_name = || std::fs::read_link(self.root.join(BY_NAME).join(word)).ok();
        let is_id = word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = if is_id { Some(PathBuf::from(word)) } else { names::check(word).ok().and_then(|()| by_name()) };
        let Some(id) = id else { return Ok(None) };
        let found = Entry::open(self.root.join(id))?;
        Ok(found.filter(|entry| entry.record.id == word || entry.record.plain_name() == word))
    }

    /// Removes a container that has ended.
    pub fn remove(&self, entry: &Entry) -> Result<(), ContainerError> {
        self.remove_with(entry, Removal::default())
    }

    /// The same for a running container, if forced: it is killed.
    pub fn remove_with(&self, entry: &Entry, removal: Removal) -> Result<(), ContainerError> {
        if removal.force && entry.is_running {
            let kill = Stop { signal: Some(KILL), timeout: Some(0), keep: false, is_removal: true };
            entry.stop(kill)?;
            if !entry.path.join(RECORD).exists() {
                // It was created with `--rm`.
                return Ok(());
            }
        }
        let _running = entry.take()?;
        self.set_folder_aside(&entry.record.id)?.delete()?;
        events::add(self, &entry.record, "destroy", &[]);
        if removal.volumes { volumes::remove_anonymous(self, &entry.record.mounts) } else { Ok(()) }
    }

    /// Changes the container's record if `change` returns true. Only one process at a time does this.
    pub fn change(&self, entry: &Entry, change: impl FnOnce(&mut Record) -> bool) -> Result<bool, ContainerError> {
        let path = entry.path.join(CHANGE_LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&path).at("open", &path)?;
        flock(&lock, FlockOperation::LockExclusive).at("lock", &path)?;
        let mut record = Record::read(&entry.path.join(RECORD))?;
        let changed = change(&mut record);
        if changed {
            record.write(&entry.path.join(RECORD))?;
        }
        Ok(changed)
    }

    /// Reports an event of a container.
    pub fn tell(&self, entry: &Entry, action: &str, facts: &[(&str, &str)]) {
        events::add(self, &entry.record, action, facts);
    }

    /// Removes a container whose lock the caller holds (or nobody), and its anonymous volumes.
    pub(super) fn remove_own(&self, id: &str) -> Result<(), ContainerError> {
        self.set_aside(id)?.delete()
    }

    /// Like [`Self::remove_own`], but leaves the container's folder, moved aside where nobody sees it, to the caller.
    pub(super) fn set_aside(&self, id: &str) -> Result<Aside, ContainerError> {
        let record = Record::read(&self.root.join(id).join(RECORD));
        let aside = self.set_folder_aside(id)?;
        // A container without a record was never finished.
        record.map_or(Ok(()), |record| volumes::remove_anonymous(self, &record.mounts))?;
        Ok(aside)
    }

    fn set_folder_aside(&self, id: &str) -> Result<Aside, ContainerError> {
        let path = self.root.join(id);
        // A container without a record was never started.
        if let Ok(record) = Record::read(&path.join(RECORD)) {
            foreign::forget(&record, &path)?;
        }
        // Two processes may find it dead: only one of them can rename it, and nobody sees it half removed. Its name is
        // dangling then, whatever happens to this process; until then, nobody else can take the name.
        let aside = self.root.join(format!("{REMOVING}{id}"));
        match std::fs::rename(&path, &aside) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Aside(None)),
            moved => moved.at("rename", &path)?,
        }
        let (by_name, _names) = (self.root.join(BY_NAME), self.lock_names()?);
        for link in std::fs::read_dir(&by_name).at("read", &by_name)?.flatten() {
            if std::fs::read_link(link.path()).is_ok_and(|target| target == Path::new(id)) {
                std::fs::remove_file(link.path()).at("remove", link.path())?;
            }
        }
        Ok(Aside(Some(aside)))
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

/// The folder of a removed container, if it had one.
#[derive(Debug)]
pub(super) struct Aside(Option<PathBuf>);

impl Aside {
    pub(super) fn delete(self) -> Result<(), ContainerError> {
        match self.0 {
            Some(path) => Ok(crate::base::foreign::remove_tree(&path)?),
            None => Ok(()),
        }
    }
}

impl Entry {
    /// The container in that folder; `None` if there is none any longer.
    pub(super) fn open(path: PathBuf) -> Result<Option<Self>, ContainerError> {
        let record = match Record::read(&path.join(RECORD)) {
            Err(error) if error.is_not_found() => return Ok(None),
            record => record?,
        };
        // The lock is checked first: a monitor releases it after it has recorded the end.
        let is_running = match is_locked(&path) {
            Err(error) if error.is_not_found() => return Ok(None),
            is_locked => is_locked?,
        };
        let state = State::read(&path.join(STATE))?;
        let state = if is_running { state } else { state.without_monitor() };
        Ok(Some(Self { record, state, is_running, path }))
    }

    /// Makes this process the monitor of the container.
    pub(super) fn take(&self) -> Result<Running, ContainerError> {
        let file = lock_file(&self.path)?;
        if take_lock(&file).at("lock", self.path.join(LOCK))? {
            return Ok(Running { lock: file });
        }
        Err(ContainerError::IsRunning { name: self.record.plain_name().to_owned() })
    }

    /// Lets any later process remove the container, if this one dies before it can.
    pub(super) fn mark_for_removal(&self) -> Result<(), ContainerError> {
        let mark = self.path.join(AUTO_REMOVE);
        Ok(std::fs::write(&mark, "").at("write", &mark)?)
    }

    pub(super) fn write_state(&self) -> Result<(), ContainerError> {
        self.state.write(&self.path.join(STATE))
    }

    /// The container's own folder.
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// The set of containers to which it belongs.
    pub(super) fn containers(&self) -> Containers {
        Containers::at(self.path.parent().unwrap_or(&self.path).to_owned())
    }

    /// The folder of its changes.
    pub fn upper(&self) -> PathBuf {
        self.path.join("upper")
    }
}

fn lock_file(path: &Path) -> Result<File, ContainerError> {
    let path = path.join(LOCK);
    Ok(File::options().create(true).truncate(false).write(true).open(&path).at("open", &path)?)
}

/// Returns whether the lock was taken: false if another process runs the container. Processes that only check the lock
/// share it for a moment, which can be long on a loaded machine: they are waited for.
fn take_lock(file: &File) -> std::io::Result<bool> {
    let mut refusals = 0;
    while refusals < TAKE_ATTEMPTS {
        if flock(file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(true);
        }
        match flock(file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => flock(file, FlockOperation::Unlock)?,
            Err(_) => refusals += 1,
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Ok(false)
}

/// Does not create the lock: the folder may be about to be removed.
pub(super) fn is_locked(path: &Path) -> Result<bool, ContainerError> {
    let path = path.join(LOCK);
    match File::options().write(true).open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        file => Ok(flock(&file.at("open", &path)?, FlockOperation::NonBlockingLockShared).is_err()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_once_and_given_back() {
        let root = tempfile::tempdir().unwrap();
        let containers = Containers::of(root.path());
        let first = containers.reserve(Some("web")).unwrap();
        assert!(matches!(containers.reserve(Some("web")), Err(ContainerError::NameTaken { .. })));
        assert_eq!(containers.ids().unwrap(), [first.id.as_str()]);
        containers.remove_own(&first.id).unwrap();
        containers.reserve(Some("web")).unwrap();
    }

    #[test]
    fn who_looks_at_a_lock_is_waited_for_and_who_has_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let open = || lock_file(folder.path()).unwrap();
        let (looking, asking) = (open(), open());
        flock(&looking, FlockOperation::LockShared).unwrap();
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| take_lock(&asking).unwrap());
            std::thread::sleep(std::time::Duration::from_millis(4 * TAKE_ATTEMPTS as u64));
            assert!(!taken.is_finished());
            drop(looking);
            assert!(taken.join().unwrap());
        });
        assert!(!take_lock(&open()).unwrap());
    }

    #[test]
    fn what_a_killed_rbuild_was_to_remove_goes() {
        let root = tempfile::tempdir().unwrap();
        let containers = Containers::of(root.path());
        let (dead, alive) = (containers.reserve(Some("gone")).unwrap(), containers.reserve(Some("here")).unwrap());
        for reserved in [&dead, &alive] {
            std::fs::write(reserved.path.join(AUTO_REMOVE), "").unwrap();
        }
        let dead_id = dead.id.clone();
        drop(dead);
        let third = containers.reserve(Some("gone")).unwrap();
        let ids = containers.ids().unwrap();
        assert!(!ids.contains(&dead_id) && ids.contains(&alive.id) && ids.contains(&third.id));
    }
}
