//! Archives from elsewhere: malicious ones, those beyond the limits, and those of GNU tar.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rbuild::base::digest::BlobDigest;
use rbuild::image::layer::{ApplyOptions, ArchiveLimits, LayerError, apply};
use tempfile::TempDir;

use crate::support::skip;
use crate::{encoded, is_root, set_times};

/// An archive of the given entries: type, name, link target, content.
fn archive(entries: &[(tar::EntryType, &str, &str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, name, link, content) in entries {
        let mut header = tar::Header::new_ustar();
        // Written without the crate's own checks: these names have to be malicious.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        header.set_uid(rustix::process::geteuid().as_raw().into());
        header.set_gid(rustix::process::getegid().as_raw().into());
        header.set_mtime(1);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

const FILE: tar::EntryType = tar::EntryType::Regular;
const DIRECTORY: tar::EntryType = tar::EntryType::Directory;
const SYMLINK: tar::EntryType = tar::EntryType::Symlink;
const LINK: tar::EntryType = tar::EntryType::Link;
const CHAR: tar::EntryType = tar::EntryType::Char;

/// A folder with a victim beside the target.
struct Victim {
    folder: TempDir,
}

impl Victim {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("target")).unwrap();
        fs::write(folder.path().join("victim"), "untouched").unwrap();
        Self { folder }
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("target")
    }

    fn apply(&self, stream: &[u8]) -> Result<rbuild::image::layer::Applied, LayerError> {
        let applied = apply(stream, &self.target(), &ApplyOptions::default());
        let mut names: Vec<_> =
            fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["target", "victim"]);
        let victim = self.folder.path().join("victim");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        assert_eq!(victim.metadata().unwrap().nlink(), 1);
        applied
    }
}

#[test]
fn hostile_archives_are_refused_and_touch_nothing_outside() {
    if !is_root() {
        return skip("entries belong to root");
    }
    let cases: &[(&str, Vec<u8>)] = &[
        ("goes up", archive(&[(FILE, "../victim", "", b"x")])),
        ("goes up", archive(&[(FILE, "a/../../victim", "", b"x")])),
        ("goes up", archive(&[(SYMLINK, "a/..", "x", b"")])),
        ("goes up", archive(&[(LINK, "mine", "../victim", b"")])),
        ("not there", archive(&[(LINK, "mine", "/victim", b"")])),
        (
            "leads nowhere",
            archive(&[(SYMLINK, "l", "../", b""), (SYMLINK, "l", "../victim", b""), (FILE, "l/x", "", b"")]),
        ),
        ("not a folder", archive(&[(FILE, "f", "", b""), (FILE, "f/x", "", b"x")])),
        ("loop", archive(&[(SYMLINK, "a", "b", b""), (SYMLINK, "b", "a", b""), (FILE, "a/x", "", b"")])),
        ("links to itself", archive(&[(FILE, "a", "", b"x"), (LINK, "a", "./a", b"")])),
        ("links to a directory", archive(&[(DIRECTORY, "d/", "", b""), (LINK, "a", "d", b"")])),
        ("links to the root", archive(&[(LINK, "a", "/", b"")])),
        ("would replace the root", archive(&[(SYMLINK, "./", "/etc", b"")])),
        ("deletes no name", archive(&[(FILE, ".wh.", "", b"")])),
        ("deletes no name", archive(&[(FILE, "d/.wh...", "", b"")])),
        ("means a deletion", archive(&[(FILE, ".wh.d/x", "", b"")])),
        ("0:0", archive(&[(CHAR, "c", "", b"")])),
        ("not a tar archive", b"not a tar archive".repeat(100)),
        ("wrong checksum", {
            let mut bytes = archive(&[(FILE, "a", "", b""), (FILE, "b", "", b"")]);
            bytes[512] ^= 1;
            bytes
        }),
        ("ends in the middle of entry `big`", archive(&[(FILE, "big", "", &[7; 5000])])[..3000].to_vec()),
        ("ends in the middle", archive(&[(FILE, "a", "", b"")])[..300].to_vec()),
    ];
    for (index, (expected, stream)) in cases.iter().enumerate() {
        let victim = Victim::new();
        let error = victim.apply(stream).expect_err(&format!("{index} {expected}"));
        assert!(error.to_string().contains(expected), "{index}: {error}, not {expected}");
    }
}

#[test]
fn symlinks_on_the_way_are_followed_inside_only() {
    if !is_root() {
        return skip("entries belong to root");
    }
    let victim = Victim::new();
    let stream = archive(&[
        (DIRECTORY, "/tmp", "", b""),
        (SYMLINK, "l", "/tmp", b""),
        (FILE, "l/f", "", b"through"),
        (SYMLINK, "up", "../../../tmp", b""),
        (FILE, "up/g", "", b"climbing"),
        (FILE, "//victim", "", b"rooted"),
        (FILE, "implied/by/this", "", b""),
    ]);
    let applied = victim.apply(&stream).unwrap();
    let read = |name: &str| fs::read_to_string(victim.target().join(name)).unwrap();
    assert_eq!((read("tmp/f"), read("tmp/g"), read("victim")), ("through".into(), "climbing".into(), "rooted".into()));
    assert_eq!(applied.implied_directories, [Path::new("implied"), Path::new("implied/by")]);
}

