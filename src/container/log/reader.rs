//! Reads a log: the last lines, those in a period, and new ones.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::LogSettings;
use super::line::LogLine;
use crate::base::io_error::{AtPath, IoError};
use crate::container::error::ContainerError;

const BLOCK: u64 = 64 << 10;

/// Which lines to read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selection {
    /// Only that many of the last ones.
    pub tail: Option<usize>,
    /// Only lines from then on.
    pub since: Option<jiff::Timestamp>,
    /// Only lines until then.
    pub until: Option<jiff::Timestamp>,
}

/// A reader at a position in a log, from which it can continue later.
pub struct LogReader {
    settings: LogSettings,
    selection: Selection,
    /// The files to read, oldest first. The last one may grow.
    files: VecDeque<Box<dyn BufRead + Send>>,
    inode: u64,
    /// An incomplete line.
    begun: Vec<u8>,
    finished: bool,
}

impl LogReader {
    /// Opens the log at the first of the lines.
    pub fn open(settings: LogSettings, selection: Selection) -> Result<Self, ContainerError> {
        let mut reader =
            Self { settings, selection, files: VecDeque::new(), inode: 0, begun: Vec::new(), finished: false };
        let mut wanted = selection.tail;
        for age in 0..reader.settings.max_files.max(1) {
            if wanted == Some(0) && age > 0 {
                break;
            }
            let Some((file, is_compressed)) = reader.open_generation(age)? else {
                if age == 0 {
                    continue;
                }
                break;
            };
            let path = reader.settings.generation(age, is_compressed);
            if age == 0 {
                reader.inode = file.metadata().at("look at", &path)?.ino();
            }
            let opened = if is_compressed {
                all_or_last(flate2::read::GzDecoder::new(file), &mut wanted)
            } else {
                last_lines(file, &mut wanted)
            };
            reader.files.push_front(opened.at("read", &path)?);
        }
        Ok(reader)
    }

    fn open_generation(&self, age: usize) -> Result<Option<(File, bool)>, IoError> {
        for compressed in [false, true] {
            let path = self.settings.generation(age, compressed);
            match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                opened => return opened.at("open", &path).map(|file| Some((file, compressed))),
            }
        }
        Ok(None)
    }

    /// Passes the existing lines to `take`; when called again, those written since. False if no later line is wanted.
    pub fn read(&mut self, mut take: impl FnMut(&LogLine<'_>) -> io::Result<()>) -> Result<bool, ContainerError> {
        let path = self.settings.path.clone();
        while !self.finished {
            let Some(file) = self.files.front_mut() else {
                if !self.follow_rotation()? {
                    return Ok(true);
                }
                continue;
            };
            let length = file.read_until(b'\n', &mut self.begun).at("read", &path)?;
            if self.begun.ends_with(b"\n") {
                let line = std::mem::take(&mut self.begun);
                self.finished = self.give(&line, &mut take).at("write", "the log")?;
            } else if length == 0 {
                if self.files.len() == 1 && !self.follow_rotation()? {
                    return Ok(true);
                }
                self.files.pop_front();
            }
        }
        Ok(false)
    }

    /// Whether the end of the selection is reached. A damaged line (if the disk was full) is skipped.
    fn give(&self, line: &[u8], take: &mut impl FnMut(&LogLine<'_>) -> io::Result<()>) -> io::Result<bool> {
        let Ok(line) = serde_json::from_slice::<LogLine<'_>>(line) else { return Ok(false) };
        if self.selection.until.is_some_and(|until| line.time > until) {
            return Ok(true);
        }
        if self.selection.since.is_none_or(|since| line.time >= since) {
            take(&line)?;
        }
        Ok(false)
    }

    /// Continues with newer files if the one that was read is no longer the current one.
    fn follow_rotation(&mut self) -> Result<bool, ContainerError> {
        let current = match std::fs::metadata(&self.settings.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            metadata => metadata.at("look at", &self.settings.path)?.ino(),
        };
        if current == self.inode {
            return Ok(false);
        }
        // Files in between are found by looking for the last file that was read among the older ones.
        let inode_of = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.ino());
        let ages = 1..self.settings.max_files;
        let seen = ages.clone().find(|age| inode_of(&self.settings.generation(*age, false)) == self.inode);
        for age in (0..seen.unwrap_or(1)).rev() {
            if let Some((file, false)) = self.open_generation(age)? {
                if age == 0 {
                    self.inode = file.metadata().at("look at", &self.settings.path)?.ino();
                }
                self.files.push_back(Box::new(BufReader::new(file)));
            }
        }
        Ok(true)
    }
}

