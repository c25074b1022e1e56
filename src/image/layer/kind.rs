/// The type of a file, as `st_mode` and a tar header's type flag tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    Regular,
    Directory,
    Symlink,
    Fifo,
    Socket,
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
}

impl FileKind {
    /// How digests represent a kind: a letter, and a device's numbers. It never changes.
    pub fn encoded(self) -> Vec<u8> {
        let (letter, numbers) = match self {
            Self::Regular => (b'f', None),
            Self::Directory => (b'd', None),
            Self::Symlink => (b'l', None),
            Self::Fifo => (b'p', None),
            Self::Socket => (b's', None),
            Self::CharDevice { major, minor } => (b'c', Some((major, minor))),
            Self::BlockDevice { major, minor } => (b'b', Some((major, minor))),
        };
        let mut bytes = vec![letter];
        if let Some((major, minor)) = numbers {
            bytes.extend_from_slice(&major.to_le_bytes());
            bytes.extend_from_slice(&minor.to_le_bytes());
        }
        bytes
    }

    /// The kind according to `mode` and the device numbers of a `stat`.
    pub fn from_stat(mode: u32, major: u32, minor: u32) -> Self {
        match mode & 0o170000 {
            0o040000 => Self::Directory,
            0o120000 => Self::Symlink,
            0o010000 => Self::Fifo,
            0o140000 => Self::Socket,
            0o020000 => Self::CharDevice { major, minor },
            0o060000 => Self::BlockDevice { major, minor },
            _ => Self::Regular,
        }
    }

    pub fn is_directory(self) -> bool {
        self == Self::Directory
    }

    /// How overlayfs marks a name as deleted (kernel documentation, filesystems/overlayfs.rst, "whiteouts and opaque
    /// directories").
    pub fn is_whiteout(self) -> bool {
        self == Self::CharDevice { major: 0, minor: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Part of digests: a change here requires new tags.
    #[test]
    fn a_kind_is_encoded_as_it_always_was() {
        assert_eq!(FileKind::Regular.encoded(), b"f");
        assert_eq!(FileKind::Directory.encoded(), b"d");
        assert_eq!(FileKind::Symlink.encoded(), b"l");
        assert_eq!(FileKind::Fifo.encoded(), b"p");
        assert_eq!(FileKind::Socket.encoded(), b"s");
        assert_eq!(FileKind::CharDevice { major: 1, minor: 3 }.encoded(), b"c\x01\0\0\0\x03\0\0\0");
        assert_eq!(FileKind::BlockDevice { major: 8, minor: 256 }.encoded(), b"b\x08\0\0\0\0\x01\0\0");
    }
}
