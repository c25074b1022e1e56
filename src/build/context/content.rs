//! The bytes of a file: hashed, copied, or both in one pass.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::base::digest::ContentDigest;
use crate::image::layer::hash_zeros;

const BUFFER_LEN: usize = 256 << 10;
const SMALL: u64 = 16 << 10;

pub(super) enum Copied {
    /// Copied completely, by the kernel: without a digest.
    Whole,
    /// Copied with this digest.
    Hashed(ContentDigest),
    /// The file has become shorter.
    Short,
}

/// Reads the file to its end. `size` is its expected size.
pub(super) fn hash(file: &File, size: u64) -> io::Result<ContentDigest> {
    let mut hasher = blake3::Hasher::new();
    each_piece(file, size, |_, piece| {
        match piece {
            Piece::Data(bytes) => drop(hasher.update(bytes)),
            Piece::Hole(length) => hash_zeros(&mut hasher, length),
        }
        Ok(())
    })?;
    Ok(ContentDigest::from_bytes(*hasher.finalize().as_bytes()))
}

/// Copies the file to its end, and hashes it.
pub(super) fn copy_and_hash(file: &File, out: &File, size: u64) -> io::Result<Copied> {
    let mut hasher = blake3::Hasher::new();
    let mut end = 0;
    each_piece(file, size, |offset, piece| {
        match piece {
            Piece::Data(bytes) => {
                hasher.update(bytes);
                std::os::unix::fs::FileExt::write_all_at(out, bytes, offset)?;
                end = offset + bytes.len() as u64;
            }
            Piece::Hole(length) => {
                hash_zeros(&mut hasher, length);
                end = offset + length;
                out.set_len(end)?;
            }
        }
        Ok(())
    })?;
    Ok(Copied::Hashed(ContentDigest::from_bytes(*hasher.finalize().as_bytes())))
}

/// Copies `size` bytes within the kernel if possible: blocks are shared, or at least not copied through user space.
pub(super) fn copy(file: &File, out: &File, size: u64) -> io::Result<Copied> {
    if rustix::fs::ioctl_ficlone(out, file).is_ok() {
        return Ok(Copied::Whole);
    }
    let sparse = is_sparse(file)?;
    let mut offset = 0;
    while offset < size {
        let (start, end) = if sparse { next_data(file, offset, size)? } else { (offset, size) };
        if !copy_range(file, out, start, end)? {
            return Ok(Copied::Short);
        }
        offset = end;
    }
    if sparse {
        out.set_len(size)?;
    }
    Ok(Copied::Whole)
}

/// False if the file ends before `end`.
fn copy_range(file: &File, out: &File, mut start: u64, end: u64) -> io::Result<bool> {
    while start < end {
        let (mut from, mut to) = (start, start);
        let count = usize::try_from(end - start).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(file, Some(&mut from), out, Some(&mut to), count) {
            Ok(0) => return Ok(false),
            Ok(count) => start += count as u64,
            Err(Errno::INTR) => {}
            // Filesystems that do not support this get a copy through user space.
            Err(Errno::XDEV | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::PERM) => {
                return copy_bytes(file, out, start, end);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

fn copy_bytes(file: &File, out: &File, mut start: u64, end: u64) -> io::Result<bool> {
    let mut buffer = vec![0; BUFFER_LEN];
    while start < end {
        let room = buffer.len().min(usize::try_from(end - start).unwrap_or(usize::MAX));
        let count = rustix::io::pread(file, &mut buffer[..room], start)?;
        if count == 0 {
            return Ok(false);
        }
        std::os::unix::fs::FileExt::write_all_at(out, &buffer[..count], start)?;
        start += count as u64;
    }
    Ok(true)
}

enum Piece<'a> {
    Data(&'a [u8]),
    Hole(u64),
}

/// Reads a file to its end, and skips holes.
fn each_piece(file: &File, size: u64, mut take: impl FnMut(u64, Piece<'_>) -> io::Result<()>) -> io::Result<()> {
    let mut small = [0; SMALL as usize];
    let mut large = Vec::new();
    let buffer = if size < SMALL {
        small.as_mut_slice()
    } else {
        large.resize(BUFFER_LEN, 0);
        large.as_mut_slice()
    };
    let sparse = size >= SMALL && is_sparse(file)?;
    let mut offset = 0;
    let mut data_end = if sparse { 0 } else { u64::MAX };
    loop {
        if offset == data_end && offset < size {
            let (start, end) = next_data(file, offset, size)?;
            if start > offset {
                take(offset, Piece::Hole(start - offset))?;
            }
            (offset, data_end) = (start, if end >= size { u64::MAX } else { end });
        }
        let room = buffer.len().min(usize::try_from(data_end - offset).unwrap_or(usize::MAX));
        match rustix::io::pread(file, &mut buffer[..room], offset) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                take(offset, Piece::Data(&buffer[..count]))?;
                offset += count as u64;
                // A short read at the known size is the end of the file.
                if offset == size && count < room && size < SMALL {
                    return Ok(());
                }
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_sparse(file: impl AsFd) -> io::Result<bool> {
    let stat = rustix::fs::fstat(file)?;
    Ok(stat.st_blocks * 512 < stat.st_size)
}

/// The next range of data at or after `offset`; empty at `size` if only a hole is left.
fn next_data(file: &File, offset: u64, size: u64) -> io::Result<(u64, u64)> {
    let start = match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(start) => start.min(size),
        Err(Errno::NXIO) => return Ok((size, size)),
        Err(error) => return Err(error.into()),
    };
    Ok((start, rustix::fs::seek(file, SeekFrom::Hole(start))?.min(size).max(start)))
}
