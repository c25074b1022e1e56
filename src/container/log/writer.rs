//! Writes a log: splits the output into lines, and rotates full files.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use super::LogSettings;
use super::line::{self, Source};
use crate::base::io_error::AtPath;
use crate::container::error::ContainerError;

/// Longer lines are cut here, as in docker.
const LONGEST_LINE: usize = 16 << 10;

/// How much is buffered at most before it is written.
const WRITE_AT_ONCE: usize = 128 << 10;

pub(in crate::container) struct LogWriter {
    settings: LogSettings,
    file: File,
    /// Of the file, including buffered lines.
    size: u64,
    /// Of the file, with complete lines only.
    written: u64,
    /// What could not be written; the next line that can be reports it.
    lost: Option<Lost>,
    attributes: String,
    /// Incomplete lines, of both streams.
    begun: [Vec<u8>; 2],
    buffer: Vec<u8>,
    compressing: Option<std::thread::JoinHandle<()>>,
}

/// Lines that are missing in a log.
struct Lost {
    lines: usize,
    reason: String,
}

impl LogWriter {
    pub(in crate::container) fn open(settings: LogSettings) -> Result<Self, ContainerError> {
        if let Some(folder) = settings.path.parent() {
            std::fs::create_dir_all(folder).at("create", folder)?;
        }
        let file = append_to(&settings.path).at("open", &settings.path)?;
        let size = file.metadata().at("look at", &settings.path)?.len();
        let attributes = if settings.attributes.is_empty() {
            String::new()
        } else {
            let map: std::collections::BTreeMap<_, _> = settings.attributes.iter().cloned().collect();
            format!(",\"attrs\":{}", serde_json::json!(map))
        };
        let begun = [Vec::new(), Vec::new()];
        Ok(Self {
            settings,
            file,
            size,
            written: size,
            lost: None,
            attributes,
            begun,
            buffer: Vec::new(),
            compressing: None,
        })
    }

