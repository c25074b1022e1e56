//! Finds damage in the folders of containers and repairs it: after a `kill -9`, a power loss, or a disk that corrupted
//! data. What a container wrote is never deleted.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::directory::{BY_NAME, Containers, LOCK, RECORD, REMOVING, STATE, is_locked};
use super::record::Record;
use super::state::State;
use super::working;
use crate::base::digest::DiffId;
use crate::base::flaw::Flaw;
use crate::store::Store;
use crate::store::snapshot;

#[derive(Debug, Clone)]
pub enum Cure {
    Remove(PathBuf),
    /// Renames the folder to a name that is no container's ID.
    PutAside(PathBuf),
    /// Resets the state, because the end was not recorded.
    NewState(PathBuf),
    Name {
        link: PathBuf,
        id: String,
    },
    Unpack(DiffId),
}

impl Containers {
    /// The flaws of the containers' folders. Containers that are just being created or removed are left alone.
    pub fn flaws(&self) -> Vec<Flaw<Cure>> {
        let mut flaws = Vec::new();
        for entry in std::fs::read_dir(self.root()).into_iter().flatten().flatten() {
            let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
            if name.starts_with(REMOVING) {
                let subject = format!("folder containers/{name}");
                flaws.push(Flaw::leftover(subject, "the removal of a container was interrupted", Cure::Remove(path)));
            } else if name.len() == 64 && path.is_dir() {
                self.flaws_of(&name, &path, &mut flaws);
            }
        }
        for entry in std::fs::read_dir(self.root().join(BY_NAME)).into_iter().flatten().flatten() {
            let target = std::fs::read_link(entry.path()).unwrap_or_default();
            if !self.root().join(&target).is_dir() {
                let subject = format!("name {} of a container", entry.file_name().to_string_lossy());
                flaws.push(Flaw::leftover(subject, "the container is not there", Cure::Remove(entry.path())));
            }
        }
        flaws
    }

