//! What is copied, and where it goes: the same rules on both sides (docker-cp(1), and moby's pkg/archive/copy.go).

use std::path::{Component, Path, PathBuf};

use rustix::fs::FileType;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::CopyError;
use super::ground::{Ground, cleaned};
use crate::base::foreign::{Folder, Handle};
use crate::base::io_error::IoError;
use crate::container::sandbox::os_bytes;

/// How many links are followed from a destination, as in docker.
const MOST_LINKS: usize = 10;

/// The source of a copy, as described to the destination's side.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Place {
    pub is_dir: bool,
    /// Only the contents of the folder (`path/.`).
    pub contents: bool,
    /// The name of the source.
    #[serde(with = "os_bytes")]
    pub name: PathBuf,
}

/// The folder in which to unpack, and the name there.
#[derive(Debug)]
pub(super) struct Target {
    pub folder: Folder,
    pub name: PathBuf,
}

impl Place {
    /// Finds a source; its path must be clean. Follows a symbolic link with `follow`, or if the path ends with a slash.
    pub(super) fn find(ground: &Ground, path: &Path, follow: bool) -> Result<(Self, Handle), CopyError> {
        let (wants_folder, contents) = ending(path);
        let follow = follow || contents || wants_folder;
        let failed = |error: IoError| match error.errno() {
            Some(Errno::NOTDIR) => CopyError(format!("{} is not a directory", path.display())),
            _ => CopyError::new("copy", path, &error.source),
        };
        let handle = ground.handle(path, follow).map_err(failed)?;
        let is_dir = handle.kind().map_err(failed)? == FileType::Directory;
        if (wants_folder || contents) && !is_dir {
            return Err(CopyError(format!("{} is not a directory", path.display())));
        }
        // A link keeps its own name.
        let name = last_name(path).unwrap_or_else(|| PathBuf::from("."));
        Ok((Self { is_dir, contents, name }, handle))
    }
}

/// Whether a path ends with `/` (a folder is meant) or with `/.` (its contents are meant).
fn ending(path: &Path) -> (bool, bool) {
    use std::os::unix::ffi::OsStrExt as _;
    let text = path.as_os_str().as_bytes();
    (text.ends_with(b"/"), text.ends_with(b"/."))
}

fn last_name(path: &Path) -> Option<PathBuf> {
    match path.components().next_back() {
        Some(Component::Normal(name)) => Some(PathBuf::from(name)),
        _ => None,
    }
}

/// The target of a source, for a destination whose path is clean.
pub(super) fn place(ground: &Ground, destination: &Path, source: &Place) -> Result<Target, CopyError> {
    let (wants_folder, wants_contents) = ending(destination);
    let failed = |error: IoError| CopyError::new("find", destination, &error.source);
    let (path, found) = follow(ground, destination)?;
    let beside = || -> Result<Target, CopyError> {
        let parent = path.parent().unwrap_or(Path::new("/"));
        let folder = ground.folder(parent);
        let folder = folder.map_err(|_| CopyError(format!("no such directory: {}", parent.display())))?;
        let name = last_name(&path).ok_or_else(|| CopyError(format!("{} is not a name", destination.display())))?;
        Ok(Target { folder, name })
    };
    let Some(found) = found else {
        return match wants_folder && !source.is_dir {
            true => Err(CopyError("destination directory does not exist".to_owned())),
            false => beside(),
        };
    };
    match found.kind().map_err(failed)? {
        FileType::Directory => {
            let name = if source.is_dir && source.contents { PathBuf::from(".") } else { source.name.clone() };
            Ok(Target { folder: found.folder().map_err(failed)?, name })
        }
        _ if source.is_dir => Err(CopyError("cannot copy directory".to_owned())),
        _ if wants_folder || wants_contents => Err(CopyError(format!("{} is not a directory", destination.display()))),
        FileType::CharacterDevice | FileType::BlockDevice => {
            let path = destination.display();
            Err(CopyError(format!("invalid output path: {path} must be a directory or a regular file")))
        }
        _ => beside(),
    }
}

