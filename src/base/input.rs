//! Input files: Dockerfiles, ignore files, lists of variables, secrets. They have to fit into memory, and opening one
//! must not block.
//!
//! It matters who chose a name. A file that the user named is read wherever its name leads. A file that rbuild looks up
//! in a context under a fixed name belongs to the author of the context: it is read only if it is inside the context.

use std::fs::File;
use std::io::{self, ErrorKind, Read, stdin};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl};

use crate::base::foreign::{Folder, Handle, Tree};
use crate::base::io_error::{AtPath, IoError};

/// The size limit of a text that a person or a program wrote for rbuild.
pub const TEXT_LIMIT: u64 = 16 << 20;

const STDIN: &str = "standard input";

#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error(transparent)]
    Io(#[from] IoError),
    #[error("cannot read `{}`: it is {kind}, and has to be a regular file", path.display())]
    Kind { path: PathBuf, kind: &'static str },
    #[error("cannot read `{}`: it has more than {}", path.display(), shown(*limit))]
    TooLarge { path: PathBuf, limit: u64 },
    #[error(
        "cannot read `{}`: it is a link that leads out of `{}`, or nowhere; a file elsewhere has to be named itself",
        path.display(), root.display()
    )]
    LeadsOut { path: PathBuf, root: PathBuf },
}

impl InputError {
    /// The error without the location of `root`, for readers who know what is in it but not where it is.
    pub fn within(self, root: &Path) -> Self {
        let inner = |path: PathBuf| path.strip_prefix(root).map(Path::to_owned).unwrap_or(path);
        match self {
            Self::Io(error) => Self::Io(IoError { path: inner(error.path), ..error }),
            Self::Kind { path, kind } => Self::Kind { path: inner(path), kind },
            Self::TooLarge { path, limit } => Self::TooLarge { path: inner(path), limit },
            Self::LeadsOut { path, .. } => Self::LeadsOut { path: inner(path), root: "the build context".into() },
        }
    }

    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io(error) if error.source.kind() == ErrorKind::NotFound)
    }
}

fn shown(limit: u64) -> String {
    match (limit >> 20, limit >> 10) {
        (0, kilobytes) => format!("{kilobytes} KiB"),
        (megabytes, _) => format!("{megabytes} MiB"),
    }
}

/// A regular file that the user named, or a descriptor that this process was given, such as a shell's `<(...)`.
pub fn named(path: &Path) -> Result<Vec<u8>, InputError> {
    match own_descriptor(path) {
        Some(0) => return from_stdin(),
        Some(_) => return bounded(path, TEXT_LIMIT),
        None => {}
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    // Checked before it is opened: opening some devices has side effects.
    let kind = FileType::from_raw_mode(rustix::fs::stat(path).at("read", path)?.st_mode);
    must_be_regular(kind, path)?;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).at("read", path)?);
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&file).at("read", path)?.st_mode);
    must_be_regular(kind, path)?;
    read(file, path, TEXT_LIMIT)
}

/// All of standard input.
pub fn from_stdin() -> Result<Vec<u8>, InputError> {
    read(stdin().lock(), Path::new(STDIN), TEXT_LIMIT)
}

/// The content of what the user named; more than `limit` bytes are an error. Waits for a pipe.
pub fn bounded(path: &Path, limit: u64) -> Result<Vec<u8>, InputError> {
    read(File::open(path).at("read", path)?, path, limit)
}

/// A UTF-8 text that the user named.
pub fn text(path: &Path) -> Result<String, InputError> {
    let bytes = bounded(path, TEXT_LIMIT)?;
    let invalid = |_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8");
    Ok(String::from_utf8(bytes).map_err(invalid).at("read", path)?)
}

/// A regular file in the tree of `root`, links included; `None` if the name does not exist.
pub fn beneath(root: &Path, path: &Path) -> Result<Option<Vec<u8>>, InputError> {
    let Some(handle) = find(root, path)? else { return Ok(None) };
    let shown = root.join(path);
    must_be_regular(handle.kind()?, &shown)?;
    let file = handle.open_file()?;
    // A regular file does not block, but a FUSE filesystem may look at the flag.
    let flags = fcntl_getfl(&file).at("read", &shown)?;
    fcntl_setfl(&file, flags - OFlags::NONBLOCK).at("read", &shown)?;
    read(file, &shown, TEXT_LIMIT).map(Some)
}

