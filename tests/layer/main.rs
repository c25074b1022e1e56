//! Layers, from directory to stream and back, and malicious archives.

mod archives;
mod streams;
#[path = "../support/mod.rs"]
mod support;

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rbuild::base::digest::BlobDigest;
use rbuild::image::layer::{Encoded, NothingKnown, encode};
use rustix::fs::{CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use tempfile::TempDir;

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn set_times(root: &Path) {
    for entry in walkdir_deepest_first(root) {
        let times = Timespec { tv_sec: 1_600_000_000, tv_nsec: 0 };
        let times = Timestamps { last_access: times, last_modification: times };
        rustix::fs::utimensat(CWD, &entry, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

fn walkdir_deepest_first(root: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(root).contents_first(true).into_iter().map(|entry| entry.unwrap().into_path()).collect()
}

pub fn encoded(dir: &Path) -> (Encoded, Vec<u8>) {
    let mut stream = Vec::new();
    let encoded = encode(dir, &mut stream, &NothingKnown).unwrap();
    assert_eq!(encoded.diff_id.hex(), BlobDigest::of(&stream).hex());
    assert_eq!(encoded.stream_len, stream.len() as u64);
    (encoded, stream)
}

/// Everything that a layer may contain and any user may create.
pub fn rich_layer() -> TempDir {
    let layer = tempfile::tempdir().unwrap();
    let at = |name: &str| layer.path().join(name);
    fs::create_dir_all(at("d/sub")).unwrap();
    fs::write(at("d/file"), "content\n").unwrap();
    fs::write(at("d/empty"), "").unwrap();
    fs::write(at("set-id"), "x").unwrap();
    fs::set_permissions(at("set-id"), fs::Permissions::from_mode(0o6751)).unwrap();
    fs::hard_link(at("d/file"), at("d/sub/same")).unwrap();
    fs::hard_link(at("d/file"), at("a-link")).unwrap();
    symlink("../elsewhere", at("d/link")).unwrap();
    symlink("t".repeat(300), at("long-link")).unwrap();
    fs::write(layer.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9")), "latin").unwrap();
    fs::write(at("ünï"), "utf-8").unwrap();
    fs::write(at(&"n".repeat(255)), "long").unwrap();
    let deep = format!("{}/{}", "p".repeat(200), "q".repeat(200));
    fs::create_dir_all(at(&deep)).unwrap();
    fs::write(at(&deep).join("file"), "deep").unwrap();
    rustix::fs::mknodat(CWD, at("fifo"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
    rustix::fs::setxattr(at("d/file"), "user.note", b"line\nwith \xff", XattrFlags::empty()).unwrap();
    let sparse = File::create(at("sparse")).unwrap();
    sparse.set_len(3 << 20).unwrap();
    sparse.write_all_at(b"in the middle", 1 << 20).unwrap();
    let noise: Vec<u8> = (0..200_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    fs::write(at("large"), noise).unwrap();
    set_times(layer.path());
    layer
}
