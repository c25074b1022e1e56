//! The history of builds: a line in a journal for each, and a log for each that printed something. The store does not
//! interpret it, and no build needs it.

use std::fs::{DirEntry, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::base::io_error::{AtPath as _, IoError};

const FOLDER: &str = "history";
/// Above this size, the older half of the journal is dropped.
const MOST_BYTES: u64 = 1 << 20;
/// The total size of all logs: the oldest are dropped first.
const MOST_LOG_BYTES: u64 = 512 << 20;

/// The builds of a store.
#[derive(Debug, Clone)]
pub struct History {
    folder: PathBuf,
}

impl History {
    /// The builds of the store in that folder.
    pub fn of(store_root: &Path) -> Self {
        Self { folder: store_root.join(FOLDER) }
    }

    /// Adds a line. Returns the lines that were dropped to make room for it.
    pub fn add(&self, line: &str) -> Result<Vec<String>, IoError> {
        let (mut file, path) = self.open_locked()?;
        let before = file.metadata().at("look at", &path)?.len();
        // A single write: a concurrent reader sees the whole line or none of it.
        let written = file.write_all(format!("{line}\n").as_bytes());
        if written.is_err() {
            // A partial line would corrupt the next one.
            let _ = file.set_len(before);
        }
        written.at("write", &path)?;
        if before > MOST_BYTES {
            let mut lines = lines_of(&mut file, &path)?;
            let kept = lines.split_off(lines.len() / 2);
            self.replace(&kept)?;
            return Ok(lines);
        }
        Ok(Vec::new())
    }

    /// All lines, the oldest first.
    pub fn lines(&self) -> Result<Vec<String>, IoError> {
        let path = self.journal();
        match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            file => lines_of(&mut file.at("open", &path)?, &path),
        }
    }

    /// Drops the lines that `is_kept` rejects.
    pub fn retain(&self, is_kept: impl Fn(&str) -> bool) -> Result<(), IoError> {
        let (mut file, path) = self.open_locked()?;
        let mut lines = lines_of(&mut file, &path)?;
        lines.retain(|line| is_kept(line));
        self.replace(&lines)
    }

    /// A new file for the log of a build, locked while it is open; its name is made of letters and digits.
    pub fn new_log(&self, id: &str) -> Result<File, IoError> {
        let path = self.log_path(id)?;
        make_folder(&self.folder)?;
        make_folder(&self.folder.join("logs"))?;
        self.trim_logs()?;
        let file = File::create_new(&path).at("create", &path)?;
        flock(&file, FlockOperation::LockExclusive).at("lock", &path)?;
        Ok(file)
    }

    /// The builds whose log nobody writes, and has not for this many seconds.
    pub fn idle_logs(&self, seconds: u64) -> Vec<String> {
        let logs = std::fs::read_dir(self.folder.join("logs")).into_iter().flatten().flatten();
        let is_idle = |log: &DirEntry| {
            let age = log.metadata().and_then(|status| status.modified()).ok().and_then(|time| time.elapsed().ok());
            let is_locked =
                File::open(log.path()).is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err());
            age.is_some_and(|age| age.as_secs() >= seconds) && !is_locked
        };
        logs.filter(is_idle).map(|log| log.file_name().to_string_lossy().into_owned()).collect()
    }

    /// The builds that have a log.
    pub fn logs(&self) -> Vec<String> {
        let logs = std::fs::read_dir(self.folder.join("logs")).into_iter().flatten().flatten();
        logs.filter_map(|log| log.file_name().into_string().ok()).collect()
    }

    /// Whether the log is being written.
    pub fn is_written(&self, id: &str) -> bool {
        let open = self.log_path(id).ok().and_then(|path| File::open(path).ok());
        open.is_some_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
    }

    /// The log of a build, if it has one.
    pub fn log(&self, id: &str) -> Result<Option<File>, IoError> {
        let path = self.log_path(id)?;
        match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            file => file.at("open", &path).map(Some),
        }
    }

    /// Removes the log of a build.
    pub fn remove_log(&self, id: &str) -> Result<(), IoError> {
        let path = self.log_path(id)?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.at("remove", &path),
        }
    }

    fn journal(&self) -> PathBuf {
        self.folder.join("journal")
    }

    fn log_path(&self, id: &str) -> Result<PathBuf, IoError> {
        let path = self.folder.join("logs").join(id);
        let is_name = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let wrong = || std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not the name of a build");
        if is_name { Ok(()) } else { Err(wrong()) }.at("open", &path)?;
        Ok(path)
    }

    /// The journal, for exclusive use until it is closed.
    fn open_locked(&self) -> Result<(File, PathBuf), IoError> {
        let path = self.journal();
        loop {
            let open = || File::options().create(true).append(true).read(true).open(&path);
            let file = match open() {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    make_folder(&self.folder)?;
                    open()
                }
                file => file,
            }
            .at("open", &path)?;
            flock(&file, FlockOperation::LockExclusive).at("lock", &path)?;
            // Another process may have replaced it meanwhile.
            let own = file.metadata().at("look at", &path)?;
            if std::fs::metadata(&path).is_ok_and(|there| there.ino() == own.ino() && there.dev() == own.dev()) {
                return Ok((file, path));
            }
        }
    }

    fn replace(&self, lines: &[String]) -> Result<(), IoError> {
        let path = self.journal();
        let mut file = tempfile::Builder::new().tempfile_in(&self.folder).at("create a file in", &self.folder)?;
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        file.write_all(text.as_bytes()).at("write", &path)?;
        file.persist(&path).map_err(|error| error.error).at("rename", &path)?;
        Ok(())
    }

    fn trim_logs(&self) -> Result<(), IoError> {
        let folder = self.folder.join("logs");
        let mut logs = Vec::new();
        for entry in std::fs::read_dir(&folder).at("list", &folder)?.filter_map(Result::ok) {
            if let Ok(status) = entry.metadata() {
                logs.push((status.modified().ok(), status.len(), entry.path()));
            }
        }
        logs.sort_by(|left, right| right.cmp(left));
        let mut total = 0;
        for (_, length, path) in logs {
            total += length;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if total > MOST_LOG_BYTES && !self.is_written(&name) {
                // Another process may have removed it.
                let _ = std::fs::remove_file(&path);
            }
        }
        Ok(())
    }
}

