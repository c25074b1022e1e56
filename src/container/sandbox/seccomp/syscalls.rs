//! System call numbers by name and architecture.

use std::collections::HashMap;
use std::sync::OnceLock;

/// A column of `syscalls.txt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Architecture {
    X86_64 = 0,
    X32 = 1,
    I386 = 2,
    Aarch64 = 3,
    Arm = 4,
}

/// The number of columns.
const ARCHITECTURES: usize = 5;

/// This bit is set in the numbers of the x32 ABI (asm/unistd.h).
const X32_BIT: u32 = 0x4000_0000;

impl Architecture {
    /// The machine's own.
    pub(super) const HERE: Self = if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 };

    /// The architectures of programs that run on this one: itself, and its 32-bit forms.
    pub(super) fn family(self) -> &'static [Self] {
        match self {
            Self::Aarch64 | Self::Arm => &[Self::Aarch64, Self::Arm],
            Self::X86_64 | Self::X32 | Self::I386 => &[Self::X86_64, Self::X32, Self::I386],
        }
    }

    /// The names in profiles of docker and libseccomp.
    pub(super) fn names(self) -> [&'static str; 2] {
        match self {
            Self::X86_64 => ["amd64", "SCMP_ARCH_X86_64"],
            Self::X32 => ["x32", "SCMP_ARCH_X32"],
            Self::I386 => ["x86", "SCMP_ARCH_X86"],
            Self::Aarch64 => ["arm64", "SCMP_ARCH_AARCH64"],
            Self::Arm => ["arm", "SCMP_ARCH_ARM"],
        }
    }

    /// `AUDIT_ARCH_...` (linux/audit.h). x32 shares x86-64's.
    pub(super) fn audit_value(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::I386 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// Its first system call number.
    pub(super) fn first_number(self) -> u32 {
        if self == Self::X32 { X32_BIT } else { 0 }
    }

    /// The number of a system call; `None` if this architecture has no call of that name.
    pub(super) fn number(self, name: &str) -> Option<u32> {
        let number = table().get(name)?[self as usize]?;
        Some(self.first_number() | number)
    }
}

/// All known names.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    table().keys().copied()
}

fn table() -> &'static HashMap<&'static str, [Option<u32>; ARCHITECTURES]> {
    static TABLE: OnceLock<HashMap<&'static str, [Option<u32>; ARCHITECTURES]>> = OnceLock::new();
    TABLE.get_or_init(parse)
}

fn parse() -> HashMap<&'static str, [Option<u32>; ARCHITECTURES]> {
    let lines = include_str!("syscalls.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split(' ');
            let name = words.next()?;
            let mut next = || words.next().and_then(|word| word.parse().ok());
            Some((name, [next(), next(), next(), next(), next()]))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        assert_eq!(Architecture::X86_64.number("read"), Some(0));
        assert_eq!(
            Architecture::X86_64.number("execve"),
            Some(libc::SYS_execve as u32).filter(|_| cfg!(target_arch = "x86_64"))
        );
        assert_eq!(Architecture::X32.number("execve"), Some(X32_BIT | 520));
        assert_eq!(Architecture::I386.number("socketcall"), Some(102));
        assert_eq!(Architecture::Aarch64.number("openat"), Some(56));
        assert_eq!(Architecture::Aarch64.number("open"), None);
        assert_eq!(Architecture::Arm.number("open"), Some(5));
        assert_eq!(Architecture::Arm.number("set_tls"), Some(0xf0005));
    }
}
