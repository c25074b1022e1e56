//! The store is private to its owner. Its content runs with the owner's rights (layers, records of containers),
//! includes secrets (variables of containers, volumes) and privileged programs (files with the setuid bit). So nobody
//! else may enter its folder, and nobody else may have created it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, StatxAttributes, StatxFlags, statat, statx};
use rustix::io::Errno;

use super::StoreError;
use crate::base::foreign::Folder;
use crate::base::io_error::{AtPath, IoError};
use crate::base::privacy::is_trusted;

/// Permissions that others must not have.
const OTHERS: u32 = 0o077;
/// The sticky bit: only the owner of an entry may rename it, whoever may write to the folder.
const STICKY: u32 = 0o1000;
const WRITABLE: u32 = 0o002;
/// The kernel's own limit (path_resolution(7)).
const MOST_LINKS: usize = 40;
/// Folders of a store, which identify one that has no database (yet).
const KNOWN: [&str; 7] = ["store.db", "oci-layout", "blobs", "layers", "locks", "namespaces", "containers"];
/// Created by the filesystem, not by a user.
const OF_FILESYSTEM: &str = "lost+found";

/// The store of this process, once it is known to be private to its user.
static CLAIMED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Why a folder can't be this user's store.
#[derive(Debug, thiserror::Error)]
pub enum NotOwn {
    #[error("the store `{}` belongs to user {owner}, and rbuild runs as user {user}", path.display())]
    Foreign { path: PathBuf, owner: u32, user: u32 },
    #[error("`{}`, on the path to the store, is a symlink of user {owner}, who can point it elsewhere", path.display())]
    ForeignLink { path: PathBuf, owner: u32 },
    #[error("other users can read `{}`, which holds more than a store", path.display())]
    Shared { path: PathBuf },
    #[error("other users can read the store `{}` (mode {mode:o}), and its mode cannot be changed", path.display())]
    Open { path: PathBuf, mode: u32 },
}

impl NotOwn {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Foreign { .. } => "run rbuild as that user, or name a store of your own with --root or RBUILD_ROOT",
            Self::ForeignLink { .. } => "name the folder itself, or another one, with --root or RBUILD_ROOT",
            Self::Shared { .. } => "name a folder that is empty or not there yet with --root or RBUILD_ROOT",
            Self::Open { .. } => "name a folder on a filesystem that knows owners and modes with --root or RBUILD_ROOT",
        }
    }
}

/// A folder above the store in which somebody else could replace the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weakness {
    /// The folder that others may change.
    pub folder: PathBuf,
    /// Its owner; `None` if it is world-writable.
    pub owner: Option<u32>,
}

/// Creates the store's folder if it is missing, and closes it to others if it is open. The folder and every link on the
/// way must belong to this user.
pub fn claim(root: &Path) -> Result<Option<Weakness>, StoreError> {
    let weakness = claim_now(root)?;
    remember(root);
    Ok(weakness)
}

fn claim_now(root: &Path) -> Result<Option<Weakness>, StoreError> {
    let way = Way::to(root)?;
    if !way.exists {
        make(&way.real).at("create", &way.real)?;
    }
    close(&way.real)?;
    Ok(way.weakness)
}

/// The same, unless this process has already done it or has checked the store, as every command does first.
pub(super) fn claim_once(root: &Path) -> Result<(), StoreError> {
    let is_claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == Some(root);
    if is_claimed { Ok(()) } else { claim_now(root).map(drop) }
}

fn remember(root: &Path) {
    // A relative path may later mean another folder.
    if root.is_absolute() {
        *CLAIMED.lock().unwrap_or_else(PoisonError::into_inner) = Some(root.to_owned());
    }
}

/// The same for an existing store; does not create one.
pub fn look_at(root: &Path) -> Result<Option<Weakness>, StoreError> {
    let way = Way::to(root)?;
    if way.exists {
        close(&way.real)?;
        remember(root);
    }
    Ok(way.weakness)
}

/// A path with its links resolved.
struct Way {
    real: PathBuf,
    exists: bool,
    weakness: Option<Weakness>,
}

impl Way {
    fn to(path: &Path) -> Result<Self, StoreError> {
        let mut real = PathBuf::from("/");
        let mut names = names(&std::path::absolute(path).at("find", path)?);
        let (mut links, mut weakness, mut exists) = (0, None, true);
        while let Some(name) = names.pop_front() {
            if name == ".." {
                real.pop();
                continue;
            }
            real.push(&name);
            let found = match fs::symlink_metadata(&real) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    exists = false;
                    continue;
                }
                found => found.at("find", &real)?,
            };
            if found.is_symlink() {
                links += 1;
                let to = Self::follow(&real, &found, links)?;
                real.pop();
                if to.is_absolute() {
                    real = PathBuf::from("/");
                }
                to_front(&mut names, &to);
            } else if !names.is_empty() {
                weakness = weakness.or_else(|| weakness_of(&real, &found));
            }
        }
        Ok(Self { real, exists, weakness })
    }

    fn follow(link: &Path, found: &Metadata, links: usize) -> Result<PathBuf, StoreError> {
        if !is_trusted(found.uid()) {
            return Err(NotOwn::ForeignLink { path: link.to_owned(), owner: found.uid() }.into());
        }
        if links > MOST_LINKS {
            return Err(io::Error::from_raw_os_error(nix::libc::ELOOP)).at("find", link).map_err(StoreError::from);
        }
        Ok(fs::read_link(link).at("read", link)?)
    }
}

