//! Walks a context's directory: one `getdents` per directory, one `stat` per file, on several threads if there is
//! enough to do.

use std::ffi::{CString, OsStr};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::OFlags;

use super::folder::{Folder, FolderBuilder};
use super::folders::Folders;
use super::ignore::ParentMatches;
use super::packed::Child;
use super::{ContextError, Entry, IgnorePatterns};
use crate::base::foreign::{Links, open_at, read_link_in};
use crate::base::io_error::{AtPath, IoError};
use crate::image::layer::FileKind;
use crate::image::layer::directory;

/// With fewer waiting directories, another thread costs more than it saves.
const WORTH_A_THREAD: usize = 4;
const MAX_THREADS: usize = 4;

/// A directory to read.
struct Job {
    path: Vec<u8>,
    above: ParentMatches,
    /// Excluded itself; it exists only for its content.
    is_excluded: bool,
}

#[derive(Default)]
struct State {
    jobs: Vec<Job>,
    running: usize,
    folders: Vec<Folder>,
    error: Option<ContextError>,
}

pub(super) struct Scanner<'a> {
    path: &'a Path,
    root: BorrowedFd<'a>,
    ignore: &'a IgnorePatterns,
    state: Mutex<State>,
    changed: Condvar,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(path: &'a Path, root: BorrowedFd<'a>, ignore: &'a IgnorePatterns) -> Self {
        Self { path, root, ignore, state: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn scan(self) -> Result<Folders, ContextError> {
        self.lock().jobs.push(Job { path: Vec::new(), above: ParentMatches::default(), is_excluded: false });
        self.work_while(|state| state.jobs.len() < WORTH_A_THREAD);
        if !self.lock().jobs.is_empty() {
            let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
            std::thread::scope(|scope| {
                for _ in 1..threads {
                    scope.spawn(|| self.work_while(|_| true));
                }
                self.work_while(|_| true);
            });
        }
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match state.error {
            Some(error) => Err(error),
            None => Ok(Folders::of(state.folders)),
        }
    }

    /// Reads directories until none is left, an error occurs, or `go_on` returns false.
    fn work_while(&self, go_on: impl Fn(&State) -> bool) {
        let mut state = self.lock();
        loop {
            if state.error.is_some() || !go_on(&state) {
                return;
            }
            let Some(job) = state.jobs.pop() else {
                if state.running == 0 {
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.running += 1;
            drop(state);
            let listed = self.list(&job);
            state = self.lock();
            state.running -= 1;
            match listed {
                Ok((folder, jobs)) => {
                    state.folders.push(folder);
                    state.jobs.extend(jobs);
                }
                Err(error) => state.error = Some(error),
            }
            self.changed.notify_all();
        }
    }

    /// The names in the directory, and its subdirectories to read.
    fn list(&self, job: &Job) -> Result<(Folder, Vec<Job>), ContextError> {
        let shown = || self.path.join(OsStr::from_bytes(&job.path));
        let opened;
        let directory = if job.path.is_empty() {
            self.root
        } else {
            opened = self.open(&job.path).map_err(|error| IoError { action: "open", path: shown(), source: error })?;
            std::os::fd::AsFd::as_fd(&opened)
        };
        let names = directory::sorted_names(directory).at("list", shown())?;
        let (mut folder, mut jobs) = (FolderBuilder::new(&job.path, job.is_excluded), Vec::new());
        let mut path = job.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        let parent_len = path.len();
        for name in names {
            path.truncate(parent_len);
            path.extend_from_slice(name.to_bytes());
            jobs.extend(self.child(directory, &name, &path, (job, &mut folder))?);
        }
        Ok((folder.finish(), jobs))
    }

    /// Adds one name, unless it is excluded or meanwhile gone; returns it if it is a directory to read.
    fn child(
        &self,
        directory: BorrowedFd<'_>,
        name: &CString,
        path: &[u8],
        (job, folder): (&Job, &mut FolderBuilder),
    ) -> Result<Option<Job>, ContextError> {
        let (is_excluded, above) = match self.ignore.is_empty() {
            true => (false, ParentMatches::default()),
            false => self.ignore.matches_below(path, &job.above),
        };
        if is_excluded && !self.ignore.may_match_below(path) {
            return Ok(None);
        }
        let shown = || self.path.join(OsStr::from_bytes(path));
        let status = match directory::status(directory, name) {
            Ok(status) => status,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(IoError { action: "stat", path: shown(), source }.into()),
        };
        let is_directory = status.kind.is_directory();
        if is_excluded && !is_directory {
            return Ok(None);
        }
        let target = match status.kind {
            FileKind::Symlink => {
                Some(read_link_in(directory, OsStr::from_bytes(name.to_bytes())).at("read link", shown())?)
            }
            _ => None,
        };
        let entry = Entry {
            kind: status.kind,
            mode: status.mode,
            links: u32::try_from(status.links).unwrap_or(u32::MAX),
            identity: (&status).into(),
            link_target: target.as_deref().map(|target| Path::new(OsStr::from_bytes(target.to_bytes()))),
        };
        folder.push(&Child { name: name.to_bytes(), entry });
        Ok(is_directory.then(|| Job { path: path.to_vec(), above, is_excluded }))
    }

    /// Opens a directory of the context; does not follow a name that has meanwhile become a symlink.
    fn open(&self, path: &[u8]) -> std::io::Result<OwnedFd> {
        let path = Path::new(OsStr::from_bytes(path));
        Ok(open_at(self.root, path, OFlags::RDONLY | OFlags::DIRECTORY, Links::Refused)?)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
