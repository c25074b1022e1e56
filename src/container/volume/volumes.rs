//! Creates, finds, fills and removes the volumes of a store.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::driver;
use super::error::VolumeError;
use super::record::{ANONYMOUS, VolumeRecord};
use crate::base::foreign;
use crate::base::hex;
use crate::base::io_error::AtPath;
use crate::base::privacy;

pub(super) const RECORD: &str = "volume.json";
pub(super) const DATA: &str = "_data";
/// The data of a volume while it is being filled.
pub(super) const NEW_DATA: &str = "_data.new";
/// The prefix of a volume's name while it is being removed: no volume can have such a name.
pub(super) const REMOVING: &str = ".removed-";

#[derive(Debug, Clone)]
pub struct Volumes {
    folder: PathBuf,
}

/// A request for a volume. Without a name, it gets a unique one.
#[derive(Debug, Clone, Default)]
pub struct NewVolume {
    pub name: String,
    pub driver: String,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
}

impl Volumes {
    /// The volumes of the store in that folder.
    pub fn of(store_root: &Path) -> Self {
        Self { folder: store_root.join("volumes") }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// All volumes, by name.
    pub fn list(&self) -> Result<Vec<VolumeRecord>, VolumeError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.at("read", &self.folder)?,
        };
        let read = |entry: std::fs::DirEntry| read(&entry.path().join(RECORD)).transpose();
        // The rest of a volume whose removal was interrupted still has its record.
        let is_volume = |entry: &std::fs::DirEntry| !entry.file_name().to_string_lossy().starts_with(REMOVING);
        let mut records = entries.flatten().filter(is_volume).filter_map(read).collect::<Result<Vec<_>, _>>()?;
        records.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(records)
    }

    pub fn find(&self, name: &str) -> Result<VolumeRecord, VolumeError> {
        let missing = || VolumeError::NotFound { name: name.to_owned() };
        check_name(name).map_err(|_| missing())?;
        read(&self.folder.join(name).join(RECORD))?.ok_or_else(missing)
    }

    /// Makes a volume, or finds the one of that name, whatever its options are.
    pub fn create(&self, new: NewVolume) -> Result<VolumeRecord, VolumeError> {
        if !matches!(new.driver.as_str(), "" | "local") {
            return Err(VolumeError::Driver { driver: new.driver });
        }
        driver::check(&new.options)?;
        let mut labels = new.labels;
        let name = if new.name.is_empty() {
            labels.insert(ANONYMOUS.to_owned(), String::new());
            random_name()?
        } else {
            check_name(&new.name)?;
            new.name
        };
        let options = Some(new.options).filter(|options| !options.is_empty());
        let place = self.folder.join(&name);
        std::fs::create_dir_all(&place).at("create", &place)?;
        let _lock = lock(&place)?;
        if let Some(found) = read(&place.join(RECORD))? {
            return Ok(found);
        }
        let data = place.join(DATA);
        make_data(&data)?;
        let labels = Some(labels).filter(|labels| !labels.is_empty());
        let record = VolumeRecord { labels, options, ..VolumeRecord::plain(name, data) };
        write(&place.join(RECORD), &record)?;
        Ok(record)
    }

    /// Fills an empty volume. `fill` gets a folder that becomes the volume's data when it is done; if it is
    /// interrupted, the volume stays empty.
    pub fn fill<E: From<VolumeError>>(
        &self,
        record: &VolumeRecord,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        let place = self.folder.join(&record.name);
        let _lock = lock(&place)?;
        let mut entries =
            std::fs::read_dir(&record.mountpoint).at("read", &record.mountpoint).map_err(VolumeError::from)?;
        if entries.next().is_some() {
            return Ok(());
        }
        let new = place.join(NEW_DATA);
        let prepare = || -> Result<(), VolumeError> {
            foreign::remove_tree(&new)?;
            make_data(&new)
        };
        prepare()?;
        fill(&new)?;
        Ok(std::fs::rename(&new, &record.mountpoint).at("rename", &new).map_err(VolumeError::from)?)
    }

    /// Removes a volume that no container uses.
    pub fn remove(&self, name: &str, containers: Vec<String>) -> Result<(), VolumeError> {
        let record = self.find(name)?;
        if !containers.is_empty() {
            return Err(VolumeError::InUse { name: record.name, containers });
        }
        let place = self.folder.join(&record.name);
        let _lock = lock(&place)?;
        // Renamed first: nobody sees it half removed, and the rest is not a volume.
        let aside = self.folder.join(format!("{REMOVING}{name}"));
        foreign::remove_tree(&aside)?;
        std::fs::rename(&place, &aside).at("rename", &place)?;
        Ok(foreign::remove_tree(&aside)?)
    }
}