#[test]
fn later_entries_replace_earlier_ones() {
    if !is_root() {
        return skip("entries belong to root");
    }
    let victim = Victim::new();
    let stream = archive(&[
        (DIRECTORY, "d", "", b""),
        (FILE, "d/inner", "", b"x"),
        (SYMLINK, "d", "/nowhere", b""),
        (SYMLINK, "s", "../victim", b""),
        (FILE, "s", "", b"file now"),
        (FILE, "f", "", b"long content"),
        (FILE, "f", "", b"short"),
        (FILE, "merged", "", b""),
        (DIRECTORY, "merged", "", b""),
        (FILE, "merged/in", "", b""),
        (DIRECTORY, "merged", "", b""),
    ]);
    victim.apply(&stream).unwrap();
    let at = |name: &str| victim.target().join(name);
    assert_eq!(fs::read_link(at("d")).unwrap(), Path::new("/nowhere"));
    assert_eq!((fs::read(at("s")).unwrap(), fs::read(at("f")).unwrap()), (b"file now".to_vec(), b"short".to_vec()));
    assert!(at("merged/in").exists());
}

#[test]
fn whiteouts_speak_of_lower_layers_in_any_order() {
    if !is_root() {
        return skip("entries belong to root");
    }
    let victim = Victim::new();
    let stream = archive(&[
        (FILE, ".wh.before", "", b""),
        (DIRECTORY, "before", "", b""),
        (DIRECTORY, "after", "", b""),
        (FILE, ".wh.after", "", b""),
        (FILE, ".wh.file", "", b""),
        (FILE, "file", "", b"new"),
        (FILE, ".wh.gone", "", b""),
        (FILE, ".wh..wh.plnk", "", b""),
        (FILE, "deep/.wh..wh..opq", "", b""),
    ]);
    victim.apply(&stream).unwrap();
    let opaque = |name: &str| {
        let mut value = [0u8; 4];
        rustix::fs::getxattr(victim.target().join(name), "user.overlay.opaque", &mut value).is_ok()
    };
    assert!(opaque("before") && opaque("after") && opaque("deep"));
    assert_eq!(fs::read_to_string(victim.target().join("file")).unwrap(), "new");
    assert_eq!(victim.target().join("gone").symlink_metadata().unwrap().rdev(), 0);
    assert!(!victim.target().join(".wh..wh.plnk").exists());
}

#[test]
fn archives_beyond_the_limits_are_refused() {
    let limits = ArchiveLimits { entries: 4, content_bytes: 100, name_bytes: 50, header_bytes: 1024 };
    let long = "n".repeat(60);
    let mut pax = archive(&[(tar::EntryType::XHeader, "x", "", &[b'x'; 2000])]);
    pax.truncate(pax.len() - 1024);
    let cases = [
        ("entries", archive(&[(FILE, "a", "", b""), (FILE, "b", "", b""), (FILE, "c", "", b""), (FILE, "d", "", b"")])),
        ("bytes of content", archive(&[(FILE, "a", "", &[0; 99]), (FILE, "b", "", &[0; 2])])),
        ("bytes in a name", archive(&[(FILE, &long, "", b"")])),
        ("bytes of extended headers", pax),
    ];
    for (what, stream) in cases {
        let target = tempfile::tempdir().unwrap();
        let options = ApplyOptions { limits, ..ApplyOptions::default() };
        let error = apply(stream.as_slice(), target.path(), &options).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn what_follows_the_end_counts_for_the_diff_id() {
    let mut stream = archive(&[]);
    stream.extend_from_slice(&[0; 8192]);
    stream.extend_from_slice(b"more");
    let target = tempfile::tempdir().unwrap();
    let applied = apply(stream.as_slice(), target.path(), &ApplyOptions::default()).unwrap();
    assert_eq!(applied.diff_id.hex(), BlobDigest::of(&stream).hex());
    assert_eq!(applied.stream_len, stream.len() as u64);
}

#[test]
fn archives_of_gnu_tar_come_out_the_same() {
    let layer = tempfile::tempdir().unwrap();
    let at = |name: &str| layer.path().join(name);
    fs::write(at(&"n".repeat(200)), "long name").unwrap();
    symlink("t".repeat(200), at("link")).unwrap();
    let sparse = File::create(at("sparse")).unwrap();
    for index in 0..60u64 {
        sparse.write_all_at(format!("piece {index}").as_bytes(), index * 50_000 + 4096).unwrap();
    }
    sparse.set_len(4_000_000).unwrap();
    set_times(layer.path());
    let (expected, _) = encoded(layer.path());
    let formats = [
        &["--format=gnu"][..],
        &["--format=pax", "--sparse-version=1.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=0.0"],
    ];
    for format in formats {
        let output = Command::new("tar").args(["-S", "-C"]).arg(layer.path()).args(format).args(["-c", "."]).output();
        let Ok(output) = output else { return skip("tar is not here") };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let target = tempfile::tempdir().unwrap();
        apply(output.stdout.as_slice(), target.path(), &ApplyOptions::default()).unwrap();
        assert_eq!(encoded(target.path()).0, expected, "{format:?}");
        assert!(target.path().join("sparse").metadata().unwrap().blocks() < 4_000, "{format:?}");
    }
}

#[test]
fn a_reader_that_fails_is_named() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("line is dead"))
        }
    }
    let target = tempfile::tempdir().unwrap();
    let error = apply(Broken, target.path(), &ApplyOptions::default()).unwrap_err();
    assert!(matches!(error, LayerError::Read { .. }), "{error}");
}
