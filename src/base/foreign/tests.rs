use std::ffi::OsStr;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, FileType, Mode, RenameFlags};
use rustix::io::Errno;

use super::{Folder, LastFolder, Tree};

/// A tree `in` with a link `out` to the folder `host` beside it, which has a `secret`.
fn foreign() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    std::fs::create_dir_all(at("in/a/b")).unwrap();
    std::fs::create_dir(at("host")).unwrap();
    std::fs::write(at("host/secret"), "host").unwrap();
    std::fs::write(at("in/a/secret"), "own").unwrap();
    symlink(at("host"), at("in/out")).unwrap();
    symlink("a", at("in/inside")).unwrap();
    symlink("/a/secret", at("in/absolute")).unwrap();
    place
}

fn folder(place: &tempfile::TempDir) -> Folder {
    Folder::open(&place.path().join("in")).unwrap()
}

fn name(text: &str) -> &OsStr {
    OsStr::new(text)
}

#[test]
fn links_are_refused_beneath_a_root() {
    let place = foreign();
    let tree = Tree::beneath(folder(&place));
    assert!(tree.folder(Path::new("a/b")).is_ok());
    for path in ["out", "inside", "out/x", "inside/b", "../host", "a/../../host", "/a"] {
        assert!(tree.folder(Path::new(path)).is_err(), "{path}");
    }
    assert_eq!(tree.folder(Path::new("inside/b")).unwrap_err().errno(), Some(Errno::LOOP));
    assert!(tree.find_folder(Path::new("inside/b")).unwrap().is_none());
    // The link itself does not lead anywhere.
    assert_eq!(tree.handle(Path::new("out")).unwrap().read_link().unwrap(), place.path().join("host"));
    assert_eq!(tree.handle(Path::new("")).unwrap().kind().unwrap(), FileType::Directory);
}