/// Programs of all users of a container may read a new volume.
pub(super) fn make_data(data: &Path) -> Result<(), VolumeError> {
    Ok(privacy::make_folders_with(data, 0o755)?)
}

/// The maximum length of a folder's name (NAME_MAX), minus the prefix for its removal.
const MOST_NAME: usize = 240;

fn check_name(name: &str) -> Result<(), VolumeError> {
    let is_letter = |c: char| c.is_ascii_alphanumeric();
    let is_rest = |c: char| is_letter(c) || matches!(c, '_' | '.' | '-');
    let is_right = (2..=MOST_NAME).contains(&name.len()) && name.starts_with(is_letter) && name.chars().all(is_rest);
    if is_right { Ok(()) } else { Err(VolumeError::BadName { name: name.to_owned() }) }
}

fn random_name() -> Result<String, VolumeError> {
    Ok(hex::random_id().at("read", "the random numbers")?)
}

fn lock(place: &Path) -> Result<File, VolumeError> {
    let path = place.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path).at("open", &path)?;
    flock(&file, FlockOperation::LockExclusive).at("lock", &path)?;
    Ok(file)
}

pub(super) fn read(path: &Path) -> Result<Option<VolumeRecord>, VolumeError> {
    let bytes = match std::fs::read(path) {
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        bytes => bytes.at("read", path)?,
    };
    let damaged = |source| VolumeError::DamagedRecord { path: path.to_owned(), source };
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

pub(super) fn write(path: &Path, record: &VolumeRecord) -> Result<(), VolumeError> {
    let damaged = |source| VolumeError::DamagedRecord { path: path.to_owned(), source };
    let bytes = serde_json::to_vec(record).map_err(damaged)?;
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, bytes).at("write", &temporary)?;
    Ok(std::fs::rename(&temporary, path).at("rename", &temporary)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> NewVolume {
        NewVolume { name: name.to_owned(), ..NewVolume::default() }
    }

    #[test]
    fn volumes_come_and_go() {
        let store = tempfile::tempdir().unwrap();
        let volumes = Volumes::of(store.path());
        let data = volumes.create(named("data")).unwrap();
        assert_eq!(volumes.create(named("data")).unwrap(), data);
        let other = ["type", "device"].map(|key| (key.to_owned(), "tmpfs".to_owned())).into();
        assert_eq!(volumes.create(NewVolume { options: other, ..named("data") }).unwrap(), data);
        let anonymous = volumes.create(NewVolume::default()).unwrap();
        assert!(anonymous.is_anonymous() && anonymous.name.len() == 64 && !data.is_anonymous());
        for wrong in ["", "a", "-a", "a/b", "../x", "ä1"] {
            assert!(wrong.is_empty() || volumes.create(named(wrong)).is_err(), "{wrong}");
            assert!(volumes.find(wrong).is_err());
        }
        assert_eq!(volumes.list().unwrap().len(), 2);
        let in_use = volumes.remove("data", vec!["abc".to_owned()]).unwrap_err();
        assert_eq!(in_use.to_string(), "volume data is in use: abc");
        volumes.remove("data", Vec::new()).unwrap();
        assert!(matches!(volumes.remove("data", Vec::new()), Err(VolumeError::NotFound { .. })));
        assert!(!data.mountpoint.exists());
        let place = store.path().join("volumes").join(&anonymous.name);
        std::fs::rename(&place, place.with_file_name(format!("{REMOVING}{}", anonymous.name))).unwrap();
        assert!(volumes.list().unwrap().is_empty(), "a removal that was interrupted leaves no volume");
    }

    #[test]
    fn an_empty_volume_is_filled_once_and_whole() {
        let store = tempfile::tempdir().unwrap();
        let volumes = Volumes::of(store.path());
        let data = volumes.create(named("data")).unwrap();
        let fails: Result<(), VolumeError> = volumes.fill(&data, |folder| {
            std::fs::write(folder.join("half"), "").unwrap();
            Err(VolumeError::NotFound { name: "x".to_owned() })
        });
        assert!(fails.is_err() && std::fs::read_dir(&data.mountpoint).unwrap().next().is_none());
        let write = |text: &'static str| {
            let filled: Result<(), VolumeError> = volumes.fill(&data, |folder| {
                std::fs::write(folder.join("whole"), text).unwrap();
                Ok(())
            });
            filled.unwrap();
        };
        write("1");
        write("2");
        assert_eq!(std::fs::read_to_string(data.mountpoint.join("whole")).unwrap(), "1");
    }
}
