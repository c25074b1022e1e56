//! The log of a build: what happened to its steps, and what they printed, each with its time.
//!
//! A record is a byte for its kind, the step, microseconds since the build began, a length, and so many bytes; numbers are
//! little-endian. The names of steps come first. A log that ends early, because the build was killed or the disk was full,
//! is read as far as it goes.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};

/// What a log may have; what is printed after that is lost, and said to be.
const MOST_BYTES: u64 = 100 << 20;
/// No record of one that rbuild wrote is longer.
const LONGEST: u32 = 16 << 20;
const HEAD: usize = 17;

/// What an entry of a log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// The name of a step.
    Name,
    /// It is being executed.
    Started,
    /// Its result was there.
    Cached,
    /// Its program wrote the entry's bytes.
    Output,
    /// It has come to a good end.
    Done,
    /// It has failed; the bytes say why.
    Failed,
    /// Somebody or something else has ended it.
    Canceled,
    /// Nothing more is written down.
    Full,
}

const KINDS: &[(Happening, u8)] = &[
    (Happening::Name, b'n'),
    (Happening::Started, b's'),
    (Happening::Cached, b'c'),
    (Happening::Output, b'o'),
    (Happening::Done, b'd'),
    (Happening::Failed, b'f'),
    (Happening::Canceled, b'x'),
    (Happening::Full, b'!'),
];

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it says.
    pub what: Happening,
    /// The step's place in the plan.
    pub step: u32,
    /// Since the build began.
    pub microseconds: u64,
    /// A name, output or a message.
    pub bytes: Vec<u8>,
}

/// A log that is being written.
pub(super) struct Writer {
    out: BufWriter<File>,
    written: u64,
    is_over: bool,
}

impl Writer {
    pub(super) fn new(file: File) -> Self {
        Self { out: BufWriter::new(file), written: 0, is_over: false }
    }

    /// A log that can't be written ends there: the build goes on.
    pub(super) fn add(&mut self, what: Happening, step: u32, microseconds: u64, bytes: &[u8]) {
        if self.is_over {
            return;
        }
        let is_full = self.written + bytes.len() as u64 > MOST_BYTES;
        let (what, bytes) = if is_full { (Happening::Full, [].as_slice()) } else { (what, bytes) };
        self.is_over = is_full || self.try_add(what, step, microseconds, bytes).is_err();
        if is_full {
            let _ = self.try_add(what, step, microseconds, bytes);
        }
    }

    fn try_add(&mut self, what: Happening, step: u32, microseconds: u64, bytes: &[u8]) -> io::Result<()> {
        let kind = KINDS.iter().find(|(known, _)| *known == what).map_or(b'!', |(_, byte)| *byte);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.written += (HEAD + bytes.len()) as u64;
        self.out.write_all(&[kind])?;
        self.out.write_all(&step.to_le_bytes())?;
        self.out.write_all(&microseconds.to_le_bytes())?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(bytes)
    }

    pub(super) fn finish(mut self) {
        let _ = self.out.flush();
    }
}

/// Reads a log to its end, or as far as it is whole.
pub fn read(file: File) -> impl Iterator<Item = Entry> {
    let mut input = BufReader::new(file);
    std::iter::from_fn(move || next(&mut input).ok())
}

fn next(input: &mut impl Read) -> io::Result<Entry> {
    let mut head = [0; HEAD];
    input.read_exact(&mut head)?;
    let [kind, s0, s1, s2, s3, times @ .., l0, l1, l2, l3] = head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let what = KINDS.iter().find(|(_, byte)| *byte == kind).map(|(what, _)| *what);
    let Some(what) = what.filter(|_| length <= LONGEST) else { return Err(io::ErrorKind::InvalidData.into()) };
    let mut bytes = vec![0; length as usize];
    input.read_exact(&mut bytes)?;
    let step = u32::from_le_bytes([s0, s1, s2, s3]);
    Ok(Entry { what, step, microseconds: u64::from_le_bytes(times), bytes })
}

#[cfg(test)]
mod tests {
    use std::io::Seek as _;

    use super::*;

    #[test]
    fn what_is_written_is_read_as_far_as_it_is_whole() {
        let mut file = tempfile::tempfile().unwrap();
        let mut log = Writer::new(file.try_clone().unwrap());
        log.add(Happening::Name, 1, 0, b"[1/2] RUN");
        log.add(Happening::Output, 1, 1_500_000, b"half \xff\n");
        log.finish();
        let entries = |file: &mut File| {
            file.rewind().unwrap();
            read(file.try_clone().unwrap()).collect::<Vec<_>>()
        };
        let all = entries(&mut file);
        assert_eq!((all.len(), all[1].what, all[1].microseconds), (2, Happening::Output, 1_500_000));
        assert_eq!(all[1].bytes, b"half \xff\n");
        let length = file.metadata().unwrap().len();
        file.set_len(length - 1).unwrap();
        assert_eq!(entries(&mut file).len(), 1);
    }

    #[test]
    fn a_log_is_bounded() {
        let mut file = tempfile::tempfile().unwrap();
        let mut log = Writer::new(file.try_clone().unwrap());
        for _ in 0..110 {
            log.add(Happening::Output, 0, 0, &vec![b'x'; 1 << 20]);
        }
        log.finish();
        assert!(file.metadata().unwrap().len() <= MOST_BYTES + 64);
        file.rewind().unwrap();
        assert_eq!(read(file).last().unwrap().what, Happening::Full);
    }
}
