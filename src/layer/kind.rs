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
    /// The kind that `mode` and the device numbers of a `stat` say.
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
