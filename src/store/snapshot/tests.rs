use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::image::layer::FileKind;

/// Layers made of files, folders (ending in `/`), deletions (`-NAME`) and opaque folders (`!NAME/`).
pub(super) fn layers(specs: &[&[&str]]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let root = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (number, entries) in specs.iter().enumerate() {
        let layer = root.path().join(number.to_string());
        fs::create_dir(&layer).unwrap();
        for entry in *entries {
            let name = entry.trim_start_matches(['-', '!']).trim_end_matches('/');
            let path = layer.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if entry.starts_with('-') {
                let kind = rustix::fs::FileType::CharacterDevice;
                rustix::fs::mknodat(rustix::fs::CWD, &path, kind, rustix::fs::Mode::empty(), 0).unwrap();
            } else if entry.ends_with('/') {
                fs::create_dir_all(&path).unwrap();
            } else if let Some((name, target)) = name.split_once("->") {
                std::os::unix::fs::symlink(target, layer.join(name)).unwrap();
            } else {
                fs::write(&path, number.to_string()).unwrap();
            }
            if entry.starts_with('!') {
                let flags = rustix::fs::XattrFlags::empty();
                rustix::fs::setxattr(&path, "user.overlay.opaque", b"y", flags).unwrap();
            }
        }
        paths.push(layer);
    }
    (root, paths)
}

fn names(view: &View, folder: &str) -> Vec<String> {
    let entries = view.read_dir(Path::new(folder)).unwrap();
    entries.into_iter().map(|(name, _)| name.into_string().unwrap()).collect()
}

fn layer_of(view: &View, path: &str) -> Option<usize> {
    view.lstat(Path::new(path)).unwrap().map(|entry| view.layers.len() - 1 - entry.layer)
}

#[test]
fn the_topmost_layer_decides_and_folders_merge() {
    let (_root, paths) = layers(&[&["a", "d/x", "d/y"], &["a", "d/z", "-d/y"]]);
    for view in [View::open(&paths), View::of_layers(&paths), View::of_layers(&paths)].map(Result::unwrap) {
        assert_eq!(layer_of(&view, "no/where"), None);
        assert_eq!(layer_of(&view, "a/b"), None);
        assert_eq!(names(&view, ""), ["a", "d"]);
        assert_eq!(names(&view, "d"), ["x", "z"]);
        assert_eq!(layer_of(&view, "a"), Some(1));
        assert_eq!(layer_of(&view, "d/x"), Some(0));
        assert_eq!(layer_of(&view, "d/y"), None);
    }
}

#[test]
fn what_hides_a_folder_hides_all_below_it() {
    let (_root, paths) = layers(&[&["d/x", "e/x", "f/x"], &["!d/", "d/new", "e", "-f"], &["e/top", "f/top"]]);
    for view in [View::open(&paths), View::of_layers(&paths)].map(Result::unwrap) {
        assert_eq!(layer_of(&view, "d/x"), None);
        assert_eq!(names(&view, "d"), ["new"]);
        assert_eq!(names(&view, "e"), ["top"]);
        assert_eq!(names(&view, "f"), ["top"]);
    }
}

#[test]
fn links_are_followed_inside_the_root_only() {
    let (_root, paths) =
        layers(&[&["real/file", "abs->/real", "up->../../../real/file", "loop->loop", "dangling->nowhere/x"]]);
    let view = View::open(&paths).unwrap();
    let resolve = |path: &str| view.resolve(Path::new(""), Path::new(path)).map(|path| path.display().to_string());
    assert_eq!(resolve("/abs/file").unwrap(), "real/file");
    assert_eq!(resolve("up").unwrap(), "real/file");
    assert_eq!(resolve("../../etc").unwrap(), "etc");
    assert_eq!(resolve("dangling/y").unwrap(), "nowhere/x/y");
    assert!(matches!(resolve("loop"), Err(SnapshotError::LinkLoop { .. })));
    let inside = view.resolve(Path::new("real"), Path::new("../../file")).unwrap();
    assert_eq!(inside, Path::new("real/file"));
}

#[test]
fn a_draft_lifts_folders_with_their_attributes() {
    let (root, paths) = layers(&[&["d/e/old"]]);
    let folder = paths[0].join("d");
    fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let draft_path = root.path().join("draft");
    fs::create_dir(&draft_path).unwrap();
    let mut draft = Draft::new(&paths, &draft_path).unwrap();
    let mut file = draft.create_file(Path::new("d/e/new")).unwrap();
    std::io::Write::write_all(&mut file, b"new").unwrap();
    let owner = owner_of_this_process();
    let attributes = Attributes { mode: 0o640, mtime: Some(1000), owner, ..Attributes::default() };
    draft.end_file(&file, Path::new("d/e/new"), &attributes).unwrap();
    assert_eq!(names(draft.view(), "d/e"), ["new", "old"]);
    draft.finish().unwrap();
    let metadata = |path: &str| fs::metadata(draft_path.join(path)).unwrap();
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(metadata("d").mode() & 0o7777, 0o711);
    assert_eq!(metadata("d").mtime(), fs::metadata(&folder).unwrap().mtime());
    assert_eq!((metadata("d/e/new").mode() & 0o7777, metadata("d/e/new").mtime()), (0o640, 1000));
    assert!(!draft_path.join("d/e/old").exists());
}

