//! What is copied, where it ends up, and the tar stream in between: the same rules on both sides (docker-cp(1)).

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::CopyError;

/// What is to be copied.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Place {
    pub path: PathBuf,
    pub is_dir: bool,
    /// Only what is in the folder (`path/.`).
    pub contents: bool,
    /// What it is called.
    pub name: PathBuf,
}

/// Where it is to be unpacked, and under which name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    pub folder: PathBuf,
    pub name: PathBuf,
}

impl Place {
    /// Looks at a source. With `follow`, a symbolic link stands for what it leads to; a slash at the end says the same.
    pub fn find(path: &Path, follow: bool) -> Result<Self, CopyError> {
        let text = path.as_os_str().to_string_lossy();
        let contents = text == "." || text.ends_with("/.");
        let follow = follow || contents || text.ends_with('/');
        let failed = |error: std::io::Error| CopyError::new("copy", path, &error);
        let metadata = if follow { std::fs::metadata(path) } else { std::fs::symlink_metadata(path) };
        let metadata = metadata.map_err(failed)?;
        if text.ends_with('/') && !metadata.is_dir() {
            return Err(CopyError(format!("{} is not a directory", path.display())));
        }
        let real = if follow { std::fs::canonicalize(path).map_err(failed)? } else { path.to_owned() };
        // The link's own name stays.
        let name = last_name(path).or_else(|| last_name(&real)).unwrap_or_else(|| PathBuf::from("."));
        Ok(Self { path: real, is_dir: metadata.is_dir(), contents, name })
    }
}

fn last_name(path: &Path) -> Option<PathBuf> {
    match path.components().next_back() {
        Some(Component::Normal(name)) => Some(PathBuf::from(name)),
        _ => None,
    }
}

/// Where a source is to be put when the destination was named so.
pub fn place(destination: &Path, source: &Place) -> Result<Target, CopyError> {
    let wants_folder = destination.as_os_str().to_string_lossy().ends_with('/');
    let as_name = || -> Result<Target, CopyError> {
        let parent = destination.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !parent.is_dir() {
            return Err(CopyError(format!("no such directory: {}", parent.display())));
        }
        let name = last_name(destination).ok_or_else(|| CopyError(format!("{} is no name", destination.display())))?;
        Ok(Target { folder: parent.to_owned(), name })
    };
    match std::fs::metadata(destination) {
        Ok(metadata) if metadata.is_dir() && source.is_dir && source.contents => {
            Ok(Target { folder: destination.to_owned(), name: PathBuf::from(".") })
        }
        Ok(metadata) if metadata.is_dir() => Ok(Target { folder: destination.to_owned(), name: source.name.clone() }),
        Ok(_) if source.is_dir => Err(CopyError("cannot copy directory".to_owned())),
        Ok(_) if wants_folder => Err(CopyError(format!("{} is not a directory", destination.display()))),
        // The file that a link leads to is overwritten, not the link.
        Ok(_) => {
            let real =
                std::fs::canonicalize(destination).map_err(|error| CopyError::new("find", destination, &error))?;
            let folder = real.parent().unwrap_or(Path::new("/")).to_owned();
            Ok(Target { folder, name: last_name(&real).unwrap_or_default() })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && wants_folder && !source.is_dir => {
            Err(CopyError("destination directory does not exist".to_owned()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => as_name(),
        Err(error) => Err(CopyError::new("find", destination, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::{pack, unpack};
    use super::*;

    /// Copies by docker's rules within one folder; gives what is there then, or why not.
    fn copy(from: &str, to: &str) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("dir/sub")).unwrap();
        std::fs::create_dir_all(root.join("out")).unwrap();
        std::fs::write(root.join("dir/sub/file"), "1").unwrap();
        std::fs::write(root.join("file"), "2").unwrap();
        std::fs::write(root.join("other"), "3").unwrap();
        std::os::unix::fs::symlink("file", root.join("link")).unwrap();
        let work = || -> Result<(), CopyError> {
            let source = Place::find(&PathBuf::from(format!("{}/{from}", root.display())), false)?;
            let target = place(&PathBuf::from(format!("{}/{to}", root.display())), &source)?;
            let mut stream = Vec::new();
            pack(&source, &target.name, &mut stream)?;
            unpack(stream.as_slice(), &target.folder, false)
        };
        work().map_err(|error| error.0)?;
        let mut found: Vec<String> = walkdir::WalkDir::new(root)
            .into_iter()
            .flatten()
            .filter(|entry| !entry.file_type().is_dir())
            .map(|entry| entry.path().strip_prefix(root).unwrap().display().to_string())
            .collect();
        let before = ["dir/sub/file", "file", "other", "link"];
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
        assert_eq!(copy("dir", "other").unwrap_err(), "cannot copy directory");
        assert!(copy("file", "missing/").unwrap_err().contains("does not exist"));
        assert!(copy("file", "missing/name").unwrap_err().contains("no such directory"));
        assert!(copy("nothing", "new").unwrap_err().contains("could not find the file"));
    }
}