/// Follows the links at a destination to the end, and opens what is there. A dangling link is written through, too.
fn follow(ground: &Ground, destination: &Path) -> Result<(PathBuf, Option<Handle>), CopyError> {
    let failed = |error: IoError| CopyError::new("find", destination, &error.source);
    // Without a trailing slash.
    let mut path: PathBuf = destination.components().collect();
    for _ in 0..=MOST_LINKS {
        let found = match ground.handle(&path, false) {
            Err(error) if error.errno() == Some(Errno::NOENT) => return Ok((path, None)),
            found => found.map_err(failed)?,
        };
        if found.kind().map_err(failed)? != FileType::Symlink {
            return Ok((path, Some(found)));
        }
        let around = path.parent().unwrap_or(Path::new("/")).to_owned();
        path = cleaned(&found.read_link().map_err(failed)?, &around).components().collect();
    }
    Err(CopyError(format!("too many levels of symbolic links in {}", destination.display())))
}

#[cfg(test)]
mod tests {
    use super::super::Owners;
    use super::super::pack::pack;
    use super::super::unpack::{Receiver, unpack};
    use super::*;

    /// Copies by docker's rules within one folder; returns what exists then, or the error.
    fn copy(from: &str, to: &str) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("dir/sub")).unwrap();
        std::fs::create_dir_all(root.join("out")).unwrap();
        std::fs::write(root.join("dir/sub/file"), "1").unwrap();
        std::fs::write(root.join("file"), "2").unwrap();
        std::fs::write(root.join("other"), "3").unwrap();
        std::os::unix::fs::symlink("file", root.join("link")).unwrap();
        std::os::unix::fs::symlink("later", root.join("dangling")).unwrap();
        std::os::unix::fs::symlink("dir", root.join("way")).unwrap();
        let work = || -> Result<(), CopyError> {
            let (source, handle) = Place::find(&Ground::Host, &cleaned(Path::new(from), root), false)?;
            let target = place(&Ground::Host, &cleaned(Path::new(to), root), &source)?;
            let mut stream = Vec::new();
            pack(&handle, &target.name, &mut stream)?;
            unpack(stream.as_slice(), &Receiver::of(target, Owners::Own)).map(drop)
        };
        work().map_err(|error| error.0)?;
        let mut found: Vec<String> = walkdir::WalkDir::new(root)
            .into_iter()
            .flatten()
            .filter(|entry| !entry.file_type().is_dir())
            .map(|entry| entry.path().strip_prefix(root).unwrap().display().to_string())
            .collect();
        let before = ["dir/sub/file", "file", "other", "link", "dangling", "way"];
        found.retain(|path| !before.contains(&path.as_str()));
        found.sort();
        Ok(found)
    }

    #[test]
    fn dockers_rules() {
        assert_eq!(copy("file", "new").unwrap(), ["new"]);
        assert_eq!(copy("file", "out").unwrap(), ["out/file"]);
        assert_eq!(copy("file", "out/").unwrap(), ["out/file"]);
        assert_eq!(copy("file", "other").unwrap(), Vec::<String>::new());
        assert_eq!(copy("dir", "new").unwrap(), ["new/sub/file"]);
        assert_eq!(copy("dir", "out").unwrap(), ["out/dir/sub/file"]);
        assert_eq!(copy("dir/", "out").unwrap(), ["out/dir/sub/file"]);
        assert_eq!(copy("dir/.", "out").unwrap(), ["out/sub/file"]);
        assert_eq!(copy("link", "out").unwrap(), ["out/link"]);
        // Links are copied as links, wherever they lead; copying onto a link writes to its target.
        assert_eq!(copy("dangling", "out").unwrap(), ["out/dangling"]);
        assert_eq!(copy("way", "out").unwrap(), ["out/way"]);
        assert_eq!(copy("way/", "out").unwrap(), ["out/way/sub/file"]);
        assert_eq!(copy("file", "dangling").unwrap(), ["later"]);
        assert_eq!(copy("dir", "dangling").unwrap(), ["later/sub/file"]);
        assert_eq!(copy("nosuch/../file", "nosuch/../new").unwrap(), ["new"]);
        assert!(copy("file/", "new").unwrap_err().contains("is not a directory"));
        assert_eq!(copy("dir", "other").unwrap_err(), "cannot copy directory");
        assert!(copy("file", "missing/").unwrap_err().contains("does not exist"));
        assert!(copy("file", "missing/name").unwrap_err().contains("no such directory"));
        assert!(copy("nothing", "new").unwrap_err().contains("could not find the file"));
    }
}
