//! Which container has which name: a link to the container's folder for each name, so that two processes never give the
//! same one.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::{check, made_up};
use crate::base::io_error::AtPath;
use crate::container::directory::{BY_NAME, Containers, Entry, RECORD, is_locked};
use crate::container::error::ContainerError;
use crate::container::events;
use crate::container::record::Record;

/// How many made-up names are tried.
const ATTEMPTS: usize = 30;

impl Containers {
    pub(in crate::container) fn make_up_name(&self, seed: &[u8], id: &str) -> Result<String, ContainerError> {
        let mut attempt = 0;
        loop {
            let name = made_up(seed, attempt);
            match self.take_name(&name, id) {
                Err(ContainerError::NameTaken { .. }) if attempt < ATTEMPTS => attempt += 1,
                taken => return taken.map(|()| name),
            }
        }
    }

    pub(in crate::container) fn take_name(&self, name: &str, id: &str) -> Result<(), ContainerError> {
        let link = self.root().join(BY_NAME).join(name);
        match std::os::unix::fs::symlink(id, &link) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => return Ok(made.at("create", &link)?),
        }
        let names = self.lock_names()?;
        self.take_name_locked(&names, name, id)
    }

    /// The same for who has the lock of names.
    fn take_name_locked(&self, _: &File, name: &str, id: &str) -> Result<(), ContainerError> {
        let link = self.root().join(BY_NAME).join(name);
        loop {
            match std::os::unix::fs::symlink(id, &link) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => return Ok(made.at("create", &link)?),
            }
            let holder = match std::fs::read_link(&link) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                holder => holder.at("read", &link)?,
            };
            if self.has_name(&holder, name)? {
                return Err(ContainerError::NameTaken { name: name.to_owned(), id: holder.display().to_string() });
            }
            // Left by a process that was killed while it made, renamed or removed a container.
            std::fs::remove_file(&link).at("remove", &link)?;
        }
    }

    /// Whether a container that a name leads to is called so, or is being made under that name. Renames hold the lock of
    /// names until the record has the new one.
    fn has_name(&self, id: &Path, name: &str) -> Result<bool, ContainerError> {
        let path = self.root().join(id);
        let is_called_so = || match Record::read(&path.join(RECORD)) {
            Err(error) if error.is_not_found() => None,
            // One that cannot be read keeps its name.
            Err(_) => Some(true),
            Ok(record) => Some(record.plain_name() == name),
        };
        if let Some(is_called_so) = is_called_so() {
            return Ok(is_called_so);
        }
        // It may have been finished since.
        Ok(is_locked(&path)? || is_called_so().unwrap_or(false))
    }

    /// Names that lead nowhere are taken away by one process at a time, so that none takes away what another one has just
    /// put in their place.
    pub(in crate::container) fn lock_names(&self) -> Result<File, ContainerError> {
        let by_name = self.root().join(BY_NAME);
        let names = File::open(&by_name).at("open", &by_name)?;
        flock(&names, FlockOperation::LockExclusive).at("lock", &by_name)?;
        Ok(names)
    }

    /// Gives a container another name.
    pub fn rename(&self, entry: &Entry, name: &str) -> Result<(), ContainerError> {
        check(name)?;
        // Whoever is killed on the way leaves a name that leads to a container with another one: it is free.
        let names = self.lock_names()?;
        self.take_name_locked(&names, name, &entry.record.id)?;
        let mut old = String::new();
        self.change(entry, |record| {
            old = record.plain_name().to_owned();
            record.name = format!("/{name}");
            true
        })?;
        let old = self.root().join(BY_NAME).join(old);
        std::fs::remove_file(&old).at("remove", &old)?;
        drop(names);
        if entry.is_running {
            entry.reload()?;
        }
        let renamed = self.open(&entry.record.id)?;
        events::add(self, &renamed.record, "rename", &[("oldName", &entry.record.name)]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a rename leaves that is killed before the record has the new name, or after that.
    #[test]
    fn a_name_that_nobody_has_is_free() {
        let root = tempfile::tempdir().unwrap();
        let containers = Containers::of(root.path());
        let by_name = containers.root().join(BY_NAME);
        let made = containers.reserve(Some("first")).unwrap();
        std::os::unix::fs::symlink(&made.id, by_name.join("second")).unwrap();
        let is_taken = |name: &str| matches!(containers.reserve(Some(name)), Err(ContainerError::NameTaken { .. }));
        // Being made, it may have any name.
        assert!(is_taken("first") && is_taken("second"));
        drop(made);
        // Whoever made it was killed.
        assert!(!is_taken("first") && !is_taken("second"));
        assert_eq!(std::fs::read_dir(&by_name).unwrap().count(), 2);
    }
}