    fn flaws_of(&self, id: &str, path: &Path, flaws: &mut Vec<Flaw<Cure>>) {
        // Its monitor handles it, or it is still being created.
        if is_locked(path).unwrap_or(false) {
            return;
        }
        let subject = format!("container {}", &id[..12]);
        let record = match Record::read(&path.join(RECORD)) {
            Ok(record) => record,
            Err(error) if error.is_not_found() => {
                if path.exists() {
                    flaws.push(Flaw::leftover(subject, "it was never finished", Cure::Remove(path.to_owned())));
                }
                return;
            }
            Err(error) => {
                return flaws.push(Flaw::damage(subject, error.to_string(), Cure::PutAside(path.to_owned())));
            }
        };
        let state = path.join(STATE);
        if let Err(error) = State::read(&state) {
            flaws.push(Flaw::damage(&subject, error.to_string(), Cure::NewState(state)));
        }
        for diff_id in record.diff_ids().into_iter().filter(|diff_id| !self.layer_path(diff_id).is_dir()) {
            let fault = format!("layer {diff_id} is no longer unpacked");
            flaws.push(Flaw::damage(&subject, fault, Cure::Unpack(diff_id)));
        }
        let link = self.root().join(BY_NAME).join(record.plain_name());
        if std::fs::symlink_metadata(&link).is_err() {
            let cure = Cure::Name { link, id: id.to_owned() };
            flaws.push(Flaw::damage(&subject, "another container could take its name", cure));
        }
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            if entry.file_name() == working::FOLDER {
                let fault = "what it changed when its monitor was killed is not known";
                flaws.push(Flaw::leftover(&subject, fault, Cure::Remove(entry.path())));
            }
            // New versions of files are written under this name and renamed once complete.
            if entry.file_name().to_string_lossy().ends_with(".new") && entry.path().is_file() {
                let fault = format!("{} was never finished", entry.file_name().to_string_lossy());
                flaws.push(Flaw::leftover(&subject, fault, Cure::Remove(entry.path())));
            }
        }
    }

    /// The container's names are removed with it, so that others can have them.
    fn remove_names_of(&self, id: &str) -> std::io::Result<()> {
        for link in std::fs::read_dir(self.root().join(BY_NAME)).into_iter().flatten().flatten() {
            if std::fs::read_link(link.path()).is_ok_and(|target| target == Path::new(id)) {
                std::fs::remove_file(link.path())?;
            }
        }
        Ok(())
    }

    fn layer_path(&self, diff_id: &DiffId) -> PathBuf {
        self.store_root().join("layers").join(diff_id.hex())
    }

    /// Repairs the flaw, unless the container is in use by now. Returns what was done, or `None`.
    pub fn mend(&self, store: &Store, flaw: &Flaw<Cure>) -> Option<String> {
        match &flaw.cure {
            Cure::Remove(path) if path.is_dir() => {
                let _lock = taken(path)?;
                store.remove_leftover(path).ok()?;
                self.remove_names_of(&path.file_name()?.to_string_lossy()).ok()?;
                Some("removed".to_owned())
            }
            Cure::Remove(path) => std::fs::remove_file(path).ok().map(|()| "removed".to_owned()),
            Cure::PutAside(path) => {
                let _lock = taken(path)?;
                let id = path.file_name()?.to_string_lossy().into_owned();
                let name = format!("damaged-{id}");
                std::fs::rename(path, path.with_file_name(&name)).ok()?;
                self.remove_names_of(&id).ok()?;
                Some(format!("put aside as containers/{name}, with what it wrote in the folder `upper`"))
            }
            Cure::NewState(path) => {
                let _lock = taken(path.parent()?)?;
                State::default().write(path).ok()?;
                Some("it counts as never started".to_owned())
            }
            Cure::Name { link, id } => {
                std::os::unix::fs::symlink(id, link).ok()?;
                Some("it has its name again".to_owned())
            }
            Cure::Unpack(diff_id) => {
                snapshot::unpack(store, diff_id).ok()?;
                Some("unpacked again".to_owned())
            }
        }
    }
}

/// The lock of a container that nobody runs; if it was never finished, it may have none.
fn taken(folder: &Path) -> Option<Option<File>> {
    match File::open(folder.join(LOCK)) {
        Ok(file) => file.try_lock().is_ok().then_some(Some(file)),
        Err(_) => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_finished_goes_and_what_is_damaged_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let containers = Containers::of(folder.path());
        let root = folder.path().join("containers");
        let (unfinished, damaged) = (root.join("a".repeat(64)), root.join("b".repeat(64)));
        for path in [&unfinished, &damaged, &root.join(".removed-x"), &root.join(BY_NAME)] {
            std::fs::create_dir_all(path).unwrap();
        }
        std::fs::write(damaged.join(RECORD), "{ no record").unwrap();
        std::fs::write(damaged.join("upper"), "kept").unwrap();
        std::os::unix::fs::symlink("c".repeat(64), root.join(BY_NAME).join("nobody")).unwrap();
        std::os::unix::fs::symlink("a".repeat(64), root.join(BY_NAME).join("soon")).unwrap();
        let flaws = containers.flaws();
        assert_eq!(flaws.iter().filter(|flaw| flaw.is_damage).count(), 1);
        assert_eq!(flaws.len(), 4, "{flaws:?}");
        assert!(flaws.iter().all(|flaw| containers.mend(&store, flaw).is_some()));
        assert!(containers.flaws().is_empty() && containers.list().unwrap().is_empty());
        let aside = root.join(format!("damaged-{}", "b".repeat(64)));
        assert_eq!(std::fs::read_to_string(aside.join("upper")).unwrap(), "kept");
    }

    #[test]
    fn one_that_is_being_made_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let containers = Containers::of(folder.path());
        let reserved = containers.reserve(Some("mine")).unwrap();
        assert!(containers.flaws().is_empty());
        drop(reserved);
        assert_eq!(containers.flaws().len(), 1);
    }
}
