//! The stream on its way out. While it starts like one that was hashed before, nothing is read: headers and file names
//! are held back from one marked position to the next, and released where the next position is unknown.

use std::io::Write;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::LayerError;
use super::marks::{Marks, STRIDE};
use super::stream::{FileError, StreamWriter};
use crate::base::digest::{DiffId, FieldHasher, HashState};
use crate::base::foreign::{Links, open_at};
use crate::base::io_error::{AtPath as _, IoError};

/// The source of the files' contents.
pub(super) struct Folders<'a> {
    /// Topmost first.
    pub roots: &'a [OwnedFd],
    /// The layer's name in errors.
    pub shown: &'a Path,
}

pub(super) struct Output<'a, 'scope, 'env, W> {
    folders: Folders<'a>,
    stream: StreamWriter<'scope, 'env, W>,
    /// Marks of earlier streams; `None` once this stream differs from them.
    earlier: Option<&'a Marks>,
    marks: Marks,
    /// The last known position before what is held back.
    place: Option<HashState>,
    held: Vec<Held>,
    /// The length of the stream, including what is held back.
    length: u64,
    /// The length at the last boundary.
    passed: u64,
    /// Modification times of the entries, which tree digests omit.
    times: FieldHasher,
}

struct Held {
    header: Vec<u8>,
    file: Option<HeldFile>,
}

/// A file whose content is part of the stream.
pub(super) struct HeldFile {
    /// Its path in the layer.
    pub path: Vec<u8>,
    pub size: u64,
    pub form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A short file that was not checked: it must have exactly the announced size.
    Said,
    Dense,
    Sparse,
}

impl<'a, 'scope, 'env, W: Write + Send + 'scope> Output<'a, 'scope, 'env, W> {
    pub fn new(folders: Folders<'a>, stream: StreamWriter<'scope, 'env, W>, earlier: &'a Marks) -> Self {
        let earlier = Some(earlier).filter(|earlier| !earlier.is_empty());
        let (marks, times) = (Marks::default(), FieldHasher::new("stream-times-1"));
        Self { folders, stream, earlier, marks, place: None, held: Vec::new(), length: 0, passed: 0, times }
    }

    /// Contents are not needed while their digests are known.
    pub fn is_holding(&self) -> bool {
        self.earlier.is_some()
    }

    /// Called between two entries; `tree` has the earlier ones.
    pub fn boundary(&mut self, tree: &FieldHasher) -> Result<(), LayerError> {
        if !self.is_holding() {
            self.length = self.stream.length();
        }
        if self.length / STRIDE == self.passed / STRIDE {
            return Ok(());
        }
        self.passed = self.length;
        let before = FieldHasher::new("stream-1").field(&tree.finish()).field(&self.times.finish()).finish();
        let Some(earlier) = self.earlier else { return self.stream.mark(before) };
        match earlier.get(&before).filter(|state| state.length == self.length) {
            Some(state) => {
                self.marks.insert(before, state);
                self.place = Some(state);
                self.held.clear();
                Ok(())
            }
            None => {
                self.stream()?;
                self.stream.mark(before)
            }
        }
    }

    pub fn header(&mut self, header: &[u8], mtime: i64) -> Result<(), LayerError> {
        self.times.number(mtime as u64);
        if !self.is_holding() {
            return self.stream.append(header);
        }
        self.length += header.len() as u64;
        self.held.push(Held { header: header.to_vec(), file: None });
        Ok(())
    }

    /// The content that belongs to the last header, while the header is held back.
    pub fn hold(&mut self, file: HeldFile) {
        self.length += file.size.next_multiple_of(512);
        if let Some(held) = self.held.last_mut() {
            held.file = Some(file);
        }
    }

    /// The stream itself, with everything up to here in it: from now on nothing is held back.
    pub fn stream(&mut self) -> Result<&mut StreamWriter<'scope, 'env, W>, LayerError> {
        if self.earlier.take().is_some() {
            if let Some(state) = self.place.take() {
                self.stream.resume(&state);
            }
            for held in std::mem::take(&mut self.held) {
                self.stream.append(&held.header)?;
                if let Some(file) = held.file {
                    self.append(&file)?;
                }
            }
        }
        Ok(&mut self.stream)
    }

    fn append(&mut self, file: &HeldFile) -> Result<(), LayerError> {
        let path = Path::new(std::ffi::OsStr::from_bytes(&file.path));
        let opened = self.open(path)?;
        let appended = match file.form {
            Form::Said => self.stream.append_said(opened.as_fd(), file.size),
            form => self.stream.append_file(opened.as_fd(), file.size, form == Form::Sparse, None),
        };
        appended.map_err(|error| error.of(self.folders.shown.join(path)))?;
        self.stream.pad()
    }

    /// The file from the topmost folder that has it.
    fn open(&self, path: &Path) -> Result<OwnedFd, LayerError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        for root in self.folders.roots {
            match open_at(root, path, flags, Links::Refused) {
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                opened => return Ok(opened.at("open", self.folders.shown.join(path))?),
            }
        }
        Err(LayerError::Changed { path: self.folders.shown.join(path) })
    }

    pub fn finish(mut self) -> Result<(DiffId, u64, Marks), LayerError> {
        self.stream()?.append_zeros(1024)?;
        let Self { stream, mut marks, .. } = self;
        let ended = stream.finish()?;
        marks.append(ended.marks);
        Ok((ended.diff_id, ended.length, marks))
    }
}

impl FileError {
    pub(super) fn of(self, path: PathBuf) -> LayerError {
        match self {
            FileError::OtherSize => LayerError::Changed { path },
            FileError::Read(source) => IoError { action: "read", path, source }.into(),
            FileError::Stream(error) => error,
        }
    }
}
