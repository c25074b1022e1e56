//! What has to be known about an ELF file (elf(5)) to load it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use rustix::io::{Errno, Result};

pub(super) const PAGE: u64 = 4096;

const HEADER_BYTES: usize = 64;
const SEGMENT_BYTES: usize = 56;
/// Roughly the kernel's own limit (`ELF_MIN_ALIGN` and more).
const MOST_SEGMENTS: usize = 1024;
const SHARED: u16 = 3;
const EXECUTABLE: u16 = 2;
const X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_PHDR: u32 = 6;

#[derive(Debug)]
pub(super) struct Elf {
    /// Position-independent: it can be loaded anywhere.
    pub(super) is_movable: bool,
    pub(super) entry: u64,
    /// The address of its program headers, before relocation.
    pub(super) table: u64,
    pub(super) segments: u64,
    pub(super) loaded: Vec<Segment>,
    /// The path of its dynamic loader.
    pub(super) interpreter: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    /// `PF_R`, `PF_W`, `PF_X`.
    pub(super) flags: u32,
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) in_file: u64,
    pub(super) in_memory: u64,
    pub(super) alignment: u64,
}

impl Elf {
    /// Whether it looks like one, of whatever machine.
    pub(super) fn is_one(file: &File) -> bool {
        let mut magic = [0; 4];
        file.read_exact_at(&mut magic, 0).is_ok() && magic == *b"\x7fELF"
    }

    /// Parses an executable for this machine; anything else is an error.
    pub(super) fn read(file: &File) -> Result<Self> {
        let mut header = [0; HEADER_BYTES];
        read(file, &mut header, 0)?;
        let kind = u16_at(&header, 16);
        // 64 bits, little endian.
        let is_native = header.starts_with(b"\x7fELF\x02\x01") && u16_at(&header, 18) == X86_64;
        let (count, size) = (u16_at(&header, 56) as usize, u16_at(&header, 54) as usize);
        if !is_native || !matches!(kind, SHARED | EXECUTABLE) || size != SEGMENT_BYTES || count > MOST_SEGMENTS {
            return Err(Errno::NOEXEC);
        }
        let table_at = u64_at(&header, 32);
        let mut table = vec![0; count * SEGMENT_BYTES];
        read(file, &mut table, table_at)?;
        let (mut loaded, mut interpreter, mut own_table) = (Vec::new(), None, None);
        for bytes in table.chunks_exact(SEGMENT_BYTES) {
            let segment = Segment {
                flags: u32_at(bytes, 4),
                offset: u64_at(bytes, 8),
                address: u64_at(bytes, 16),
                in_file: u64_at(bytes, 32),
                in_memory: u64_at(bytes, 40),
                alignment: u64_at(bytes, 48),
            };
            match u32_at(bytes, 0) {
                PT_LOAD if segment.is_sound() => loaded.push(segment),
                PT_LOAD => return Err(Errno::NOEXEC),
                PT_INTERP => interpreter = Some(path(file, segment)?),
                PT_PHDR => own_table = Some(segment.address),
                _ => {}
            }
        }
        let holds = |segment: &&Segment| (segment.offset..segment.offset + segment.in_file).contains(&table_at);
        let found = loaded.iter().find(holds).map(|segment| segment.address + (table_at - segment.offset));
        Ok(Self {
            is_movable: kind == SHARED,
            entry: u64_at(&header, 24),
            table: own_table.or(found).unwrap_or_default(),
            segments: count as u64,
            loaded,
            interpreter,
        })
    }

    /// The first address, and the one after the last.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        let start = self.loaded.iter().map(|segment| segment.address & !(PAGE - 1)).min()?;
        let end = self.loaded.iter().map(|segment| page_up(segment.address + segment.in_memory)).max()?;
        Some((start, end))
    }
}

impl Segment {
    fn is_sound(&self) -> bool {
        /// The end of user space.
        const LAST_ADDRESS: u64 = 1 << 47;
        let ends = [self.address.checked_add(self.in_memory), self.offset.checked_add(self.in_file)];
        let is_bounded = ends.iter().all(|end| end.is_some_and(|end| end < LAST_ADDRESS));
        is_bounded && self.in_file <= self.in_memory && self.address % PAGE == self.offset % PAGE
    }
}

pub(super) fn page_up(address: u64) -> u64 {
    (address + PAGE - 1) & !(PAGE - 1)
}

fn path(file: &File, segment: Segment) -> Result<Vec<u8>> {
    if !(2..=4096).contains(&segment.in_file) {
        return Err(Errno::NOEXEC);
    }
    let mut text = vec![0; segment.in_file as usize];
    read(file, &mut text, segment.offset)?;
    match text.pop() {
        Some(0) => Ok(text.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()),
        _ => Err(Errno::NOEXEC),
    }
}

fn read(file: &File, buffer: &mut [u8], offset: u64) -> Result<()> {
    file.read_exact_at(buffer, offset).map_err(|_| Errno::NOEXEC)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap_or_default())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap_or_default())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn this_program_is_one() {
        let elf = Elf::read(&File::open("/proc/self/exe").unwrap()).unwrap();
        let (start, end) = elf.span().unwrap();
        assert!((start..end).contains(&elf.entry) && (start..end).contains(&elf.table));
    }

    #[test]
    fn what_is_cut_or_of_another_machine_is_none() {
        let whole = std::fs::read("/proc/self/exe").unwrap();
        let none = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            Elf::read(&file).unwrap_err() == Errno::NOEXEC
        };
        assert!(none(b"") && none(&whole[..63]) && none(&whole[..100]));
        let mut other = whole[..4096].to_vec();
        other[18] = 3;
        assert!(none(&other));
    }
}
