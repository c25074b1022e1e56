//! Writes a tar stream whose bytes depend only on the files: without owners and times.

use std::io::{self, Write};

use super::ArchiveError;

const BLOCK: usize = 512;

/// A tar stream being written. [`TarOutput::finish`] ends it.
pub(super) struct TarOutput<W> {
    out: W,
}

/// Counts what is written through it.
struct Counting<'a, W> {
    out: &'a mut W,
    count: u64,
}

impl<W: Write> Write for Counting<'_, W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.out.write(buffer)?;
        self.count += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write + Send> TarOutput<W> {
    pub fn new(out: W) -> Self {
        Self { out }
    }

    pub fn folder(&mut self, name: &str) -> Result<(), ArchiveError> {
        self.header(name, tar::EntryType::Directory, 0o755, 0)
    }

    pub fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.stream(name, bytes.len() as u64, |out| out.write_all(bytes).map_err(ArchiveError::Write))
    }

    /// A file of `size` bytes, which `write` writes.
    pub fn stream(
        &mut self,
        name: &str,
        size: u64,
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        self.header(name, tar::EntryType::Regular, 0o644, size)?;
        let mut counting = Counting { out: &mut self.out, count: 0 };
        write(&mut counting)?;
        if counting.count != size {
            return Err(ArchiveError::Truncated { name: name.to_owned() });
        }
        let padding = (BLOCK - (size % BLOCK as u64) as usize) % BLOCK;
        self.out.write_all(&[0; BLOCK][..padding]).map_err(ArchiveError::Write)
    }

    /// Writes the end mark and returns the writer.
    pub fn finish(mut self) -> Result<W, ArchiveError> {
        self.out.write_all(&[0; 2 * BLOCK]).map_err(ArchiveError::Write)?;
        self.out.flush().map_err(ArchiveError::Write)?;
        Ok(self.out)
    }

    fn header(&mut self, name: &str, kind: tar::EntryType, mode: u32, size: u64) -> Result<(), ArchiveError> {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).map_err(ArchiveError::Write)?;
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        header.set_cksum();
        self.out.write_all(header.as_bytes()).map_err(ArchiveError::Write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut output = TarOutput::new(Vec::new());
        output.folder("blobs/").unwrap();
        output.file("blobs/a", b"hello").unwrap();
        let bytes = output.finish().unwrap();
        assert_eq!(bytes.len() % BLOCK, 0);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["blobs/", "blobs/a"]);
    }

    #[test]
    fn a_stream_of_another_length_is_an_error() {
        let mut output = TarOutput::new(Vec::new());
        let result = output.stream("a", 6, |out| out.write_all(b"hello").map_err(ArchiveError::Write));
        assert!(matches!(result, Err(ArchiveError::Truncated { name }) if name == "a"));
    }
}
