//! Completes a new program's memory as the kernel would have done: loads the program beside its dynamic loader, and
//! sets the auxiliary vector that tells one about the other (getauxval(3)).

use std::io;

use super::elf::{Elf, PAGE, Segment, page_up};
use super::memory::ROOM_BYTES;
use super::trace::Tracee;
use super::user::{Credentials, EFFECTIVE, REAL};

/// A program and its dynamic loader, which the kernel has executed instead.
pub(super) struct Loader {
    /// The host's path of the program.
    pub(super) program: Vec<u8>,
    pub(super) elf: Elf,
    /// The loader's own.
    pub(super) own: Elf,
}

/// The names of the program.
pub(super) struct Names<'a> {
    pub(super) called: &'a [u8],
    pub(super) short: &'a [u8],
}

/// Maps a buffer for strings in the program's memory.
pub(super) fn make_room(tracee: Tracee) -> io::Result<u64> {
    map(tracee, 0, ROOM_BYTES, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_NORESERVE, None)
}

pub(super) fn finish(
    tracee: Tracee,
    room: u64,
    loader: Option<&Loader>,
    (names, credentials): (&Names<'_>, &Credentials),
) -> io::Result<()> {
    let words = Words::of(tracee)?;
    let called = room + 512;
    write_text(tracee, called, names.called)?;
    let mut changes = vec![
        (libc::AT_EXECFN, called),
        (libc::AT_UID, credentials.uid[REAL].into()),
        (libc::AT_EUID, credentials.uid[EFFECTIVE].into()),
        (libc::AT_GID, credentials.gid[REAL].into()),
        (libc::AT_EGID, credentials.gid[EFFECTIVE].into()),
    ];
    if let Some(loader) = loader {
        let moved = put(tracee, room + 512 + 4096, loader)?;
        let own = words.value(libc::AT_PHDR).unwrap_or_default().wrapping_sub(loader.own.table);
        changes.extend([
            (libc::AT_PHDR, moved.wrapping_add(loader.elf.table)),
            (libc::AT_PHNUM, loader.elf.segments),
            (libc::AT_ENTRY, moved.wrapping_add(loader.elf.entry)),
            (libc::AT_BASE, own),
        ]);
    }
    words.write(tracee, &changes)?;
    // The kernel truncates longer ones.
    write_text(tracee, room, &names.short[..names.short.len().min(255)])?;
    tracee.make_call(libc::SYS_prctl, [libc::PR_SET_NAME as u64, room, 0, 0, 0, 0])?;
    Ok(())
}

fn write_text(tracee: Tracee, at: u64, text: &[u8]) -> io::Result<()> {
    Ok(tracee.write(at, &[text, b"\0"].concat())?)
}

/// Maps the program; returns its load offset.
fn put(tracee: Tracee, place: u64, Loader { program, elf, .. }: &Loader) -> io::Result<u64> {
    let (start, end) = elf.span().ok_or(io::ErrorKind::InvalidData)?;
    write_text(tracee, place, program)?;
    let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as u64;
    let file = tracee.make_call(libc::SYS_openat, [libc::AT_FDCWD as u64, place, flags, 0, 0, 0])?;
    let moved = match elf.is_movable {
        false => 0,
        true => {
            let alignment = elf.loaded.iter().map(|segment| segment.alignment).filter(|one| one.is_power_of_two());
            let alignment = alignment.max().unwrap_or(PAGE).max(PAGE);
            let more = if alignment > PAGE { alignment } else { 0 };
            let base = map(tracee, 0, end - start + more, libc::PROT_NONE, libc::MAP_NORESERVE, None)?;
            base.next_multiple_of(alignment) - start
        }
    };
    for segment in &elf.loaded {
        put_segment(tracee, file, moved, segment)?;
    }
    tracee.make_call(libc::SYS_close, [file, 0, 0, 0, 0, 0])?;
    Ok(moved)
}

fn put_segment(tracee: Tracee, file: u64, moved: u64, segment: &Segment) -> io::Result<()> {
    let has = |flag: u32, protection: i32| if segment.flags & flag == 0 { 0 } else { protection };
    let protection = has(4, libc::PROT_READ) | has(2, libc::PROT_WRITE) | has(1, libc::PROT_EXEC);
    let address = moved + segment.address;
    let within = address % PAGE;
    let mut mapped = address - within;
    if segment.in_file > 0 {
        let length = segment.in_file + within;
        map(tracee, mapped, length, protection, libc::MAP_FIXED, Some((file, segment.offset - within)))?;
        mapped += page_up(length);
        let end = address + segment.in_file;
        if segment.in_memory > segment.in_file && protection & libc::PROT_WRITE != 0 {
            tracee.write(end, &vec![0; (mapped - end) as usize])?;
        }
    }
    let end = page_up(address + segment.in_memory);
    if end > mapped {
        map(tracee, mapped, end - mapped, protection, libc::MAP_FIXED, None)?;
    }
    Ok(())
}

fn map(
    tracee: Tracee,
    address: u64,
    length: u64,
    protection: i32,
    flags: i32,
    file: Option<(u64, u64)>,
) -> io::Result<u64> {
    let kind = libc::MAP_PRIVATE | flags | if file.is_none() { libc::MAP_ANONYMOUS } else { 0 };
    let (file, offset) = file.unwrap_or((u64::MAX, 0));
    tracee.make_call(libc::SYS_mmap, [address, length, protection as u64, kind as u64, file, offset])
}

/// The auxiliary vector: pairs of a type and a value, after the environment on the new program's stack.
struct Words {
    at: u64,
    pairs: Vec<(u64, u64)>,
}

impl Words {
    fn of(tracee: Tracee) -> io::Result<Self> {
        const MOST: u64 = 64;
        let stack = tracee.registers()?.rsp;
        let [count] = tracee.numbers::<1>(stack)?;
        let environment = stack + 8 * (count + 2);
        let at = environment + 8 * (tracee.numbers_to_zero(environment)?.len() as u64 + 1);
        let mut pairs = Vec::new();
        for number in 0..MOST {
            let [kind, value] = tracee.numbers::<2>(at + 16 * number)?;
            if kind == libc::AT_NULL {
                break;
            }
            pairs.push((kind, value));
        }
        Ok(Self { at, pairs })
    }

    fn value(&self, kind: u64) -> Option<u64> {
        self.pairs.iter().find(|(known, _)| *known == kind).map(|(_, value)| *value)
    }

    fn write(&self, tracee: Tracee, changes: &[(u64, u64)]) -> io::Result<()> {
        for (number, (kind, _)) in self.pairs.iter().enumerate() {
            if let Some((_, value)) = changes.iter().find(|(changed, _)| changed == kind) {
                tracee.write(self.at + 16 * number as u64 + 8, &value.to_ne_bytes())?;
            }
        }
        Ok(())
    }
}
