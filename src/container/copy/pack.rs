//! Packs a file or folder as a tar stream. Concurrent writes may change the stream's contents, but never its structure:
//! each name is opened once, and the content has exactly the length of its header. Of the extended attributes, only
//! file capabilities are copied, as in docker.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use rustix::io::Errno;
use tar::{EntryType, Header};

use super::CopyError;
use crate::base::foreign::{ExactLength, Handle, Stat, xattr_of};
use crate::base::io_error::IoError;

/// Writes an open file or folder as a tar stream, under that name.
pub(super) fn pack(source: &Handle, name: &Path, out: impl Write) -> Result<(), CopyError> {
    let mut packer = Packer { archive: tar::Builder::new(out), links: HashMap::new(), shrunk: None };
    packer.entry(source, name)?;
    let finished = packer.archive.into_inner().and_then(|mut out| out.flush());
    finished.map_err(|error| CopyError::new("copy", source.shown(), &error))?;
    match packer.shrunk {
        None => Ok(()),
        Some(path) => {
            let path = path.display();
            Err(CopyError(format!("{path} became shorter while it was copied: the copy ends with zeros")))
        }
    }
}

struct Packer<W: Write> {
    archive: tar::Builder<W>,
    /// The first names of files with several hard links.
    links: HashMap<(u64, u64), PathBuf>,
    /// The first file that turned out shorter than its header says.
    shrunk: Option<PathBuf>,
}

impl<W: Write> Packer<W> {
    fn entry(&mut self, source: &Handle, name: &Path) -> Result<(), CopyError> {
        let stat = source.stat().map_err(failed)?;
        let Some(mut header) = header_of(&stat) else { return Ok(()) };
        let identity = (stat.st_dev, stat.st_ino);
        let is_directory = header.entry_type() == EntryType::Directory;
        if !is_directory && stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&identity) {
                header.set_entry_type(EntryType::Link);
                header.set_size(0);
                let first = first.clone();
                return written(self.append_link(&mut header, name, &first), source);
            }
            self.links.insert(identity, name.to_owned());
        }
        match header.entry_type() {
            EntryType::Directory => {
                // `tar -t` shows folders with a trailing slash.
                let mut slashed = name.as_os_str().to_owned();
                slashed.push("/");
                written(self.append(&mut header, Path::new(&slashed), io::empty()), source)?;
                self.folder(source, name)
            }
            EntryType::Symlink => {
                let target = source.read_link().map_err(failed)?;
                written(self.append_link(&mut header, name, &target), source)
            }
            EntryType::Regular => self.file(source, name, &mut header),
            _ => written(self.append(&mut header, name, io::empty()), source),
        }
    }

    /// Keeps the name exactly: the contents of a folder are called `./name`, which the library would shorten, and
    /// docker's clients expect that form.
    fn append(&mut self, header: &mut Header, name: &Path, content: impl io::Read) -> io::Result<()> {
        match set_exact_name(header, name) {
            true => self.archive.append(header, content),
            false => self.archive.append_data(header, name, content),
        }
    }

    fn append_link(&mut self, header: &mut Header, name: &Path, target: &Path) -> io::Result<()> {
        // As it is: the library would write `/` as `//`.
        match header.set_link_name_literal(target.as_os_str().as_bytes()).is_ok() {
            true => self.append(header, name, io::empty()),
            false => self.archive.append_link(header, name, target),
        }
    }

    fn folder(&mut self, source: &Handle, name: &Path) -> Result<(), CopyError> {
        let folder = source.folder().map_err(failed)?;
        for below in folder.sorted_names().map_err(failed)? {
            match folder.handle(&below) {
                Ok(handle) => self.entry(&handle, &name.join(&below))?,
                // It was removed meanwhile.
                Err(error) if error.errno() == Some(Errno::NOENT) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    fn file(&mut self, source: &Handle, name: &Path, header: &mut Header) -> Result<(), CopyError> {
        let file = source.open_file().map_err(failed)?;
        // Most files have none, and some filesystems don't support them.
        if let Ok(Some(value)) = xattr_of(&file, super::CAPABILITY) {
            let key = format!("SCHILY.xattr.{}", super::CAPABILITY.to_string_lossy());
            written(self.archive.append_pax_extensions([(key.as_str(), value.as_slice())]), source)?;
        }
        let length = header.size().unwrap_or(0);
        let mut content = ExactLength::new(file, length);
        written(self.append(header, name, &mut content), source)?;
        if content.missing() > 0 {
            self.shrunk.get_or_insert_with(|| source.shown().to_owned());
        }
        Ok(())
    }
}

/// Sets a name that starts with `./` in the header itself, if it fits.
fn set_exact_name(header: &mut Header, name: &Path) -> bool {
    let bytes = name.as_os_str().as_bytes();
    let place = &mut header.as_old_mut().name;
    if !name.starts_with(".") || bytes.len() > place.len() {
        return false;
    }
    place.fill(0);
    place[..bytes.len()].copy_from_slice(bytes);
    header.set_cksum();
    true
}

/// `None` for a socket, because nobody would listen on a copy of it.
fn header_of(stat: &Stat) -> Option<Header> {
    let mut header = Header::new_gnu();
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    header.set_mtime(stat.st_mtime.max(0) as u64);
    header.set_size(0);
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            header.set_size(stat.st_size as u64);
            EntryType::Regular
        }
        FileType::Directory => EntryType::Directory,
        FileType::Symlink => EntryType::Symlink,
        FileType::Fifo => EntryType::Fifo,
        FileType::CharacterDevice => EntryType::Char,
        FileType::BlockDevice => EntryType::Block,
        FileType::Socket | FileType::Unknown => return None,
    };
    header.set_entry_type(kind);
    if matches!(header.entry_type(), EntryType::Char | EntryType::Block) {
        header.set_device_major(rustix::fs::major(stat.st_rdev)).ok()?;
        header.set_device_minor(rustix::fs::minor(stat.st_rdev)).ok()?;
    }
    Some(header)
}

fn failed(error: IoError) -> CopyError {
    CopyError::new("copy", &error.path, &error.source)
}

fn written(result: io::Result<()>, source: &Handle) -> Result<(), CopyError> {
    result.map_err(|error| CopyError::new("copy", source.shown(), &error))
}
