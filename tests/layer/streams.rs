//! Folders as tar streams: the round trip changes nothing, and the result is the same everywhere.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rbuild::base::digest::ContentDigest;
use rbuild::image::layer::{
    ApplyOptions, Compression, Decoder, GzipWriter, LayerError, NothingKnown, apply, encode, encode_stacked,
};
use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use tempfile::TempDir;

use crate::support::skip;
use crate::{encoded, is_root, rich_layer, set_times};

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
    // The content says to which folder a file belongs.
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
