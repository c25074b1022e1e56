use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::block::{BLOCK, Block};
use super::extended::Extended;
use super::sparse::{self, Segment};
use super::{ArchiveLimits, Entry, EntryKind};
use crate::image::layer::{FileKind, LayerError};

const READ_AHEAD: usize = 64 << 10;

/// Reads a tar stream entry by entry.
pub struct ArchiveReader<R> {
    reader: BufReader<R>,
    limits: ArchiveLimits,
    /// The name of the current entry, for errors.
    name: Vec<u8>,
    entries: u64,
    content_bytes: u64,
    /// Bytes of the entry's content that are still to be read, and the padding after them.
    stored_left: u64,
    padding: u64,
    /// Data still to be read, the next stretch last, and the total length.
    segments: Vec<Segment>,
    size: u64,
    ended: bool,
}

impl<R: Read> ArchiveReader<R> {
    pub fn new(reader: R, limits: ArchiveLimits) -> Self {
        Self {
            reader: BufReader::with_capacity(READ_AHEAD, reader),
            limits,
            name: b"(the first)".to_vec(),
            entries: 0,
            content_bytes: 0,
            stored_left: 0,
            padding: 0,
            segments: Vec::new(),
            size: 0,
            ended: false,
        }
    }

    /// The next entry; skips what is left of the previous one's content.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, LayerError> {
        self.skip(self.stored_left)?;
        self.skip(self.padding)?;
        (self.stored_left, self.padding) = (0, 0);
        self.segments.clear();
        let mut extended = Extended::default();
        let mut header_bytes = 0;
        while !self.ended {
            let mut bytes = [0; BLOCK];
            if !self.read_block(&mut bytes)? {
                return Ok(None);
            }
            let block = Block::new(&bytes).ok_or_else(|| self.malformed(self.bad_header()))?;
            let size = block.size().ok_or_else(|| self.malformed("its size is not a number"))?;
            match block.flag() {
                b'x' => {
                    let records = self.header_data(size, &mut header_bytes)?;
                    extended.read_records(&records).map_err(|reason| self.malformed(reason))?;
                }
                b'L' => extended.path = Some(self.long_name(size, &mut header_bytes)?),
                b'K' => extended.link = Some(self.long_name(size, &mut header_bytes)?),
                // Defaults for all entries, and a volume's label: nothing that a layer needs.
                b'g' | b'V' => {
                    let padded = size.checked_next_multiple_of(BLOCK as u64).ok_or_else(|| self.truncated())?;
                    self.skip(padded)?;
                }
                _ => return self.entry(&block, size, extended).map(Some),
            }
        }
        Ok(None)
    }

    /// The content of the entry just returned, with zeros in its holes.
    pub fn content(&mut self) -> Content<'_, R> {
        Content { archive: self, position: 0 }
    }

    /// Reads the next data of the entry's content into `buffer`; returns its offset and length, `None` at the end. Gaps
    /// are holes.
    pub fn read_data(&mut self, buffer: &mut [u8]) -> Result<Option<(u64, usize)>, LayerError> {
        while self.segments.last().is_some_and(|segment| segment.length == 0) {
            self.segments.pop();
        }
        let Some(segment) = self.segments.last().copied() else { return Ok(None) };
        let room = buffer.len().min(usize::try_from(segment.length).unwrap_or(usize::MAX));
        let count = self.read_some(&mut buffer[..room])?;
        if let Some(segment) = self.segments.last_mut() {
            segment.offset += count as u64;
            segment.length -= count as u64;
        }
        self.stored_left -= count as u64;
        Ok(Some((segment.offset, count)))
    }

    /// Reads whatever follows the end-of-archive mark.
    pub fn drain(&mut self) -> Result<(), LayerError> {
        loop {
            let available = match self.reader.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(bytes) => bytes.len(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.unreadable(error)),
            };
            self.reader.consume(available);
        }
    }

    pub fn into_inner(self) -> R {
        self.reader.into_inner()
    }

    /// How many bytes of content the entries so far have, including holes.
    pub fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// False at the end, with or without the mark of zero blocks.
    fn read_block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, LayerError> {
        let mut filled = 0;
        while filled < BLOCK {
            match self.read_up_to(&mut block[filled..])? {
                0 if filled == 0 => {
                    self.ended = true;
                    return Ok(false);
                }
                0 => return Err(self.truncated()),
                count => filled += count,
            }
        }
        self.ended = block.iter().all(|&byte| byte == 0);
        Ok(!self.ended)
    }

    fn entry(&mut self, block: &Block<'_>, size: u64, mut extended: Extended) -> Result<Entry, LayerError> {
        let header_path = block.path();
        let path = extended.sparse.name.take().or(extended.path.take()).unwrap_or(header_path);
        self.name.clone_from(&path);
        self.count_entry()?;
        let link = extended.link.take().unwrap_or_else(|| block.link().to_vec());
        if path.len().max(link.len()) as u64 > self.limits.name_bytes {
            return Err(self.over("bytes in a name", self.limits.name_bytes));
        }
        let kind = self.kind(block, &path, link)?;
        let size = self.begin_content(block, &kind, extended.size.unwrap_or(size), &mut extended)?;
        let bad_owner = || self.malformed("its owner is not a number of 32 bits");
        let owner = |extended: Option<i64>, header: Option<i64>| {
            extended.or(header).and_then(|id| u32::try_from(id).ok()).ok_or_else(bad_owner)
        };
        let mode = block.mode().ok_or_else(|| self.malformed("its mode is not a number"))?;
        let mut xattrs = std::mem::take(&mut extended.xattrs);
        xattrs.sort();
        Ok(Entry {
            kind,
            mode: (mode & 0o7777) as u32,
            uid: owner(extended.uid, block.uid())?,
            gid: owner(extended.gid, block.gid())?,
            mtime: extended.mtime.or(block.mtime()).ok_or_else(|| self.malformed("its time is not a number"))?,
            size,
            xattrs,
            path: to_path(path),
        })
    }

    fn kind(&self, block: &Block<'_>, path: &[u8], link: Vec<u8>) -> Result<EntryKind, LayerError> {
        let device = || block.device().ok_or_else(|| self.malformed("its device number is not a number"));
        let kind = match block.flag() {
            // Old archives have no type for directories.
            0 | b'0' | b'7' if path.ends_with(b"/") => FileKind::Directory,
            0 | b'0' | b'7' | b'S' => FileKind::Regular,
            b'1' => return Ok(EntryKind::HardLink(to_path(link))),
            b'2' => return Ok(EntryKind::Symlink(to_path(link))),
            b'3' => device().map(|(major, minor)| FileKind::CharDevice { major, minor })?,
            b'4' => device().map(|(major, minor)| FileKind::BlockDevice { major, minor })?,
            b'5' | b'D' => FileKind::Directory,
            b'6' => FileKind::Fifo,
            _ => return Err(self.malformed("its type is unknown")),
        };
        Ok(EntryKind::File(kind))
    }

    /// Prepares for reading the content; returns its length.
    fn begin_content(
        &mut self,
        block: &Block<'_>,
        kind: &EntryKind,
        stored: u64,
        extended: &mut Extended,
    ) -> Result<u64, LayerError> {
        let regular = *kind == EntryKind::File(FileKind::Regular);
        // Links and the like have no content, whatever their size field says (as in Go's reader), except the list of
        // names that GNU's incremental archives give a directory.
        if regular || block.flag() == b'D' {
            self.stored_left = stored;
            self.padding = stored.checked_next_multiple_of(BLOCK as u64).ok_or_else(|| self.truncated())? - stored;
        }
        if !regular {
            return Ok(0);
        }
        let (map, size) = self.sparse_map(block, stored, extended)?;
        self.content_bytes = self.content_bytes.saturating_add(size);
        if self.content_bytes > self.limits.content_bytes {
            return Err(self.over("bytes of content", self.limits.content_bytes));
        }
        sparse::check(&map, size, self.stored_left).map_err(|reason| self.malformed(reason))?;
        self.segments = map;
        self.segments.reverse();
        self.size = size;
        Ok(size)
    }

    fn sparse_map(
        &mut self,
        block: &Block<'_>,
        stored: u64,
        extended: &mut Extended,
    ) -> Result<(Vec<Segment>, u64), LayerError> {
        if block.flag() == b'S' {
            let size = block.sparse_size().ok_or_else(|| self.malformed("its size is not a number"))?;
            return Ok((self.old_sparse_map(block)?, size));
        }
        let Some(size) = extended.sparse.real_size else {
            return Ok((vec![Segment { offset: 0, length: stored }], stored));
        };
        if extended.sparse.map_in_data {
            return Ok((self.sparse_map_in_data()?, size));
        }
        Ok((std::mem::take(&mut extended.sparse.map), size))
    }

    fn old_sparse_map(&mut self, block: &Block<'_>) -> Result<Vec<Segment>, LayerError> {
        const MALFORMED: &str = "its sparse map is malformed";
        let mut map = Vec::new();
        let (field, mut more) = block.sparse_map();
        sparse::read_old_map(field, &mut map).ok_or_else(|| self.malformed(MALFORMED))?;
        let mut header_bytes = 0;
        while more {
            let bytes = self.header_data(BLOCK as u64, &mut header_bytes)?;
            sparse::read_old_map(&bytes[..504], &mut map).ok_or_else(|| self.malformed(MALFORMED))?;
            more = bytes[504] != 0;
        }
        Ok(map)
    }

    fn sparse_map_in_data(&mut self) -> Result<Vec<Segment>, LayerError> {
        let mut text = Vec::new();
        let mut header_bytes = 0;
        loop {
            if self.stored_left < BLOCK as u64 {
                return Err(self.malformed("its sparse map is cut short"));
            }
            text.extend(self.header_data(BLOCK as u64, &mut header_bytes)?);
            self.stored_left -= BLOCK as u64;
            if let Some(map) = sparse::read_map_lines(&text) {
                return map.map_err(|reason| self.malformed(reason));
            }
        }
    }

    fn count_entry(&mut self) -> Result<(), LayerError> {
        self.entries += 1;
        if self.entries >= self.limits.entries {
            return Err(self.over("entries", self.limits.entries));
        }
        Ok(())
    }

    /// The data of an extended header, without its padding.
    fn header_data(&mut self, size: u64, total: &mut u64) -> Result<Vec<u8>, LayerError> {
        *total = total.saturating_add(size);
        if *total > self.limits.header_bytes {
            return Err(self.over("bytes of extended headers", self.limits.header_bytes));
        }
        let mut data = vec![0; size.next_multiple_of(BLOCK as u64) as usize];
        let mut filled = 0;
        while filled < data.len() {
            filled += self.read_some(&mut data[filled..])?;
        }
        data.truncate(size as usize);
        Ok(data)
    }

    fn long_name(&mut self, size: u64, total: &mut u64) -> Result<Vec<u8>, LayerError> {
        let mut name = self.header_data(size, total)?;
        if let Some(end) = name.iter().position(|&byte| byte == 0) {
            name.truncate(end);
        }
        Ok(name)
    }

    fn skip(&mut self, mut count: u64) -> Result<(), LayerError> {
        let mut scratch = [0; 4096];
        while count > 0 {
            let room = scratch.len().min(usize::try_from(count).unwrap_or(usize::MAX));
            count -= self.read_some(&mut scratch[..room])? as u64;
        }
        Ok(())
    }

    /// At least one byte, unless `buffer` is empty.
    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, LayerError> {
        match self.read_up_to(buffer)? {
            0 if !buffer.is_empty() => Err(self.truncated()),
            count => Ok(count),
        }
    }

    fn read_up_to(&mut self, buffer: &mut [u8]) -> Result<usize, LayerError> {
        loop {
            match self.reader.read(buffer) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(self.truncated()),
                Err(error) => return Err(self.unreadable(error)),
            }
        }
    }

    fn bad_header(&self) -> &'static str {
        if self.entries == 0 { "this is not a tar archive" } else { "the header after it has a wrong checksum" }
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    fn malformed(&self, reason: &'static str) -> LayerError {
        LayerError::Malformed { entry: self.shown(), reason }
    }

    fn truncated(&self) -> LayerError {
        LayerError::Truncated { entry: self.shown() }
    }

    fn unreadable(&self, source: io::Error) -> LayerError {
        LayerError::Read { entry: self.shown(), source }
    }

    fn over(&self, what: &'static str, limit: u64) -> LayerError {
        LayerError::Limit { entry: self.shown(), what, limit }
    }
}

fn to_path(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

/// The whole content of an entry.
pub struct Content<'a, R> {
    archive: &'a mut ArchiveReader<R>,
    position: u64,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let next = self.archive.segments.iter().rev().find(|segment| segment.length > 0);
        let hole_end = next.map_or(self.archive.size, |segment| segment.offset);
        if self.position < hole_end {
            let hole = usize::try_from(hole_end - self.position).unwrap_or(usize::MAX);
            let count = buffer.len().min(hole);
            buffer[..count].fill(0);
            self.position += count as u64;
            return Ok(count);
        }
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.archive.read_data(buffer).map_err(io::Error::other)?;
        let count = read.map_or(0, |(_, count)| count);
        self.position += count as u64;
        Ok(count)
    }
}
