//! Layers, from directory to stream and back, and archives that mean harm.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rbuild::digest::{BlobDigest, ContentDigest};
use rbuild::layer::{
    ApplyOptions, ArchiveLimits, Compression, Decoder, Encoded, GzipWriter, LayerError, NothingKnown, apply, encode,
    encode_stacked,
};
use rustix::fs::{CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use tempfile::TempDir;

/// Prints why a test does nothing here, and fails where nothing may be skipped.
fn skip(reason: &str) {
    assert!(std::env::var_os("RBUILD_TEST_NO_SKIP").is_none(), "skipped: {reason}");
    eprintln!("skipped: {reason}");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn set_times(root: &Path) {
    for entry in walkdir_deepest_first(root) {
        let times = Timespec { tv_sec: 1_600_000_000, tv_nsec: 0 };
        let times = Timestamps { last_access: times, last_modification: times };
        rustix::fs::utimensat(CWD, &entry, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

fn walkdir_deepest_first(root: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(root).contents_first(true).into_iter().map(|entry| entry.unwrap().into_path()).collect()
}

fn encoded(dir: &Path) -> (Encoded, Vec<u8>) {
    let mut stream = Vec::new();
    let encoded = encode(dir, &mut stream, &NothingKnown).unwrap();
    assert_eq!(encoded.diff_id.hex(), BlobDigest::of(&stream).hex());
    assert_eq!(encoded.stream_len, stream.len() as u64);
    (encoded, stream)
}

/// Everything that a layer may hold and any user may make.
fn rich_layer() -> TempDir {
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

#[test]
fn a_layer_comes_back_from_its_stream_the_same() {
    let layer = rich_layer();
    let (first, stream) = encoded(layer.path());
    let target = tempfile::tempdir().unwrap();
    let applied = apply(stream.as_slice(), target.path(), &ApplyOptions::default()).unwrap();
    assert_eq!((applied.diff_id, applied.stream_len), (first.diff_id, first.stream_len));
    assert_eq!((applied.entries, applied.content_bytes), (first.entries, first.content_bytes));
    assert!(applied.implied_directories.is_empty());
    let (second, _) = encoded(target.path());
    assert_eq!(second, first);
    let inode = |name: &str| target.path().join(name).metadata().unwrap().ino();
    assert_eq!(inode("a-link"), inode("d/sub/same"));
    assert!(target.path().join("sparse").metadata().unwrap().blocks() < 4 << 10, "holes stay holes");
}

#[test]
fn whiteouts_opaque_marks_and_devices_come_back() {
    if !is_root() {
        return skip("device nodes need root");
    }
    let layer = tempfile::tempdir().unwrap();
    let at = |name: &str| layer.path().join(name);
    let device = |name: &str, kind, major, minor| {
        rustix::fs::mknodat(CWD, at(name), kind, Mode::from_raw_mode(0o660), rustix::fs::makedev(major, minor))
            .unwrap();
    };
    fs::create_dir(at("opaque")).unwrap();
    rustix::fs::setxattr(at("opaque"), "user.overlay.opaque", b"y", XattrFlags::empty()).unwrap();
    rustix::fs::setxattr(at("opaque"), "user.overlay.origin", b"other", XattrFlags::empty()).unwrap();
    device("opaque/gone", FileType::CharacterDevice, 0, 0);
    fs::hard_link(at("opaque/gone"), at("also gone")).unwrap();
    device("null", FileType::CharacterDevice, 1, 3);
    device("disk", FileType::BlockDevice, 259, 70_000);
    fs::write(at("capable"), "x").unwrap();
    let capability = [[1, 0, 0, 2], [0, 4, 0, 0], [0; 4], [0; 4], [0; 4]].concat();
    rustix::fs::setxattr(at("capable"), "security.capability", &capability, XattrFlags::empty()).unwrap();
    std::os::unix::fs::chown(at("capable"), Some(3_000_000_000), Some(5)).unwrap();
    rustix::fs::setxattr(at("capable"), "security.capability", &capability, XattrFlags::empty()).unwrap();
    set_times(layer.path());

    let (first, stream) = encoded(layer.path());
    let names: Vec<String> = tar::Archive::new(stream.as_slice())
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().to_string_lossy().into_owned())
        .collect();
    let expected = [".wh.also gone", "capable", "disk", "null", "opaque/", "opaque/.wh..wh..opq", "opaque/.wh.gone"];
    assert_eq!(names, expected);
    let target = tempfile::tempdir().unwrap();
    apply(stream.as_slice(), target.path(), &ApplyOptions::default()).unwrap();
    assert_eq!(encoded(target.path()).0, first);
    assert_eq!(target.path().join("capable").metadata().unwrap().uid(), 3_000_000_000);
}

#[test]
fn the_stream_is_the_same_on_every_machine() {
    let layer = tempfile::tempdir().unwrap();
    let at = |name: &str| layer.path().join(name);
    if !is_root() {
        return skip("the golden layer belongs to root");
    }
    fs::create_dir(at("d")).unwrap();
    fs::write(at("d/ü"), "one").unwrap();
    symlink("d/ü", at("l")).unwrap();
    for (name, mode) in [("d", 0o755), ("d/ü", 0o644)] {
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    set_times(layer.path());
    let (encoded, _) = encoded(layer.path());
    assert_eq!(encoded.diff_id.short(), "85872e4b6ca4");
    assert_eq!(encoded.tree.short(), "024a2078bdde");
}

#[test]
fn the_tree_digest_ignores_times_and_the_diff_id_does_not() {
    let layer = rich_layer();
    let (first, _) = encoded(layer.path());
    File::open(layer.path().join("d/file")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let (second, _) = encoded(layer.path());
    assert_eq!(second.tree, first.tree);
    assert_ne!(second.diff_id, first.diff_id);
    fs::set_permissions(layer.path().join("set-id"), fs::Permissions::from_mode(0o751)).unwrap();
    assert_ne!(encoded(layer.path()).0.tree, first.tree);
}

#[test]
fn folders_of_one_layer_are_encoded_as_what_they_show() {
    let make = |entries: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        for entry in entries {
            let path = folder.path().join(entry);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match entry.strip_suffix('/') {
                Some(_) => fs::create_dir_all(path).unwrap(),
                None => fs::write(path, entries.len().to_string()).unwrap(),
            }
        }
        set_times(folder.path());
        folder
    };
    let stream = |folders: &[&TempDir]| {
        let mut out = Vec::new();
        let folders: Vec<&Path> = folders.iter().map(|folder| folder.path()).collect();
        let encoded = encode_stacked(&folders, &mut out, &NothingKnown).unwrap();
        (encoded, out)
    };
    // The content says which folder a file is of.
    let lower = make(&["a/b", "a/c", "d/e", "f", "g/h", "i"]);
    let upper = make(&["a/b", "a/bb", "d", "g/"]);
    let mut names = Vec::new();
    let mut archive = tar::Archive::new(std::io::Cursor::new(stream(&[&lower, &upper]).1));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = String::new();
        std::io::Read::read_to_string(&mut entry, &mut content).unwrap();
        names.push(format!("{} {content}", entry.path().unwrap().display()));
    }
    assert_eq!(names, ["a/ ", "a/b 4", "a/bb 4", "a/c 6", "d 4", "f 6", "g/ ", "g/h 6", "i 6"]);
    assert_eq!(stream(&[&lower]), encoded(lower.path()));
    assert_eq!(stream(&[&lower, &make(&[])]).0, encoded(lower.path()).0);
}

#[test]
fn digests_that_are_known_are_taken() {
    let layer = tempfile::tempdir().unwrap();
    fs::write(layer.path().join("f"), "content").unwrap();
    let known = |text: &[u8]| HashMap::from([(PathBuf::from("f"), ContentDigest::of(text))]);
    let tree = |known: &HashMap<_, _>| encode(layer.path(), std::io::sink(), known).unwrap().tree;
    assert_eq!(tree(&known(b"content")), encoded(layer.path()).0.tree);
    assert_ne!(tree(&known(b"other")), encoded(layer.path()).0.tree);
}

#[test]
fn a_name_that_means_a_deletion_is_refused() {
    let layer = tempfile::tempdir().unwrap();
    fs::write(layer.path().join(".wh.x"), "").unwrap();
    let error = encode(layer.path(), std::io::sink(), &NothingKnown).unwrap_err();
    assert!(matches!(error, LayerError::ReservedName { .. }), "{error}");
}

#[test]
fn an_error_of_the_writer_ends_the_encoding() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let error = encode(rich_layer().path(), Full, &NothingKnown).unwrap_err();
    assert!(error.is_no_space(), "{error}");
}

#[test]
fn python_reads_the_stream_byte_for_byte() {
    const SCRIPT: &str = r#"
import sys, tarfile
t = tarfile.open(fileobj=sys.stdin.buffer, mode="r|", errors="surrogateescape")
for m in t:
    out = [m.name.encode("utf-8", "surrogateescape").hex(), m.linkname.encode("utf-8", "surrogateescape").hex(), str(m.size)]
    out += [k + "=" + v.encode("utf-8", "surrogateescape").hex() for k, v in m.pax_headers.items() if "xattr" in k]
    print(*out)
"#;
    let layer = rich_layer();
    let (_, stream) = encoded(layer.path());
    let child = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let Ok(mut child) = child else { return skip("python3 is not here") };
    child.stdin.take().unwrap().write_all(&stream).unwrap();
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(text.contains(&format!("{}  5", hex(b"caf\xe9"))), "{text}");
    assert!(text.contains(&format!("{} {} 0", hex(b"long-link"), hex("t".repeat(300).as_bytes()))), "{text}");
    assert!(text.contains(&format!("SCHILY.xattr.user.note={}", hex(b"line\nwith \xff"))), "{text}");
    assert!(text.contains(&hex(format!("{}/{}/file", "p".repeat(200), "q".repeat(200)).as_bytes())), "{text}");
}

/// An archive of the given entries: type, name, link target, content.
fn archive(entries: &[(tar::EntryType, &str, &str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, name, link, content) in entries {
        let mut header = tar::Header::new_ustar();
        // Written past the crate's own checks: these names are to be hostile.
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

    fn apply(&self, stream: &[u8]) -> Result<rbuild::layer::Applied, LayerError> {
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
        ("no tar archive", b"not a tar archive".repeat(100)),
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
fn a_layer_is_compressed_and_applied_in_one_go() {
    let layer = rich_layer();
    let mut gzip = GzipWriter::new(Vec::new(), 2, 6);
    let encoded = encode(layer.path(), &mut gzip, &NothingKnown).unwrap();
    let compressed = gzip.finish().unwrap();
    let decoder = Decoder::new(compressed.as_slice()).unwrap();
    assert_eq!(decoder.compression(), Compression::Gzip);
    let target = tempfile::tempdir().unwrap();
    let applied = apply(decoder, target.path(), &ApplyOptions::default()).unwrap();
    assert_eq!(applied.diff_id, encoded.diff_id);
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
