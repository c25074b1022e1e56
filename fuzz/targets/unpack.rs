//! Unpacks an archive to disk, as a layer and as the files of a context: nothing beside the target is touched.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rbuild::base::foreign::Folder;
use rbuild::image::layer::{ApplyOptions, ArchiveLimits, apply, unpack_files};

pub const PIECES: super::Pieces = &[
    b"../victim",
    b"../folder",
    b"..",
    b"/",
    b"./",
    b"../../",
    b"a/b",
    b".wh.",
    b".wh..wh..opq",
    b"0000777\0",
    b"5",
    b"2",
    b"1",
    b"0",
];

/// Small enough for a disk that others use as well.
const LIMITS: ArchiveLimits =
    ArchiveLimits { entries: 1000, content_bytes: 1 << 20, name_bytes: 4096, header_bytes: 1 << 16 };

pub fn run(archive: &[u8]) -> String {
    let folder = super::folder();
    let at = |name: &str| folder.path().join(name);
    for name in ["folder", "layer", "files"] {
        std::fs::create_dir(at(name)).expect("a folder can be made");
    }
    std::fs::write(at("victim"), "untouched").expect("a file can be written");
    let before = facts(folder.path());
    let options = ApplyOptions { limits: LIMITS, ..ApplyOptions::default() };
    let applied = apply(archive, &at("layer"), &options).map(|applied| applied.entries);
    let files = Folder::open(&at("files")).expect("it is there");
    let unpacked = unpack_files(archive, files, LIMITS);
    assert_eq!(facts(folder.path()), before, "something beside the target was touched");
    let applied = applied.map_or_else(|error| super::chain(&error), |entries| entries.to_string());
    format!("{applied}; {}", unpacked.map_or_else(|error| super::chain(&error), |()| "done".to_owned()))
}

pub fn seeds() -> Vec<Vec<u8>> {
    super::tar::seeds()
}

/// The state of everything that must not change.
fn facts(folder: &Path) -> String {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).expect("it is there").flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    let of = |name: &str| {
        let status = folder.join(name).symlink_metadata().expect("it is there");
        (status.mode(), status.uid(), status.gid(), status.nlink(), status.ino(), status.ctime(), status.ctime_nsec())
    };
    let inside = std::fs::read_dir(folder.join("folder")).expect("it is there").count();
    let content = std::fs::read(folder.join("victim")).expect("it is there");
    format!("{names:?} {:?} {:?} {inside} {content:?}", of("victim"), of("folder"))
}