#[test]
fn links_stay_inside_a_root() {
    let place = foreign();
    let tree = Tree::in_root(folder(&place));
    let read = |path: &str| {
        let mut text = String::new();
        tree.followed(Path::new(path)).unwrap().open_file().unwrap().read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(read("/absolute"), "own");
    assert_eq!(read("inside/../../../a/secret"), "own");
    assert_eq!(tree.followed(Path::new("out/secret")).unwrap_err().errno(), Some(Errno::NOENT));
    assert_eq!(tree.handle(Path::new("absolute")).unwrap().kind().unwrap(), FileType::Symlink);
    let (parent, last) = tree.parent(Path::new("inside/secret")).unwrap().unwrap();
    assert_eq!((last, parent.stat(last).unwrap().unwrap().st_size), (name("secret"), 3));
}

#[test]
fn magic_links_lead_nowhere() {
    let tree = Tree::in_root(Folder::open(Path::new("/proc/self")).unwrap());
    assert_eq!(tree.followed(Path::new("root/etc")).unwrap_err().errno(), Some(Errno::LOOP));
}

#[test]
fn names_stay_in_their_folder() {
    let place = foreign();
    let folder = folder(&place);
    for wrong in ["", ".", "..", "a/secret", "/etc"] {
        assert_eq!(folder.stat(name(wrong)).unwrap_err().errno(), Some(Errno::INVAL), "{wrong}");
        assert!(folder.make_folder(name(wrong), 0o755).is_err() && folder.remove_all(name(wrong)).is_err());
    }
    assert_eq!(folder.sorted_names().unwrap(), ["a", "absolute", "inside", "out"]);
    assert!(folder.stat(name("nothing")).unwrap().is_none());
    assert!(folder.stat(name(&"n".repeat(300))).unwrap().is_none());
    assert!(folder.folder(name("inside")).is_err() && folder.open_file(name("absolute")).is_err());
}

#[test]
fn nothing_waits_for_a_fifo() {
    let place = foreign();
    let folder = folder(&place);
    folder.make_node(name("fifo"), FileType::Fifo, 0o600, 0).unwrap();
    assert!(folder.open_file(name("fifo")).unwrap_err().source.to_string().contains("not a regular file"));
    assert!(folder.handle(name("fifo")).unwrap().open_file().is_err());
    folder.set_mode(name("fifo"), 0o4711).unwrap();
    let made = place.path().join("in/fifo").symlink_metadata().unwrap();
    assert!(made.file_type().is_fifo() && made.mode() & 0o7777 == 0o4711);
}

#[test]
fn attributes_are_set_on_no_link() {
    let place = foreign();
    let folder = folder(&place);
    let host = place.path().join("host");
    let before = (host.metadata().unwrap().mode(), host.metadata().unwrap().mtime());
    assert_eq!(folder.set_mode(name("out"), 0o4777).unwrap_err().errno(), Some(Errno::LOOP));
    let time = rustix::fs::Timespec { tv_sec: 77, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    folder.set_times(name("out"), &times).unwrap();
    folder.handle(name("out")).unwrap().set_times(&times).unwrap();
    assert_eq!((host.metadata().unwrap().mode(), host.metadata().unwrap().mtime()), before);
    assert_eq!(place.path().join("in/out").symlink_metadata().unwrap().mtime(), 77);
    folder.set_mode(name("a"), 0o2750).unwrap();
    folder.folder(name("a")).unwrap().set_own_times(&times).unwrap();
    let a = place.path().join("in/a").metadata().unwrap();
    assert_eq!((a.permissions().mode() & 0o7777, a.mtime()), (0o2750, 77));
    let handle = folder.folder(name("a")).unwrap().handle(name("secret")).unwrap();
    handle.set_xattr(c"user.note", b"x").unwrap();
    assert_eq!(handle.xattrs().unwrap(), [(c"user.note".to_owned(), b"x".to_vec())]);
    assert_eq!(handle.xattr(c"user.other").unwrap(), None);
    assert!(folder.handle(name("out")).unwrap().xattr(c"user.note").unwrap().is_none());
}

#[test]
fn removing_ends_at_links() {
    let place = foreign();
    let folder = folder(&place);
    folder.folder(name("a")).unwrap().make_link(name("deep"), &place.path().join("host")).unwrap();
    for all in ["a", "out", "inside", "absolute", "nothing"] {
        folder.remove_all(name(all)).unwrap();
    }
    assert!(folder.names().unwrap().is_empty());
    assert_eq!(std::fs::read(place.path().join("host/secret")).unwrap(), b"host");
}

#[test]
fn second_names_are_of_links_themselves() {
    let place = foreign();
    let folder = folder(&place);
    folder.hard_link(name("again"), &folder, name("absolute")).unwrap();
    folder.hard_link_to(name("third"), &folder.handle(name("absolute")).unwrap()).unwrap();
    for link in ["again", "third"] {
        assert_eq!(folder.read_link(name(link)).unwrap(), Path::new("/a/secret"));
    }
    folder.rename(name("third"), &folder.folder(name("a")).unwrap(), name("moved")).unwrap();
    assert!(folder.stat(name("third")).unwrap().is_none());
}

/// Whatever moment the tree is looked at in, the host's file is never what comes out.
#[test]
fn exchanged_folders_lead_nowhere() {
    let place = foreign();
    let tree = LastFolder::of(Tree::beneath(folder(&place)));
    let within = Tree::in_root(folder(&place));
    let (stop, inside) = (AtomicBool::new(false), place.path().join("in"));
    let exchange = || {
        while !stop.load(Ordering::Relaxed) {
            rustix::fs::renameat_with(CWD, inside.join("a"), CWD, inside.join("out"), RenameFlags::EXCHANGE).unwrap();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(exchange);
        for _ in 0..20_000 {
            tree.forget();
            if let Some(folder) = tree.find_folder(Path::new("a")).unwrap() {
                let stat = folder.stat(name("secret")).unwrap().unwrap();
                assert_eq!(stat.st_size, 3);
            }
            if let Ok(found) = within.followed(Path::new("a/b/../secret")) {
                assert_eq!(found.stat().unwrap().st_size, 3);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn what_is_mounted_in_a_tree_is_not_entered() {
    let tree = |one| {
        let tree = Tree::beneath(Folder::open(Path::new("/")).unwrap());
        if one { tree.on_one_filesystem() } else { tree }
    };
    assert_eq!(tree(true).folder(Path::new("proc/self")).unwrap_err().errno(), Some(Errno::XDEV));
    assert!(tree(false).folder(Path::new("proc/sys")).is_ok());
}

#[test]
fn a_handle_knows_where_it_is() {
    super::keep_own_handles().unwrap();
    let place = foreign();
    let handle = folder(&place).handle(name("a")).unwrap();
    let shown = handle.path().unwrap();
    assert_eq!(shown, std::fs::canonicalize(place.path().join("in/a")).unwrap());
    let stat = rustix::fs::statat(handle.as_fd(), "", AtFlags::EMPTY_PATH).unwrap();
    assert_eq!(Mode::from_raw_mode(stat.st_mode).bits() & 0o777, handle.stat().unwrap().st_mode & 0o777);
}

#[test]
fn what_a_dead_process_left_is_told_from_what_is_being_removed() {
    let is_left = |name: &str| super::is_left_by_dead(OsStr::new(name));
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    assert!(is_left(&format!(".removed-{}-3", ended.id())));
    assert!(!is_left(&format!(".removed-{}-3", std::process::id())));
    for other in [".removed-", ".removed-x-1", ".removed--1", ".removed-0-1", "removed-1-1", "layer"] {
        assert!(!is_left(other), "{other}");
    }
}
