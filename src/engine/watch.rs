//! Waits until something changes that a build has read: files of its contexts that instructions used, new names beside
//! them, the Dockerfile and its ignore files. Nothing else wakes it.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use crate::base::io_error::{AtPath as _, IoError};
use crate::build::Watched;
use crate::build::solve::Cancellation;

/// Programs write several files, and a file several times: changes that follow each other within this time, in
/// nanoseconds, count as one.
const TOGETHER: i64 = 20_000_000;
const BUFFER: usize = 16 << 10;

/// The watched files.
pub struct Watch<'a> {
    watched: &'a Watched,
    events: OwnedFd,
    folders: HashMap<i32, PathBuf>,
}

impl<'a> Watch<'a> {
    /// Starts to watch.
    pub fn of(watched: &'a Watched) -> Result<Self, IoError> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).at("watch", "files")?;
        let mut watch = Self { watched, events, folders: HashMap::new() };
        for folder in watched.folders() {
            watch.add(folder)?;
        }
        Ok(watch)
    }

    fn add(&mut self, folder: PathBuf) -> Result<(), IoError> {
        let what = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ATTRIB
            | WatchFlags::ONLYDIR;
        match inotify::add_watch(&self.events, &folder, what) {
            Ok(number) => drop(self.folders.insert(number, folder)),
            // It is gone, which the watch on its parent reports.
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => return Err(error).at("watch", folder),
        }
        Ok(())
    }

    /// Returns once something has changed since the build read it, and no more changes follow; false if it was stopped.
    pub fn wait(&self, stop: &Cancellation) -> Result<bool, IoError> {
        let (stopped, end) = io::pipe().at("make", "a pipe")?;
        let end = std::sync::Mutex::new(Some(end));
        // Closing it wakes the waiting thread.
        let _guard = stop.on_cancel(move || drop(end.lock().map(|mut end| end.take())));
        let mut has_changed = self.watched.has_changed();
        loop {
            let timeout = has_changed.then_some(rustix::time::Timespec { tv_sec: 0, tv_nsec: TOGETHER });
            let mut events = [PollFd::new(&self.events, PollFlags::IN), PollFd::new(&stopped, PollFlags::IN)];
            match poll(&mut events, timeout.as_ref()) {
                Err(Errno::INTR) => continue,
                Ok(0) => return Ok(true),
                polled => polled.at("wait for", "files")?,
            };
            if !events[1].revents().is_empty() {
                return Ok(false);
            }
            has_changed |= self.take()?;
        }
    }

    /// Reads the pending events; returns whether any of them matters.
    fn take(&self) -> Result<bool, IoError> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut reader = inotify::Reader::new(&self.events, &mut buffer);
        let mut matters = false;
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()).to_owned());
                    matters |= self.matters(event.wd(), name.unwrap_or_default());
                }
                Err(Errno::AGAIN) => return Ok(matters),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).at("wait for", "files"),
            }
        }
    }

    fn matters(&self, folder: i32, name: OsString) -> bool {
        // The kernel's queue has overflowed.
        let Some(folder) = self.folders.get(&folder) else { return folder < 0 };
        !name.is_empty() && self.watched.matters(&folder.join(Path::new(&name)))
    }
}
