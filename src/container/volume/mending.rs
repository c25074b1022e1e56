//! Finds damage in the folders of volumes and repairs it. What is in a volume is never deleted.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::Volumes;
use super::record::VolumeRecord;
use super::volumes::{DATA, NEW_DATA, RECORD, REMOVING, make_data, read, write};
use crate::base::flaw::Flaw;
use crate::base::foreign;

/// A repair of the volume with that name.
#[derive(Debug, Clone)]
pub struct Cure {
    name: String,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Remove(PathBuf),
    /// Writes a record without the labels and options of the damaged one.
    NewRecord,
    NewData,
}

impl Volumes {
    pub fn flaws(&self) -> Vec<Flaw<Cure>> {
        let mut flaws = Vec::new();
        for entry in std::fs::read_dir(self.folder()).into_iter().flatten().flatten() {
            let (name, place) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
            if is_being_changed(&place) || !place.is_dir() {
                continue;
            }
            let subject = format!("volume {name}");
            let cure = |way| Cure { name: name.clone(), way };
            let damage = |fault, way| Flaw::damage(&subject, fault, cure(way));
            let leftover = |fault, path| Flaw::leftover(&subject, fault, cure(Way::Remove(path)));
            if name.starts_with(REMOVING) {
                flaws.push(leftover("its removal was interrupted", place));
                continue;
            }
            match read(&place.join(RECORD)) {
                Err(_) => flaws.push(damage("its record cannot be read", Way::NewRecord)),
                Ok(None) if is_empty(&place.join(DATA)) => flaws.push(leftover("it was never finished", place)),
                Ok(None) => flaws.push(damage("it has no record", Way::NewRecord)),
                Ok(Some(_)) if !place.join(DATA).is_dir() => flaws.push(damage("its folder is gone", Way::NewData)),
                Ok(Some(_)) => {
                    let left = [NEW_DATA, "volume.new"].map(|name| place.join(name)).into_iter();
                    let fault = "what was to be put into it was never finished";
                    flaws.extend(left.filter(|left| left.exists()).map(|left| leftover(fault, left)));
                }
            }
        }
        flaws
    }

    /// Repairs the flaw, unless the volume is in use by now. Returns what was done, or `None`.
    pub fn mend(&self, flaw: &Flaw<Cure>) -> Option<String> {
        let place = self.folder().join(&flaw.cure.name);
        if is_being_changed(&place) {
            return None;
        }
        match &flaw.cure.way {
            Way::Remove(path) => foreign::remove_tree(path).ok().map(|()| "removed".to_owned()),
            Way::NewRecord => {
                let data = place.join(DATA);
                make_data(&data).ok()?;
                write(&place.join(RECORD), &VolumeRecord::plain(flaw.cure.name.clone(), data)).ok()?;
                Some("it has a new one: its labels and options are lost, its files remain".to_owned())
            }
            Way::NewData => {
                make_data(&place.join(DATA)).ok()?;
                Some("it is an empty volume now".to_owned())
            }
        }
    }
}

/// Whether another process is creating, filling or removing it.
fn is_being_changed(place: &Path) -> bool {
    File::open(place.join("lock")).is_ok_and(|file| file.try_lock().is_err())
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::super::NewVolume;
    use super::*;

    #[test]
    fn files_stay_whatever_happens_to_the_record() {
        let store = tempfile::tempdir().unwrap();
        let volumes = Volumes::of(store.path());
        for name in ["torn", "lost", "empty", "whole"] {
            let record = volumes.create(NewVolume { name: name.to_owned(), ..NewVolume::default() }).unwrap();
            if name != "empty" {
                std::fs::write(record.mountpoint.join("f"), name).unwrap();
            }
        }
        let place = |name: &str| store.path().join("volumes").join(name);
        assert!(volumes.flaws().is_empty());
        std::fs::write(place("torn").join(RECORD), "").unwrap();
        std::fs::remove_file(place("lost").join(RECORD)).unwrap();
        std::fs::remove_file(place("empty").join(RECORD)).unwrap();
        std::fs::create_dir(place("whole").join(NEW_DATA)).unwrap();
        let flaws = volumes.flaws();
        assert_eq!(flaws.len(), 4, "{flaws:?}");
        assert!(flaws.iter().all(|flaw| volumes.mend(flaw).is_some()));
        assert!(volumes.flaws().is_empty());
        let names: Vec<String> = volumes.list().unwrap().into_iter().map(|record| record.name).collect();
        assert_eq!(names, ["lost", "torn", "whole"]);
        assert_eq!(std::fs::read_to_string(place("torn").join(DATA).join("f")).unwrap(), "torn");
    }
}