fn names(path: &Path) -> VecDeque<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(name).collect()
}

fn to_front(names: &mut VecDeque<OsString>, path: &Path) {
    self::names(path).into_iter().rev().for_each(|name| names.push_front(name));
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn weakness_of(folder: &Path, found: &Metadata) -> Option<Weakness> {
    let weakness = |owner| Some(Weakness { folder: folder.to_owned(), owner });
    match found.mode() {
        _ if !is_trusted(found.uid()) => weakness(Some(found.uid())),
        mode if mode & WRITABLE != 0 && mode & STICKY == 0 => weakness(None),
        _ => None,
    }
}

fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Refuses another user's folder; from now on only the owner can enter it.
fn close(path: &Path) -> Result<(), StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let stat = |folder: &fs::File| folder.metadata().at("look at", path);
    let folder = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(folder) => fs::File::from(folder),
        // If this user may not even look into it, only its owner is checked.
        Err(errno) => {
            let found = fs::symlink_metadata(path).at("look at", path)?;
            refuse_foreign(path, &found)?;
            return Err(IoError { action: "open the store", path: path.to_owned(), source: errno.into() }.into());
        }
    };
    let found = stat(&folder)?;
    refuse_foreign(path, &found)?;
    if found.mode() & OTHERS == 0 {
        return Ok(());
    }
    if !is_for_store(&folder).at("read", path)? {
        return Err(NotOwn::Shared { path: path.to_owned() }.into());
    }
    // Some filesystems report success without doing it.
    let closed = folder.set_permissions(Permissions::from_mode(0o700));
    let mode = stat(&folder)?.mode() & 0o7777;
    if closed.is_err() || mode & OTHERS != 0 {
        return Err(NotOwn::Open { path: path.to_owned(), mode }.into());
    }
    close_content(&folder);
    Ok(())
}

fn refuse_foreign(path: &Path, found: &Metadata) -> Result<(), NotOwn> {
    let (owner, user) = (found.uid(), user());
    if owner == user { Ok(()) } else { Err(NotOwn::Foreign { path: path.to_owned(), owner, user }) }
}

/// Whether a folder that others can enter is a store or may become one: it has nothing of theirs, and it is empty, or
/// has only files and is the root of a filesystem mounted for it (quotas, a ballast file).
fn is_for_store(folder: &fs::File) -> rustix::io::Result<bool> {
    let (mut is_store, mut has_files, mut has_more) = (false, false, false);
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if [".", "..", OF_FILESYSTEM].iter().any(|known| known.as_bytes() == name) {
            continue;
        }
        let found = match statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            // Another rbuild process is active.
            Err(Errno::NOENT) => continue,
            found => found?,
        };
        if found.st_uid != user() {
            return Ok(false);
        }
        is_store |= KNOWN.iter().any(|known| known.as_bytes() == name);
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => has_files = true,
            _ => has_more = true,
        }
    }
    Ok(is_store || !has_more && (!has_files || is_mounted(folder)))
}