#[test]
fn a_draft_replaces_files_and_keeps_folders() {
    let (root, paths) = layers(&[&["file", "folder/x", "link->file"]]);
    let draft_path = root.path().join("draft");
    fs::create_dir(&draft_path).unwrap();
    let mut draft = Draft::new(&paths, &draft_path).unwrap();
    assert!(matches!(draft.create_file(Path::new("folder")), Err(SnapshotError::IsDirectory { .. })));
    drop(draft.create_file(Path::new("link")).unwrap());
    let link = draft.view().lstat(Path::new("link")).unwrap().unwrap();
    assert_eq!(link.kind, FileKind::Regular);
    let mut folders = NewFolders { mode: 0o755, owner: Some(owner_of_this_process()), mtime: None };
    let error = draft.make_dir_all(Path::new("file/below"), folders).unwrap_err();
    assert!(matches!(error, SnapshotError::NotDirectory { .. }));
    let made = draft.make_dir_all(Path::new("folder/a/b"), folders).unwrap();
    assert_eq!(made, [Path::new("folder/a"), Path::new("folder/a/b")]);
    assert_eq!(names(draft.view(), "folder"), ["a", "x"]);
    // Setgid is inherited, as the kernel does it.
    folders.mode = 0o2755;
    draft.make_dir_all(Path::new("folder/s"), folders).unwrap();
    folders.mode = 0o700;
    draft.make_dir_all(Path::new("folder/s/t/u"), folders).unwrap();
    assert_eq!(draft.view().lstat(Path::new("folder/s/t/u")).unwrap().unwrap().mode, 0o2700);
    draft.clear(Path::new("folder")).unwrap();
    drop(draft.create_file(Path::new("folder")).unwrap());
    assert_eq!(draft.view().lstat(Path::new("folder")).unwrap().unwrap().kind, FileKind::Regular);
}

fn owner_of_this_process() -> Owner {
    Owner { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
}

fn user_view(passwd: &str, group: &str) -> (tempfile::TempDir, View) {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/passwd"), passwd).unwrap();
    fs::write(root.path().join("etc/group"), group).unwrap();
    let view = View::open(&[root.path().to_owned()]).unwrap();
    (root, view)
}

#[test]
fn what_is_no_file_lists_no_users() {
    let (root, view) = user_view("app:x:1000:1001::/home/app:/bin/sh\n", "app:x:1001:\n");
    for name in ["etc/passwd", "etc/group"] {
        fs::remove_file(root.path().join(name)).unwrap();
        fs::create_dir(root.path().join(name)).unwrap();
    }
    assert_eq!(process_user(&view, "").unwrap().home, "/");
    assert_eq!(process_user(&view, "5:6").map(|user| (user.uid, user.gid)).unwrap(), (5, 6));
    assert!(matches!(process_user(&view, "app"), Err(SnapshotError::UnknownUser { .. })));
}

#[test]
fn users_and_groups_by_name_and_number() {
    let (_root, view) = user_view(
        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n12:x:3:4::/:/bin/sh\n",
        "root:x:0:\napp:x:1001:\naudio:x:29:other,app\n",
    );
    let owner = |text| owner_of(&view, text).map(|owner| (owner.uid, owner.gid)).unwrap();
    assert_eq!(owner("app"), (1000, 1001));
    assert_eq!(owner("app:audio"), (1000, 29));
    assert_eq!(owner("7"), (7, 7));
    assert_eq!(owner("7:8"), (7, 8));
    assert_eq!(owner("nobody:nogroup"), (0, 0));
    assert_eq!((owner("7:nogroup"), owner("app:nogroup"), owner("app:")), ((7, 7), (1000, 1001), (1000, 1001)));
    assert_eq!(owner("4294967295"), (0, 0));
    let app = process_user(&view, "app").unwrap();
    assert_eq!((app.uid, app.gid, app.groups, app.home.as_str()), (1000, 1001, vec![1001, 29], "/home/app"));
    let unknown = process_user(&view, "1234").unwrap();
    assert_eq!((unknown.uid, unknown.gid, unknown.home.as_str()), (1234, 0, "/"));
    assert_eq!(process_user(&view, "").unwrap().home, "/root");
    let grouped = |text| process_user(&view, text).map(|user| (user.uid, user.gid, user.groups)).unwrap();
    assert_eq!(grouped("app:audio"), (1000, 29, vec![29]));
    assert!(matches!(process_user(&view, "app:audio:more"), Err(SnapshotError::UnknownGroup { .. })));
    assert_eq!(grouped("12"), (12, 0, vec![0]));
    assert_eq!(grouped("4294967294:5"), (4294967294, 5, vec![5]));
    assert!(matches!(process_user(&view, "4294967294"), Err(SnapshotError::IdOutOfRange { .. })));
    assert!(matches!(process_user(&view, "stranger"), Err(SnapshotError::UnknownUser { .. })));
    assert!(matches!(process_user(&view, "app:nope"), Err(SnapshotError::UnknownGroup { .. })));
}

#[test]
fn folders_of_many_names_are_looked_into_all_the_same() {
    let names: Vec<String> = (0..200).map(|number| format!("d/f{number}")).collect();
    let lower: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut stack: Vec<&[&str]> = vec![&lower];
    stack.extend(std::iter::repeat_n(&["e/x"] as &[&str], 20));
    let (_root, paths) = layers(&stack);
    let view = View::of_layers(&paths).unwrap();
    assert_eq!(layer_of(&view, "d/f199"), Some(0));
    assert_eq!(layer_of(&view, "d/f200"), None);
    assert_eq!(layer_of(&view, "e/x"), Some(20));
    let draft_path = paths[0].with_file_name("draft");
    std::fs::create_dir(&draft_path).unwrap();
    let mut draft = Draft::new(&paths, &draft_path).unwrap();
    assert!(draft.view().lstat(Path::new("new")).unwrap().is_none());
    draft.make_dir(Path::new("new"), &Attributes::default()).unwrap();
    assert!(draft.view().lstat(Path::new("new")).unwrap().is_some(), "what was just made is seen");
}
