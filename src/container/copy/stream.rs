//! The tar stream between the two sides. Of extended attributes, a file's capabilities go over, as with docker.

use std::io::{self, Read, Write};
use std::path::Path;

use super::{CopyError, Place};

const CAPABILITY: &str = "security.capability";
/// No file's capabilities are longer (linux/capability.h, `XATTR_CAPS_SZ`, with room for what may come).
const MOST_BYTES: usize = 256;

/// Writes the source as a tar stream, under that name.
pub fn pack(source: &Place, name: &Path, out: impl Write) -> Result<(), CopyError> {
    let mut archive = tar::Builder::new(out);
    archive.follow_symlinks(false);
    for entry in walkdir::WalkDir::new(&source.path).sort_by_file_name() {
        let failed = |path: &Path, error: &io::Error| CopyError::new("copy", path, error);
        let entry = entry.map_err(|error| failed(&source.path, &error.into()))?;
        let below = entry.path().strip_prefix(&source.path).unwrap_or(Path::new(""));
        let name = if below.as_os_str().is_empty() { name.to_owned() } else { name.join(below) };
        let packed = match entry.file_type().is_dir() {
            true => archive.append_dir(&name, entry.path()),
            // Nobody listens at a copy of a socket.
            false if is_socket(&entry) => Ok(()),
            false => append_capabilities(&mut archive, entry.path())
                .and_then(|()| archive.append_path_with_name(entry.path(), &name)),
        };
        packed.map_err(|error| failed(entry.path(), &error))?;
    }
    let finished = archive.into_inner().and_then(|mut out| out.flush());
    finished.map_err(|error| CopyError::new("copy", &source.path, &error))
}

fn is_socket(entry: &walkdir::DirEntry) -> bool {
    std::os::unix::fs::FileTypeExt::is_socket(&entry.file_type())
}

/// What the next entry has beyond its header (pax(1), with the names that star(1) gave to attributes).
fn append_capabilities(archive: &mut tar::Builder<impl Write>, path: &Path) -> io::Result<()> {
    let mut value = [0; MOST_BYTES];
    // Most have none, and some filesystems know none.
    let Ok(length) = rustix::fs::lgetxattr(path, CAPABILITY, &mut value) else { return Ok(()) };
    let record = [format!("SCHILY.xattr.{CAPABILITY}=").as_bytes(), &value[..length], b"\n"].concat();
    // The length counts itself, and the blank behind it.
    let mut total = record.len() + 1;
    while total != record.len() + 1 + total.to_string().len() {
        total = record.len() + 1 + total.to_string().len();
    }
    let data = [format!("{total} ").as_bytes(), &record].concat();
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_size(data.len() as u64);
    header.set_path("PaxHeaders/file")?;
    header.set_cksum();
    archive.append(&header, data.as_slice())
}

/// Unpacks a tar stream into a folder, and nowhere else.
pub fn unpack(stream: impl Read, folder: &Path, keep_owner: bool) -> Result<(), CopyError> {
    let mut archive = tar::Archive::new(stream);
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(true);
    archive.set_preserve_ownerships(keep_owner);
    archive.set_unpack_xattrs(true);
    archive.unpack(folder).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        CopyError(format!("{error}{cause}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_unpacked_outside() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("inside");
        std::fs::create_dir(&inside).unwrap();
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive.append_link(&mut header, "way", folder.path()).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o644);
        archive.append_data(&mut header, "way/out", &b"x"[..]).unwrap();
        assert!(unpack(archive.into_inner().unwrap().as_slice(), &inside, false).is_err());
        assert!(!folder.path().join("out").exists());
    }

    #[test]
    fn capabilities_go_over() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::create_dir_all(from.join("deep")).unwrap();
        std::fs::create_dir(&to).unwrap();
        let file = from.join("deep/ping");
        std::fs::write(&file, "x").unwrap();
        // cap_net_raw+ep, as setcap(8) writes it.
        let value = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let flags = rustix::fs::XattrFlags::empty();
        if rustix::fs::setxattr(&file, CAPABILITY, &value, flags).is_err() {
            return;
        }
        rustix::fs::setxattr(&file, "user.mine", b"1", flags).unwrap();
        let mut stream = Vec::new();
        let source = Place::find(&from, false).unwrap();
        pack(&source, Path::new("copy"), &mut stream).unwrap();
        unpack(stream.as_slice(), &to, false).unwrap();
        let mut found = [0; MOST_BYTES];
        let copy = to.join("copy/deep/ping");
        let length = rustix::fs::getxattr(&copy, CAPABILITY, &mut found).unwrap();
        assert_eq!(found[..length], value);
        assert!(rustix::fs::getxattr(&copy, "user.mine", &mut found).is_err());
    }
}
