//! Unusual files: their names, links, attributes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;

use crate::common::{TestStore, is_root, skip};

/// The files of the image after it was saved and loaded into another store.
fn after_a_journey(store: &TestStore) -> Option<std::path::PathBuf> {
    store.build(&["-t", "travelled"]).ok();
    store.run(&["save", "-o", "image.tar", "travelled"]).ok();
    let other = TestStore::empty();
    other.run(&["load", "-i", &store.work().join("image.tar").to_string_lossy()]).ok();
    other.write("ctx/Dockerfile", "FROM travelled\n");
    let folder = store.work().join("rootfs");
    let output = format!("type=local,dest={}", folder.display());
    other.build(&["-o", &output]).ok();
    Some(folder)
}

#[test]
fn names_that_are_not_utf8_are_kept() {
    let Some(store) = TestStore::with_busybox() else { return };
    let name = OsStr::from_bytes(b"caf\xe9 \n.txt");
    std::fs::create_dir_all(store.work().join("ctx")).unwrap();
    std::fs::write(store.work().join("ctx").join(name), "odd").unwrap();
    store.write("ctx/Dockerfile", "FROM busybox\nCOPY . /c/\nRUN cp -r /c /d && touch \"$(printf '/d/\\377')\"\n");
    let Some(folder) = after_a_journey(&store) else { return };
    assert_eq!(std::fs::read_to_string(folder.join("c").join(name)).unwrap(), "odd");
    assert_eq!(std::fs::read_to_string(folder.join("d").join(name)).unwrap(), "odd");
    assert!(folder.join("d").join(OsStr::from_bytes(b"\xff")).exists());
    assert_eq!(store.build(&[]).ok().executed(), [""; 0]);
}

#[test]
fn copied_block_devices_become_character_devices() {
    if !is_root() {
        return skip("only root may make devices");
    }
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = "\
FROM busybox AS made
RUN mknod -m 640 /block b 7 3 && mknod /char c 1 3
FROM busybox
COPY --from=made /block /char /copied/
RUN stat -c '%n %F %t %T %a' /copied/* > /seen
";
    store.write("ctx/Dockerfile", dockerfile);
    store.build(&["-o", &format!("type=local,dest={}", store.work().join("rootfs").display())]).ok();
    let seen = std::fs::read_to_string(store.work().join("rootfs/seen")).unwrap();
    assert_eq!(seen, "/copied/block character special file 7 3 640\n/copied/char character special file 1 3 644\n");
}

#[test]
fn paths_and_links_of_more_than_255_bytes_are_kept() {
    let Some(store) = TestStore::with_busybox() else { return };
    let deep = vec!["d".repeat(120); 6].join("/");
    let name = "n".repeat(255);
    store.write(&format!("ctx/{deep}/{name}"), "deep");
    std::os::unix::fs::symlink(&deep, store.work().join("ctx/link")).unwrap();
    store.write("ctx/Dockerfile", "FROM busybox\nCOPY . /c/\nRUN cp -a /c /copied\n");
    let Some(folder) = after_a_journey(&store) else { return };
    for top in ["c", "copied"] {
        let path = folder.join(top).join(&deep).join(&name);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "deep");
        assert_eq!(std::fs::read_link(folder.join(top).join("link")).unwrap().to_str(), Some(deep.as_str()));
    }
}

#[test]
fn hard_links_across_folders_stay_one_file() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = "\
FROM busybox
RUN mkdir -p /a /b/c && echo one > /a/file && ln /a/file /b/c/link && ln /a/file /zzz
RUN chmod 640 /b/c/link
";
    store.write("ctx/Dockerfile", dockerfile);
    let Some(folder) = after_a_journey(&store) else { return };
    let of = |path: &str| std::fs::metadata(folder.join(path)).unwrap();
    assert_eq!(of("b/c/link").mode() & 0o777, 0o640);
    // As in any overlay: changing one name in a later layer separates it from the others.
    assert_eq!(of("a/file").ino(), of("zzz").ino());
    assert_eq!(of("a/file").mode() & 0o777, 0o644);
}

/// A file's attributes in the root filesystem, as in the tar output.
fn attributes(store: &TestStore, path: &str) -> Vec<(String, Vec<u8>)> {
    let answer = store.build(&["-o", "type=tar,dest=-"]).ok();
    let mut archive = tar::Archive::new(answer.stdout_bytes());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().to_str() == Some(path) {
            let Some(extensions) = entry.pax_extensions().unwrap() else { return Vec::new() };
            let pair = |extension: tar::PaxExtension| {
                let name = extension.key().unwrap().strip_prefix("SCHILY.xattr.")?.to_owned();
                Some((name, extension.value_bytes().to_vec()))
            };
            return extensions.map(Result::unwrap).filter_map(pair).collect();
        }
    }
    panic!("there is no {path}");
}

/// cap_net_raw+ep, in version 2 of the kernel's format.
const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

#[test]
fn file_capabilities_pass_through_archives_and_steps() {
    if !is_root() {
        return skip("needs root to set file capabilities");
    }
    let Some(store) = TestStore::with_busybox() else { return };
    let mut builder = tar::Builder::new(Vec::new());
    let records = [("SCHILY.xattr.security.capability", CAPABILITY), ("SCHILY.xattr.user.note", b"dropped")];
    builder.append_pax_extensions(records).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o755);
    builder.append_data(&mut header, "able", &b"able"[..]).unwrap();
    store.write("ctx/files.tar", builder.into_inner().unwrap());
    let expected = [("security.capability".to_owned(), CAPABILITY.to_vec())];
    store.write("ctx/Dockerfile", "FROM busybox\nADD files.tar /files/\n");
    assert_eq!(attributes(&store, "files/able"), expected);
    store.write("ctx/Dockerfile", "FROM busybox\nADD files.tar /files/\nRUN mv /files/able /able\n");
    assert_eq!(attributes(&store, "able"), expected);
    store.write("ctx/Dockerfile", "FROM busybox AS one\nADD files.tar /\nFROM busybox\nCOPY --from=one /able /a/\n");
    assert_eq!(attributes(&store, "a/able"), expected);
}

#[test]
fn special_files_and_modes_are_kept() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = "\
FROM busybox
RUN mkfifo /pipe && mkdir /sticky && chmod 1777 /sticky && echo x > /setuid && chmod 4755 /setuid && chown 12:34 /pipe
RUN ls -n /pipe /setuid && ls -nd /sticky
";
    let answer = store.build_text(dockerfile, &[]).ok().stderr();
    for expected in ["prw-r--r--    1 12       34 ", "-rwsr-xr-x    1 0        0 ", "drwxrwxrwt    2 0        0 "] {
        assert!(answer.contains(expected), "{expected:?} is not in {answer}");
    }
}

#[test]
fn what_is_removed_is_gone_and_a_folder_made_anew_is_empty() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = "\
FROM busybox
RUN mkdir /d && touch /d/old /gone
RUN rm /gone && rm -r /d && mkdir /d && touch /d/new
RUN ln -s /d /d2 && rm -r /home /var && ln -s /d /var
";
    store.write("ctx/Dockerfile", dockerfile);
    let Some(folder) = after_a_journey(&store) else { return };
    assert!(!folder.join("gone").exists() && !folder.join("d/old").exists() && folder.join("d/new").exists());
    assert!(!folder.join("home").exists());
    assert!(folder.join("var").is_symlink());
}
