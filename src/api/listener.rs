//! Where the service is listened to.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::base::io_error::{AtPath, IoError};
use crate::container::sandbox;

/// The first descriptor that systemd passes (sd_listen_fds(3)).
const FIRST_PASSED: i32 = 3;

/// What is to be listened at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket at that path.
    Path(PathBuf),
    /// The one that systemd has opened.
    Passed,
}

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("`{text}` is no address to listen at: there are unix://PATH and fd://")]
    Address { text: String },
    #[error("somebody listens at `{}` already", path.display())]
    Taken { path: PathBuf },
    #[error("no socket was passed: fd:// is for services that systemd starts with a socket unit")]
    NotPassed,
    #[error("there is no group `{name}`")]
    NoGroup { name: String },
    #[error(transparent)]
    Io(#[from] IoError),
    #[error("cannot set up the service")]
    Runtime(#[from] io::Error),
}

impl std::str::FromStr for Address {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        match text.split_once("://") {
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Path(path.into())),
            Some(("fd", "" | "*")) => Ok(Self::Passed),
            _ => Err(ListenError::Address { text: text.to_owned() }),
        }
    }
}

impl Address {
    /// Where docker's tools are told to look: root's, or an ordinary user's own.
    pub fn usual(is_root: bool, runtime_folder: Option<&Path>) -> Option<Self> {
        let folder = if is_root { Some(Path::new("/run")) } else { runtime_folder };
        folder.map(|folder| Self::Path(folder.join("rbuild/docker.sock")))
    }
}

/// A socket; its file goes with it.
pub struct Listener {
    pub socket: UnixListener,
    file: Option<(PathBuf, u64)>,
}

impl Listener {
    /// `group` is whose members may use it beside its owner.
    pub fn open(address: &Address, group: Option<&str>) -> Result<Self, ListenError> {
        match address {
            Address::Passed => {
                let is_ours = std::env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
                let passed: Option<OwnedFd> = is_ours.then(|| sandbox::take_inherited(FIRST_PASSED)).flatten();
                Ok(Self { socket: passed.ok_or(ListenError::NotPassed)?.into(), file: None })
            }
            Address::Path(path) => Self::at(path, group),
        }
    }

    /// The file is made under another name, and gets its mode and its group before anybody can find it.
    fn at(path: &Path, group: Option<&str>) -> Result<Self, ListenError> {
        let group = group.map(group_id).transpose()?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).at("create", folder)?;
        }
        if UnixStream::connect(path).is_ok() {
            return Err(ListenError::Taken { path: path.to_owned() });
        }
        let new = path.with_extension(format!("{}.new", std::process::id()));
        let _ = std::fs::remove_file(&new);
        let socket = UnixListener::bind(&new).at("listen at", path)?;
        let mode = if group.is_some() { 0o660 } else { 0o600 };
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(mode)).at("change the mode of", &new)?;
        if group.is_some() {
            std::os::unix::fs::chown(&new, None, group).at("change the group of", &new)?;
        }
        let inode = std::fs::symlink_metadata(&new).at("look at", &new)?.ino();
        std::fs::rename(&new, path).at("rename", &new)?;
        Ok(Self { socket, file: Some((path.to_owned(), inode)) })
    }
}

impl Drop for Listener {
    /// Another service may have put its own there meanwhile.
    fn drop(&mut self) {
        if let Some((path, inode)) = &self.file
            && std::fs::symlink_metadata(path).is_ok_and(|found| found.ino() == *inode)
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A group of the host, by name or number (group(5)).
fn group_id(name: &str) -> Result<u32, ListenError> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let text = std::fs::read_to_string("/etc/group").at("read", "/etc/group")?;
    let id_of = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    };
    text.lines().find_map(id_of).ok_or_else(|| ListenError::NoGroup { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!("unix:///a/b".parse::<Address>().unwrap(), Address::Path("/a/b".into()));
        assert_eq!("fd://".parse::<Address>().unwrap(), Address::Passed);
        for wrong in ["", "/a", "unix://", "tcp://x", "fd://3"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_socket_is_its_owners_and_goes_with_the_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own/d.sock");
        let listener = Listener::at(&path, None).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(Listener::at(&path, None), Err(ListenError::Taken { .. })));
        drop(listener);
        assert!(!path.exists());
        std::fs::write(&path, "").unwrap();
        Listener::at(&path, None).expect("what nobody listens at is replaced");
    }
}
