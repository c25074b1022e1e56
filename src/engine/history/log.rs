//! The log of a build: its steps' events and output, with times.
//!
//! A record has a byte for its kind, the step, microseconds since the build's start, a length, and that many bytes;
//! numbers are little-endian. The first record identifies the build, then come the names of steps. Each record is
//! written at once, so that a killed build leaves everything up to that moment. A truncated log can be read up to its
//! end.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};

/// The limit of the steps' output in a log; the log says if further output was dropped.
pub(super) const MOST_BYTES: u64 = 256 << 20;
/// No record that rbuild writes is longer.
const LONGEST: u32 = 16 << 20;
const HEAD: usize = 17;
/// On a full disk, this much of the log is removed again, to have room for recording its end.
const ROOM: u64 = 16 << 10;

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// The build's record at its start.
    Build,
    /// The planned steps, as a report of a build that has done nothing yet.
    Plan,
    /// The name of a step.
    Name,
    /// It is being executed.
    Started,
    /// Its result was in the cache.
    Cached,
    /// Its program printed the entry's bytes.
    Output,
    /// The resources that the step's program used.
    Used,
    /// It was executed successfully.
    Done,
    /// It has failed; the bytes say why.
    Failed,
    /// It was cancelled.
    Canceled,
    /// No more output is recorded; the bytes say why.
    Full,
}

const KINDS: &[(Happening, u8)] = &[
    (Happening::Build, b'b'),
    (Happening::Plan, b'p'),
    (Happening::Name, b'n'),
    (Happening::Started, b's'),
    (Happening::Cached, b'c'),
    (Happening::Output, b'o'),
    (Happening::Used, b'u'),
    (Happening::Done, b'd'),
    (Happening::Failed, b'f'),
    (Happening::Canceled, b'x'),
    (Happening::Full, b'!'),
];

/// An entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its kind.
    pub what: Happening,
    /// The step's index in the plan.
    pub step: u32,
    /// Since the build's start.
    pub microseconds: u64,
    /// A name, output or a message.
    pub bytes: Vec<u8>,
}

/// The position of a record's bytes in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The record's kind.
    pub what: Happening,
    /// The step's index in the plan.
    pub step: u32,
    /// Since the build's start.
    pub microseconds: u64,
    /// The offset of the bytes in the log.
    pub offset: u64,
    /// Their number.
    pub length: u32,
}

/// A log that is being written.
pub(super) struct Writer {
    file: File,
    /// Of the complete records in the file.
    length: u64,
    /// Two ends of records: the last, and one that is [`ROOM`] before it.
    ends: [u64; 2],
    printed: u64,
    state: Writing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    All,
    /// The ends of steps, but no output.
    Endings,
    Nothing,
}

impl Writer {
    pub(super) fn new(file: File) -> Self {
        Self { file, length: 0, ends: [0; 2], printed: 0, state: Writing::All }
    }

    /// The current content is kept, even if later content is dropped.
    pub(super) fn head_is_written(&mut self) {
        self.ends = [self.length; 2];
    }

    /// If the log can't be written, it ends there: the build continues.
    pub(super) fn add(&mut self, what: Happening, step: u32, microseconds: u64, bytes: &[u8]) {
        let is_output = what == Happening::Output;
        if self.state == Writing::Nothing || is_output && self.state == Writing::Endings {
            return;
        }
        if is_output && self.printed + bytes.len() as u64 > MOST_BYTES {
            let why = format!("it has the {} MiB that there are for one", MOST_BYTES >> 20);
            return self.end_output(step, microseconds, &why);
        }
        match self.put(what, step, microseconds, bytes) {
            Ok(()) if is_output => self.printed += bytes.len() as u64,
            Ok(()) => {}
            Err(error) => self.make_room(step, microseconds, &error),
        }
    }

    fn make_room(&mut self, step: u32, microseconds: u64, error: &io::Error) {
        if self.state == Writing::Endings {
            self.state = Writing::Nothing;
            return;
        }
        let end = self.ends[0];
        if self.file.set_len(end).and_then(|()| self.file.seek(SeekFrom::Start(end))).is_err() {
            self.state = Writing::Nothing;
            return;
        }
        (self.length, self.ends) = (end, [end; 2]);
        self.end_output(step, microseconds, &format!("it could not be written: {error}"));
    }

    fn end_output(&mut self, step: u32, microseconds: u64, why: &str) {
        self.state = match self.put(Happening::Full, step, microseconds, why.as_bytes()) {
            Ok(()) => Writing::Endings,
            Err(_) => Writing::Nothing,
        };
    }