/// Whether the tree of `root` has something at `path` that is not a folder.
pub fn is_beneath(root: &Path, path: &Path) -> bool {
    let handle = Folder::open(root).and_then(|root| Tree::in_root(root).handle(path));
    handle.and_then(|handle| handle.kind()).is_ok_and(|kind| kind != FileType::Directory)
}

fn find(root: &Path, path: &Path) -> Result<Option<Handle>, InputError> {
    let tree = Tree::in_root(Folder::open(root)?);
    match tree.followed(path) {
        Ok(found) => return Ok(Some(found)),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(error.into()),
    }
    match tree.handle(path) {
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
        Ok(_) => {}
    }
    // A link that names a file of the tree from the machine's root, or that leads out of the tree and in again.
    let leads_out = || InputError::LeadsOut { path: root.join(path), root: root.to_owned() };
    let real = std::fs::canonicalize(root).at("find", root)?;
    let target = std::fs::canonicalize(root.join(path)).map_err(|_| leads_out())?;
    let inside = target.strip_prefix(&real).map_err(|_| leads_out())?;
    Ok(Some(Tree::beneath(Folder::open(&real)?).handle(inside)?))
}

fn is_missing(error: &IoError) -> bool {
    matches!(error.source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Which of this process's descriptors the path names.
fn own_descriptor(path: &Path) -> Option<u32> {
    if path == Path::new("/dev/stdin") {
        return Some(0);
    }
    let number = ["/dev/fd", "/proc/self/fd"].iter().find_map(|folder| path.strip_prefix(folder).ok())?;
    number.to_str()?.parse().ok()
}

fn must_be_regular(kind: FileType, path: &Path) -> Result<(), InputError> {
    let kind = match kind {
        FileType::RegularFile => return Ok(()),
        FileType::Directory => "a folder",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    };
    Err(InputError::Kind { path: path.to_owned(), kind })
}

fn read(source: impl Read, path: &Path, limit: u64) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::new();
    source.take(limit + 1).read_to_end(&mut bytes).at("read", path)?;
    if bytes.len() as u64 > limit {
        return Err(InputError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn says(result: Result<impl std::fmt::Debug, InputError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(says(named(&at("fifo"))).contains("a FIFO"));
        assert!(says(named(folder.path())).contains("a folder"));
        assert!(says(named(Path::new("/dev/zero"))).contains("a device"));
        assert!(says(beneath(folder.path(), Path::new("fifo"))).contains("a FIFO"));
        std::fs::write(at("long"), vec![b'x'; TEXT_LIMIT as usize + 1]).unwrap();
        assert!(says(named(&at("long"))).contains("more than 16 MiB"));
        assert!(says(bounded(Path::new("/dev/zero"), 10 << 10)).contains("more than 10 KiB"));
    }

    #[test]
    fn a_link_stays_in_the_tree() {
        let folder = tempfile::tempdir().unwrap();
        let (root, at) = (folder.path().join("tree"), |name: &str| folder.path().join("tree").join(name));
        std::fs::create_dir_all(at("d")).unwrap();
        std::fs::write(at("d/file"), "inside").unwrap();
        std::fs::write(folder.path().join("secret"), "outside").unwrap();
        for (name, target) in [
            ("plain", PathBuf::from("d/file")),
            ("absolute", PathBuf::from("/d/file")),
            ("round", PathBuf::from("../tree/d/file")),
            ("whole", at("d/file")),
        ] {
            symlink(target, at(name)).unwrap();
            assert_eq!(beneath(&root, Path::new(name)).unwrap().unwrap(), b"inside", "{name}");
        }
        for (name, target) in [
            ("out", PathBuf::from("../secret")),
            ("out-whole", folder.path().join("secret")),
            ("shadow", PathBuf::from("/etc/passwd")),
            ("nowhere", PathBuf::from("none")),
        ] {
            symlink(target, at(name)).unwrap();
            assert!(says(beneath(&root, Path::new(name))).contains("leads out of"), "{name}");
            assert!(is_beneath(&root, Path::new(name)));
        }
        assert_eq!(beneath(&root, Path::new("none")).unwrap(), None);
        assert!(!is_beneath(&root, Path::new("none")) && !is_beneath(&root, Path::new("d")));
    }
}