    /// Takes output of the program.
    pub(in crate::container) fn write(&mut self, source: Source, bytes: &[u8]) -> io::Result<()> {
        let time = jiff::Timestamp::now().to_string();
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end + 1);
            let line = self.cut(source, line, &time)?;
            self.end_line(source, line, &time)?;
            rest = after;
        }
        let rest = self.cut(source, rest, &time)?;
        self.begun[source as usize].extend_from_slice(rest);
        self.flush()
    }

    /// Cuts the incomplete line where it becomes too long; the returned rest of `bytes` fits.
    fn cut<'b>(&mut self, source: Source, mut bytes: &'b [u8], time: &str) -> io::Result<&'b [u8]> {
        loop {
            let room = LONGEST_LINE.saturating_sub(self.begun[source as usize].len());
            let Some((line, rest)) = bytes.split_at_checked(room).filter(|(_, rest)| !rest.is_empty()) else {
                return Ok(bytes);
            };
            self.end_line(source, line, time)?;
            bytes = rest;
        }
    }

    /// Writes the incomplete line, with `bytes` as its end.
    fn end_line(&mut self, source: Source, bytes: &[u8], time: &str) -> io::Result<()> {
        let before = self.buffer.len();
        let begun = &mut self.begun[source as usize];
        if begun.is_empty() {
            line::write(&mut self.buffer, bytes, source, &self.attributes, time);
        } else {
            begun.extend_from_slice(bytes);
            line::write(&mut self.buffer, begun, source, &self.attributes, time);
            begun.clear();
        }
        self.size += (self.buffer.len() - before) as u64;
        if self.settings.max_size.is_some_and(|limit| self.size > limit) {
            // The line that does not fit starts the next file.
            let line = self.buffer.split_off(before);
            self.flush()?;
            self.rotate().inspect_err(|error| self.lose(1, error))?;
            self.written = 0;
            self.size = line.len() as u64;
            self.buffer = line;
        } else if self.buffer.len() >= WRITE_AT_ONCE {
            // Short lines become many times as long. What can't be written is counted.
            let _ = self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(lost) = self.lost.take_if(|_| !self.buffer.is_empty()) {
            let lines = std::mem::take(&mut self.buffer);
            self.note(&lost);
            self.buffer.extend(lines);
            self.lost = Some(lost);
        }
        let written = self.file.write_all(&self.buffer);
        match &written {
            Ok(()) => {
                self.written += self.buffer.len() as u64;
                self.lost = self.lost.take().filter(|_| self.buffer.is_empty());
            }
            Err(error) => {
                // A partial line would corrupt the next one. If this fails too, readers skip it.
                let _ = self.file.set_len(self.written);
                self.size = self.written;
                let lines = memchr::memchr_iter(b'\n', &self.buffer).count() - usize::from(self.lost.is_some());
                self.lose(lines, error);
            }
        }
        self.buffer.clear();
        written
    }

    fn lose(&mut self, lines: usize, error: &io::Error) {
        let lost = self.lost.get_or_insert_with(|| Lost { lines: 0, reason: error.to_string() });
        lost.lines += lines;
    }

    /// Reports in the log what is missing.
    fn note(&mut self, lost: &Lost) {
        let time = jiff::Timestamp::now().to_string();
        let text = format!("rbuild: {} lines of output are missing here: {}\n", lost.lines, lost.reason);
        line::write(&mut self.buffer, text.as_bytes(), Source::Stderr, &self.attributes, &time);
        self.size += self.buffer.len() as u64;
    }

    /// Writes incomplete lines at the end of the output.
    pub(in crate::container) fn finish(&mut self) -> io::Result<()> {
        let time = jiff::Timestamp::now().to_string();
        for source in [Source::Stdout, Source::Stderr] {
            if !self.begun[source as usize].is_empty() {
                self.end_line(source, &[], &time)?;
            }
        }
        if let Some(lost) = self.lost.take_if(|_| self.buffer.is_empty()) {
            self.note(&lost);
        }
        self.flush()?;
        if let Some(thread) = self.compressing.take() {
            // The thread doesn't panic; if it did, a file would stay uncompressed.
            let _ = thread.join();
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        if let Some(thread) = self.compressing.take() {
            let _ = thread.join();
        }
        let settings = &self.settings;
        if settings.max_files == 1 {
            // Readers keep the file open.
            std::fs::remove_file(&settings.path)?;
        }
        for age in (1..settings.max_files).rev() {
            for compressed in [false, true] {
                let (from, to) = (settings.generation(age - 1, compressed), settings.generation(age, compressed));
                if (age > 1 || !compressed) && from.exists() {
                    std::fs::rename(&from, &to)?;
                }
            }
        }
        self.file = append_to(&settings.path)?;
        if settings.compress && settings.max_files > 1 {
            let (from, to) = (settings.generation(1, false), settings.generation(1, true));
            // If compression fails, nothing is lost.
            self.compressing = Some(std::thread::spawn(move || drop(compress(&from, &to))));
        }
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options().create(true).append(true).mode(0o640).open(path)
}

fn compress(from: &Path, to: &Path) -> io::Result<()> {
    let temporary = to.with_extension("new");
    let mut out = flate2::write::GzEncoder::new(File::create(&temporary)?, flate2::Compression::fast());
    io::copy(&mut File::open(from)?, &mut out)?;
    out.finish()?;
    std::fs::rename(&temporary, to)?;
    std::fs::remove_file(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::log::LogLine;

    fn lines(settings: &LogSettings, age: usize) -> Vec<(String, Source)> {
        let text = std::fs::read_to_string(settings.generation(age, false)).unwrap_or_default();
        let read = |line: &str| {
            let line: LogLine<'_> = serde_json::from_str(line).unwrap();
            (line.log.into_owned(), line.stream)
        };
        text.lines().map(read).collect()
    }

    #[test]
    fn lines_are_the_same_in_whatever_pieces_they_come() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(LONGEST_LINE + 5);
        let text = format!("one\n\n{long}\n{}\n\"two\"\n{}tail", &long[5..], "short\n".repeat(10_000));
        for piece in [1, 3, 4096, LONGEST_LINE, 64 << 10, 1 << 20] {
            let path = folder.path().join(piece.to_string());
            let settings = LogSettings { path, max_size: None, max_files: 1, compress: false, attributes: Vec::new() };
            let mut writer = LogWriter::open(settings.clone()).unwrap();
            for bytes in text.as_bytes().chunks(piece) {
                writer.write(Source::Stdout, bytes).unwrap();
            }
            writer.write(Source::Stderr, b"other\n").unwrap();
            writer.finish().unwrap();
            let found = lines(&settings, 0);
            let of = |source| found.iter().filter(move |line| line.1 == source).map(|line| line.0.as_str());
            assert_eq!(of(Source::Stdout).collect::<String>(), text, "{piece}");
            assert_eq!(of(Source::Stderr).collect::<Vec<_>>(), ["other\n"]);
            let expected = ["one\n", "\n", &long[5..], "xxxxx\n", &long[5..], "\n", "\"two\"\n", "short\n"];
            assert_eq!(of(Source::Stdout).take(8).collect::<Vec<_>>(), expected, "{piece}");
        }
    }

    #[test]
    fn no_file_is_larger_than_it_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let settings =
            LogSettings { path, max_size: Some(300_000), max_files: 4, compress: false, attributes: Vec::new() };
        let mut writer = LogWriter::open(settings.clone()).unwrap();
        let text: String = (0..12_000).map(|number| format!("{number}\n")).collect();
        writer.write(Source::Stdout, text.as_bytes()).unwrap();
        writer.finish().unwrap();
        let found: String = (0..4).rev().flat_map(|age| lines(&settings, age)).map(|line| line.0).collect();
        assert_eq!(found, text);
        // The number of files depends on the length of the timestamps, which have no trailing zeros.
        let lengths = |age| std::fs::metadata(settings.generation(age, false)).map(|file| file.len());
        assert!((0..4).flat_map(lengths).all(|length| length <= 300_000));
    }
}
