//! An archive is read to its end or to an error, and no entry exceeds the limits.

use rbuild::image::layer::{ArchiveLimits, ArchiveReader};

pub const PIECES: super::Pieces = &[
    b"ustar\0",
    b"30 mtime=1.5\n",
    b"\x80\0\0\0",
    b"\xff\xff\xff\xff",
    b"0000777\0",
    b"path=",
    b"linkpath=",
    b"GNU.sparse.map=1,2",
];

pub fn run(archive: &[u8]) -> String {
    let mut reader = ArchiveReader::new(archive, ArchiveLimits::default());
    let mut buffer = [0; 4096];
    let mut said = String::new();
    loop {
        match reader.next_entry() {
            Ok(Some(entry)) => said.push_str(&format!("{:?};", std::mem::discriminant(&entry.kind))),
            Ok(None) => return said,
            Err(error) => return format!("{said}{}", super::chain(&error)),
        }
        // Sparse files can claim terabytes of holes; a few pieces of each are enough.
        for _ in 0..64 {
            match reader.read_data(&mut buffer) {
                Ok(Some((_, length))) => assert!(length <= buffer.len()),
                Ok(None) | Err(_) => break,
            }
        }
    }
}

/// Archives with each kind of entry, with long names, with extended headers and with a sparse file.
pub fn seeds() -> Vec<Vec<u8>> {
    use ::tar::EntryType;
    let header = |kind: EntryType, name: &str, link: &str, size: usize| {
        let mut header = ::tar::Header::new_ustar();
        let bytes = header.as_mut_bytes();
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_size(size as u64);
        header.set_device_major(1).expect("it fits");
        header.set_device_minor(3).expect("it fits");
        header.set_cksum();
        header
    };
    let archive = |entries: &[(EntryType, &str, &str, &[u8])]| {
        let mut builder = ::tar::Builder::new(Vec::new());
        for (kind, name, link, content) in entries {
            builder.append(&header(*kind, name, link, content.len()), *content).expect("memory takes it");
        }
        builder.into_inner().expect("memory takes it")
    };
    let (file, folder, link, hard) = (EntryType::Regular, EntryType::Directory, EntryType::Symlink, EntryType::Link);
    vec![
        archive(&[
            (folder, "a/", "", b""),
            (file, "a/b", "", b"content"),
            (link, "a/c", "../a", b""),
            (hard, "d", "a/b", b""),
        ]),
        archive(&[
            (link, "l", "../victim", b""),
            (file, "l/x", "", b"x"),
            (file, "../victim", "", b"x"),
            (hard, "h", "../victim", b""),
        ]),
        archive(&[(link, "a", "b", b""), (link, "b", "a", b""), (folder, "a/", "", b""), (file, "a/f", "", b"y")]),
        archive(&[
            (EntryType::Char, "null", "", b""),
            (EntryType::Block, "disk", "", b""),
            (EntryType::Fifo, "pipe", "", b""),
        ]),
        archive(&[
            (folder, "d/", "", b""),
            (file, "d/.wh.x", "", b""),
            (file, "d/.wh..wh..opq", "", b""),
            (file, ".wh.d", "", b""),
        ]),
        archive(&[
            (EntryType::XHeader, "p", "", b"17 path=deep/name\n26 SCHILY.xattr.user.a=b\n\0\n"),
            (file, "x", "", b"z"),
        ]),
        archive(&[
            (EntryType::GNULongName, "L", "", b"a/very/long/name\0"),
            (EntryType::GNULongLink, "L", "", b"target\0"),
            (link, "x", "y", b""),
        ]),
        archive(&[
            (EntryType::XGlobalHeader, "g", "", b"11 mtime=1\n"),
            (
                EntryType::XHeader,
                "p",
                "",
                b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n25 GNU.sparse.name=spar\n29 GNU.sparse.realsize=4096\n",
            ),
            (file, "s", "", b"1\n0\n4\nabcd"),
        ]),
    ]
}