/// Without its parents: a store that was removed during the build must not reappear.
fn make_folder(path: &Path) -> Result<(), IoError> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.at("create", path),
    }
}

fn lines_of(file: &mut File, path: &Path) -> Result<Vec<String>, IoError> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).at("read", path)?;
    Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_within_a_bound() {
        let root = tempfile::tempdir().unwrap();
        let history = History::of(root.path());
        assert!(history.lines().unwrap().is_empty());
        let long = "x".repeat(100 << 10);
        let mut gone = 0;
        for number in 0..24 {
            gone += history.add(&format!("{number} {long}")).unwrap().len();
        }
        let lines = history.lines().unwrap();
        assert_eq!(lines.len() + gone, 24);
        assert!(lines.len() < 12 && lines.last().unwrap().starts_with("23 "), "{}", lines.len());
        history.retain(|line| line.starts_with("23 ")).unwrap();
        assert_eq!(history.lines().unwrap().len(), 1);
    }

    #[test]
    fn a_store_that_is_gone_does_not_come_again() {
        let root = tempfile::tempdir().unwrap();
        let history = History::of(&root.path().join("gone"));
        assert!(history.add("a build").is_err() && history.new_log("abc1").is_err());
        assert!(!root.path().join("gone").exists());
    }

    #[test]
    fn logs_have_names_of_letters_and_digits() {
        let root = tempfile::tempdir().unwrap();
        let history = History::of(root.path());
        assert!(history.log("abc1").unwrap().is_none());
        history.new_log("abc1").unwrap().write_all(b"text").unwrap();
        assert!(history.new_log("abc1").is_err() && history.log("abc1").unwrap().is_some());
        assert_eq!((history.idle_logs(0), history.idle_logs(600)), (vec!["abc1".to_owned()], Vec::new()));
        history.remove_log("abc1").unwrap();
        history.remove_log("abc1").unwrap();
        let written = history.new_log("abc2").unwrap();
        assert!(history.idle_logs(0).is_empty() && history.is_written("abc2"), "another process is writing it");
        assert_eq!(history.logs(), ["abc2"]);
        drop(written);
        assert!(!history.is_written("abc2"));
        assert_eq!(history.idle_logs(0).len(), 1);
        for wrong in ["", "../journal", "a/b", "."] {
            assert!(history.log(wrong).is_err(), "{wrong}");
        }
    }
}