/// Whether something is mounted on this very folder. With a kernel that can't tell (before 5.8) it counts as an
/// ordinary one.
fn is_mounted(folder: &fs::File) -> bool {
    let found = statx(folder, c"", AtFlags::EMPTY_PATH, StatxFlags::empty());
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Another user may still have a folder open of a store that was open to others. So its folders and records are closed
/// too, but not what containers use: layers, their changes, volumes. This is best effort: it is the second line of
/// defence.
fn close_content(root: &fs::File) {
    let Some(root) = root.try_clone().ok().map(|root| Folder::new(root.into(), PathBuf::new())) else { return };
    for name in root.names().unwrap_or_default() {
        let Some(kind) = close_one(&root, &name) else { continue };
        let is_apart = ["layers", "blobs", "checkouts"].iter().any(|apart| name == *apart);
        let Some(folder) = inside(&root, &name, kind).filter(|_| !is_apart) else { continue };
        for name in folder.names().unwrap_or_default() {
            let Some(things) = close_one(&folder, &name).and_then(|kind| inside(&folder, &name, kind)) else {
                continue;
            };
            let names = things.names().unwrap_or_default();
            for name in names.iter().filter(|name| is_record(&things, name)) {
                close_one(&things, name);
            }
        }
    }
}

/// Lists a folder by its handle: others who may write to its parent could replace it by a link.
fn inside(folder: &Folder, name: &OsStr, kind: FileType) -> Option<Folder> {
    if kind == FileType::Directory { folder.folder(name).ok() } else { None }
}

/// These files belong to containers.
fn is_record(folder: &Folder, name: &OsStr) -> bool {
    let shown = ["hosts", "hostname", "resolv.conf"];
    let is_file = |stat: Stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    folder.stat(name).ok().flatten().is_some_and(is_file) && !shown.iter().any(|shown| name == *shown)
}

/// Returns its kind.
fn close_one(folder: &Folder, name: &OsStr) -> Option<FileType> {
    let handle = folder.handle(name).ok()?;
    let stat = handle.stat().ok()?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let is_plain = matches!(kind, FileType::Directory | FileType::RegularFile);
    if is_plain && stat.st_uid == user() && stat.st_mode & OTHERS != 0 {
        let _ = handle.set_mode(stat.st_mode & 0o7700);
    }
    Some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_new_store_and_an_old_one_are_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("a/store");
        assert_eq!(claim(&root).unwrap(), None);
        assert_eq!(mode_of(&root), 0o700);
        let (record, layer) = (root.join("containers/id/config.json"), root.join("layers/hex"));
        for path in [&root.join("containers/id/upper"), &layer] {
            fs::create_dir_all(path).unwrap();
            set_mode(path, 0o755);
        }
        fs::write(&record, "{}").unwrap();
        set_mode(&record, 0o644);
        set_mode(&root.join("containers"), 0o755);
        set_mode(&root, 0o755);
        claim(&root).unwrap();
        assert_eq!((mode_of(&root), mode_of(&root.join("containers")), mode_of(&record)), (0o700, 0o700, 0o600));
        assert_eq!((mode_of(&layer), mode_of(&root.join("containers/id/upper"))), (0o755, 0o755), "they are merged");
    }

    #[test]
    fn a_folder_of_other_things_is_not_closed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.txt"), "").unwrap();
        set_mode(folder.path(), 0o700);
        claim(folder.path()).unwrap();
        set_mode(folder.path(), 0o755);
        assert!(matches!(claim(folder.path()), Err(StoreError::NotOwn(NotOwn::Shared { .. }))));
        assert_eq!(mode_of(folder.path()), 0o755);
    }

    #[test]
    fn an_empty_folder_becomes_a_store_whatever_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o755, 0o777, 0o1777, 0o2775] {
            for name in ["empty", "filesystem"] {
                let root = folder.path().join(format!("{name}{mode:o}"));
                fs::create_dir(&root).unwrap();
                if name == "filesystem" {
                    fs::create_dir(root.join(OF_FILESYSTEM)).unwrap();
                }
                set_mode(&root, mode);
                claim(&root).unwrap();
                assert_eq!(mode_of(&root), 0o700, "{name} {mode:o}");
            }
        }
    }

    #[test]
    fn links_and_weak_folders_on_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("open")).unwrap();
        set_mode(&at("open"), 0o777);
        std::os::unix::fs::symlink("open/../open", at("link")).unwrap();
        let weakness = claim(&at("link/store")).unwrap().unwrap();
        assert_eq!(weakness, Weakness { folder: fs::canonicalize(at("open")).unwrap(), owner: None });
        set_mode(&at("open"), 0o1777);
        assert_eq!(claim(&at("link/store")).unwrap(), None);
        assert!(at("open/store").is_dir());
        std::os::unix::fs::symlink("round", at("round")).unwrap();
        assert!(claim(&at("round/store")).is_err());
        assert_eq!(look_at(&at("none/store")).unwrap(), None);
        assert!(!at("none").exists());
    }

    #[test]
    fn others_cannot_lend_a_store() {
        if user() != 0 {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let give = |path: &Path| std::os::unix::fs::lchown(path, Some(1234), None).unwrap();
        fs::create_dir(at("store")).unwrap();
        std::os::unix::fs::symlink("store", at("link")).unwrap();
        give(&at("link"));
        assert!(matches!(claim(&at("link")), Err(StoreError::NotOwn(NotOwn::ForeignLink { owner: 1234, .. }))));
        claim(&at("store")).unwrap();
        give(&at("store"));
        for refused in [claim(&at("store")), look_at(&at("store"))] {
            assert!(matches!(refused, Err(StoreError::NotOwn(NotOwn::Foreign { owner: 1234, .. }))));
        }
        let weakness = claim(&at("store/inside")).unwrap().unwrap();
        assert_eq!(weakness.owner, Some(1234));
        // A user who may write to a folder can't turn it into a store.
        fs::create_dir_all(at("open/blobs")).unwrap();
        set_mode(&at("open"), 0o1777);
        give(&at("open/blobs"));
        assert!(matches!(claim(&at("open")), Err(StoreError::NotOwn(NotOwn::Shared { .. }))));
    }
}