    fn put(&mut self, what: Happening, step: u32, microseconds: u64, bytes: &[u8]) -> io::Result<()> {
        let kind = KINDS.iter().find(|(known, _)| *known == what).map_or(b'!', |(_, byte)| *byte);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let mut record = Vec::with_capacity(HEAD + bytes.len());
        record.push(kind);
        record.extend_from_slice(&step.to_le_bytes());
        record.extend_from_slice(&microseconds.to_le_bytes());
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(bytes);
        if let Err(error) = self.file.write_all(&record) {
            // A partial record would make those after it unreadable.
            let _ = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            return Err(error);
        }
        self.length += record.len() as u64;
        if self.length - self.ends[1] >= ROOM {
            self.ends = [self.ends[1], self.length];
        }
        Ok(())
    }
}

/// Reads a log to its end, or as far as it is complete.
pub fn read(file: File) -> impl Iterator<Item = Entry> {
    let mut input = BufReader::new(file);
    std::iter::from_fn(move || {
        let (what, step, microseconds, length) = next_head(&mut input).ok()?;
        let mut bytes = vec![0; length as usize];
        input.read_exact(&mut bytes).ok()?;
        Some(Entry { what, step, microseconds, bytes })
    })
}

/// The positions of a log's records, without their bytes.
pub fn places(file: File) -> impl Iterator<Item = Place> {
    let whole = file.metadata().map_or(0, |status| status.len());
    let mut input = BufReader::new(file);
    let mut offset = 0;
    std::iter::from_fn(move || {
        let (what, step, microseconds, length) = next_head(&mut input).ok()?;
        let place = Place { what, step, microseconds, offset: offset + HEAD as u64, length };
        offset = place.offset + u64::from(length);
        input.seek_relative(i64::from(length)).ok()?;
        (offset <= whole).then_some(place)
    })
}

fn next_head(input: &mut impl Read) -> io::Result<(Happening, u32, u64, u32)> {
    let mut head = [0; HEAD];
    input.read_exact(&mut head)?;
    let [kind, s0, s1, s2, s3, times @ .., l0, l1, l2, l3] = head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let what = KINDS.iter().find(|(_, byte)| *byte == kind).map(|(what, _)| *what);
    let Some(what) = what.filter(|_| length <= LONGEST) else { return Err(io::ErrorKind::InvalidData.into()) };
    Ok((what, u32::from_le_bytes([s0, s1, s2, s3]), u64::from_le_bytes(times), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(file: &mut File) -> Vec<Entry> {
        file.rewind().unwrap();
        read(file.try_clone().unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read_as_far_as_it_is_whole() {
        let mut file = tempfile::tempfile().unwrap();
        let mut log = Writer::new(file.try_clone().unwrap());
        log.add(Happening::Name, 1, 0, b"RUN echo");
        log.add(Happening::Output, 1, 1_500_000, b"half \xff\n");
        let all = entries(&mut file);
        assert_eq!((all.len(), all[1].what, all[1].microseconds), (2, Happening::Output, 1_500_000));
        assert_eq!(all[1].bytes, b"half \xff\n");
        file.rewind().unwrap();
        let found: Vec<Place> = places(file.try_clone().unwrap()).collect();
        assert_eq!((found.len(), found[1].length, found[1].step), (2, 7, 1));
        let length = file.metadata().unwrap().len();
        file.set_len(length - 1).unwrap();
        assert_eq!(entries(&mut file).len(), 1);
        file.rewind().unwrap();
        assert_eq!(places(file.try_clone().unwrap()).count(), 1);
    }

    #[test]
    fn a_log_is_bounded_and_says_how_steps_ended_all_the_same() {
        let mut file = tempfile::tempfile().unwrap();
        let mut log = Writer::new(file.try_clone().unwrap());
        for _ in 0..=(MOST_BYTES >> 20) {
            log.add(Happening::Output, 0, 0, &vec![b'x'; 1 << 20]);
        }
        log.add(Happening::Done, 0, 9, &[]);
        file.rewind().unwrap();
        let last: Vec<Place> = places(file).skip((MOST_BYTES >> 20) as usize).collect();
        assert_eq!(last.iter().map(|place| place.what).collect::<Vec<_>>(), [Happening::Full, Happening::Done]);
    }

    #[test]
    fn what_cannot_be_written_leaves_no_half_record() {
        // /dev/full refuses every write.
        let file = File::options().write(true).open("/dev/full").unwrap();
        let mut log = Writer::new(file);
        log.add(Happening::Output, 0, 0, b"text");
        assert_eq!(log.state, Writing::Nothing);
        log.add(Happening::Done, 0, 0, &[]);
    }
}