/// The file from the start of its last lines; `wanted` becomes the number of lines still missing.
fn last_lines(mut file: File, wanted: &mut Option<usize>) -> io::Result<Box<dyn BufRead + Send>> {
    if let Some(count) = wanted {
        let end = file.seek(SeekFrom::End(0))?;
        let (start, found) = find_from_end(&mut file, end, *count)?;
        *count -= found;
        file.seek(SeekFrom::Start(start))?;
    }
    Ok(Box::new(BufReader::with_capacity(BLOCK as usize, file)))
}

/// The offset of the last `count` lines before `end`, and how many there are.
fn find_from_end(file: &mut File, end: u64, count: usize) -> io::Result<(u64, usize)> {
    if count == 0 {
        return Ok((end, 0));
    }
    let mut found = 0;
    let mut position = end;
    let mut block = vec![0; BLOCK as usize];
    while position > 0 {
        let length = position.min(BLOCK);
        position -= length;
        file.seek(SeekFrom::Start(position))?;
        let block = &mut block[..length as usize];
        file.read_exact(block)?;
        for at in memchr::memrchr_iter(b'\n', block) {
            let after = position + at as u64 + 1;
            if after == end {
                continue;
            }
            found += 1;
            if found == count {
                return Ok((after, found));
            }
        }
    }
    Ok((0, if end == 0 { 0 } else { found + 1 }))
}

fn all_or_last(
    mut from: impl Read + Send + 'static,
    wanted: &mut Option<usize>,
) -> io::Result<Box<dyn BufRead + Send>> {
    let Some(count) = wanted else { return Ok(Box::new(BufReader::new(from))) };
    let mut all = Vec::new();
    from.read_to_end(&mut all)?;
    let lines = memchr::memchr_iter(b'\n', &all).count();
    let skipped = lines.saturating_sub(*count);
    let start = memchr::memchr_iter(b'\n', &all).nth(skipped.wrapping_sub(1)).map_or(0, |at| at + 1);
    *count -= lines - skipped;
    Ok(Box::new(io::Cursor::new(all.split_off(start))))
}

#[cfg(test)]
mod tests {
    use super::super::line::Source;
    use super::super::writer::LogWriter;
    use super::*;

    fn settings(folder: &Path, max_size: Option<u64>, max_files: usize, compress: bool) -> LogSettings {
        LogSettings { path: folder.join("log"), max_size, max_files, compress, attributes: Vec::new() }
    }

    fn read(settings: &LogSettings, tail: Option<usize>) -> Vec<String> {
        let selection = Selection { tail, ..Selection::default() };
        let mut lines = Vec::new();
        let mut reader = LogReader::open(settings.clone(), selection).unwrap();
        reader
            .read(|line| {
                lines.push(line.log.clone().into_owned());
                Ok(())
            })
            .unwrap();
        lines
    }

    #[test]
    fn lines_of_any_length() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), None, 1, false);
        let mut writer = LogWriter::open(settings.clone()).unwrap();
        writer.write(Source::Stdout, b"a\nb").unwrap();
        writer.write(Source::Stderr, b"e\n").unwrap();
        writer.write(Source::Stdout, b"c\n\n").unwrap();
        writer.write(Source::Stdout, &[b'x'; 20_000]).unwrap();
        assert_eq!(read(&settings, None).len(), 5);
        writer.finish().unwrap();
        let lines = read(&settings, None);
        assert_eq!(lines[..4], ["a\n", "e\n", "bc\n", "\n"]);
        assert_eq!((lines[4].len(), lines[5].len()), (16 << 10, 20_000 - (16 << 10)));
        assert_eq!(read(&settings, Some(0)).len(), 0);
        assert_eq!(read(&settings, Some(3))[0], "\n");
    }

    #[test]
    fn files_take_each_others_place() {
        for compress in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let settings = settings(folder.path(), Some(400), 3, compress);
            let mut writer = LogWriter::open(settings.clone()).unwrap();
            let mut reader = LogReader::open(settings.clone(), Selection::default()).unwrap();
            let mut followed = Vec::new();
            for number in 0..40 {
                writer.write(Source::Stdout, format!("line {number}\n").as_bytes()).unwrap();
                reader
                    .read(|line| {
                        followed.push(line.log.clone().into_owned());
                        Ok(())
                    })
                    .unwrap();
            }
            writer.finish().unwrap();
            assert_eq!(followed.len(), 40);
            let lines = read(&settings, None);
            assert!(lines.len() < 20 && lines.len() > 10 && lines.last().unwrap() == "line 39\n", "{lines:?}");
            assert_eq!(read(&settings, Some(12))[0], "line 28\n", "{compress}");
        }
    }
}
