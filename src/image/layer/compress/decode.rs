use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use liblzma::bufread::XzDecoder;

use super::gzip_reader::GzipReader;

/// How a layer blob or archive is compressed, detected by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

/// Length of the longest magic number.
const MAGIC_LEN: usize = 6;

impl Compression {
    /// Detected by the first six bytes (or fewer if there are no more).
    pub fn detect(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            // A zstd frame, or a skippable one in front of it (RFC 8878, "Skippable Frames").
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::None,
        }
    }
}

/// The compressed bytes, counted.
struct Whole<R> {
    inner: io::Chain<Cursor<Vec<u8>>, R>,
    count: u64,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

/// Limits against decompression bombs. Formats other than gzip can compress a gigabyte of zeros to a few kilobytes, so
/// a tiny image could fill a disk or keep a processor busy. Up to `floor` bytes there is no limit. Beyond that, a
/// stream may decompress to at most `times` its own size, which gzip cannot exceed (1,032 times). A stream that
/// decompresses to more than `usual_times` its own size, as layers with programs and data never do, may take at most
/// half of the free space of its disk.
#[derive(Debug, Clone, Copy)]
struct Growth {
    floor: u64,
    times: u64,
    usual_times: u64,
    room: Option<u64>,
}

const GROWTH: Growth = Growth { floor: 1 << 30, times: 1100, usual_times: 100, room: None };

/// The share of a disk's free space that a stream may take whatever its own size is.
const FLOOR_OF_ROOM: u64 = 16;
/// A nearly full disk is no reason to refuse a small file of zeros.
const SMALLEST_FLOOR: u64 = 64 << 20;

impl Growth {
    /// The limits for a disk with this much free space.
    fn with_room(self, room: u64) -> Self {
        let floor = self.floor.min((room / FLOOR_OF_ROOM).max(SMALLEST_FLOOR));
        Self { floor, room: Some(room), ..self }
    }

    /// The error for a stream of `taken` bytes that has grown to `made`, if it exceeds the limits.
    fn refusal(&self, made: u64, taken: u64) -> Option<String> {
        if made > self.floor && made / self.times > taken {
            let (floor, times) = (self.floor >> 20, self.times);
            return Some(format!("it comes to more than {floor} MiB and to {times} times its own size"));
        }
        let is_too_much = |room: &u64| made > (room / 2).max(SMALLEST_FLOOR) && made / self.usual_times > taken;
        let room = self.room.filter(is_too_much)?;
        let (half, times) = (room >> 21, self.usual_times);
        Some(format!("it comes to {times} times its own size and to half of the disk's free room ({half} MiB)"))
    }
}

/// Decompresses a stream, whose format is detected by its first bytes; an uncompressed one passes unchanged.
/// Consecutive members or frames are one stream. A stream that exceeds the limits ends in an error.
pub struct Decoder<R: Read> {
    compression: Compression,
    kind: Kind<R>,
    /// Decompressed bytes so far.
    made: u64,
    /// The number of compressed bytes, if known.
    size: u64,
    growth: Growth,
}

enum Kind<R: Read> {
    None(Whole<R>),
    Gzip(Box<GzipReader<BufReader<Whole<R>>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Whole<R>>>>),
    Xz(Box<XzDecoder<BufReader<Whole<R>>>>),
    Bzip2(Box<bzip2::bufread::MultiBzDecoder<BufReader<Whole<R>>>>),
}

const READ_BUFFER: usize = 64 << 10;

/// A decoder of several streams, each of which may request this much memory; `xz -9` requests 65 MiB.
fn xz_stream() -> io::Result<liblzma::stream::Stream> {
    const MOST_MEMORY: u64 = 512 << 20;
    Ok(liblzma::stream::Stream::new_stream_decoder(MOST_MEMORY, liblzma::stream::CONCATENATED)?)
}

impl<R: Read> Decoder<R> {
    pub fn new(mut reader: R) -> io::Result<Self> {
        let mut start = Vec::with_capacity(MAGIC_LEN);
        (&mut reader).take(MAGIC_LEN as u64).read_to_end(&mut start)?;
        let compression = Compression::detect(&start);
        let whole = Whole { inner: Cursor::new(start).chain(reader), count: 0 };
        let buffered = |whole| BufReader::with_capacity(READ_BUFFER, whole);
        let kind = match compression {
            Compression::None => Kind::None(whole),
            Compression::Gzip => Kind::Gzip(Box::new(GzipReader::new(buffered(whole)))),
            Compression::Zstd => Kind::Zstd(Box::new(zstd::Decoder::with_buffer(buffered(whole))?)),
            Compression::Xz => Kind::Xz(Box::new(XzDecoder::new_stream(buffered(whole), xz_stream()?))),
            Compression::Bzip2 => Kind::Bzip2(Box::new(bzip2::bufread::MultiBzDecoder::new(buffered(whole)))),
        };
        Ok(Self { compression, kind, made: 0, size: 0, growth: GROWTH })
    }

    /// The output goes to the disk of `folder`, whose free space limits a stream that grows a lot.
    pub fn for_disk_of(mut self, folder: &Path) -> Self {
        if let Ok(status) = rustix::fs::statvfs(folder) {
            self.growth = self.growth.with_room(status.f_bavail.saturating_mul(status.f_frsize));
        }
        self
    }

    /// The compressed size is known in advance: zeros at the start are then no sign of a bomb.
    pub fn of_size(mut self, bytes: u64) -> Self {
        self.size = bytes;
        self
    }

    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Compressed bytes so far.
    fn taken(&self) -> u64 {
        match &self.kind {
            Kind::None(reader) => reader.count,
            Kind::Gzip(reader) => reader.get_ref().get_ref().count,
            Kind::Zstd(reader) => reader.get_ref().get_ref().count,
            Kind::Xz(reader) => reader.get_ref().get_ref().count,
            Kind::Bzip2(reader) => reader.get_ref().get_ref().count,
        }
    }

    fn check_growth(&self) -> io::Result<()> {
        if self.compression == Compression::None {
            return Ok(());
        }
        match self.growth.refusal(self.made, self.taken().max(self.size)) {
            Some(why) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is a decompression bomb: {why}"))),
            None => Ok(()),
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.kind {
            Kind::None(reader) => reader.read(buffer),
            Kind::Gzip(reader) => reader.read(buffer),
            Kind::Zstd(reader) => reader.read(buffer),
            Kind::Xz(reader) => reader.read(buffer),
            Kind::Bzip2(reader) => reader.read(buffer),
        }?;
        self.made += count as u64;
        self.check_growth()?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_bomb_is_seen_before_it_has_gone_off() {
        let zeros = vec![0; 4 << 20];
        let read = |bytes: &[u8], growth: Growth| {
            let mut decoder = Decoder::new(bytes).unwrap();
            decoder.growth = growth;
            let mut made = 0;
            let mut buffer = vec![0; 4096];
            loop {
                match decoder.read(&mut buffer) {
                    Ok(0) => return Ok(made),
                    Ok(count) => made += count,
                    Err(error) => return Err((made, error.to_string())),
                }
            }
        };
        let bomb = zstd::encode_all(zeros.as_slice(), 1).unwrap();
        let growth = Growth { floor: 1 << 20, times: 100, usual_times: 10, room: None };
        let (made, message) = read(&bomb, growth).unwrap_err();
        assert!(made <= (1 << 20) + 4096 && message.contains("100 times its own size"), "{made}: {message}");
        assert_eq!(read(&bomb, GROWTH), Ok(zeros.len()));
        assert_eq!(read(&zeros, growth), Ok(zeros.len()), "what is not compressed does not grow");
        let patient = Growth { times: u64::MAX, room: Some(200 << 20), ..growth };
        assert_eq!(read(&bomb, patient), Ok(zeros.len()));
        let (made, taken) = (101 << 20, 9 << 20);
        assert!(patient.refusal(made, taken).unwrap().contains("half of the disk's free room (100 MiB)"));
        assert_eq!(patient.refusal(made, 11 << 20), None);
    }

    #[test]
    fn what_people_have_is_taken() {
        let gigabyte = 1 << 30;
        let growth = |free: u64| GROWTH.with_room(free * gigabyte);
        // The decompressed size, and the compressed one.
        for (made, taken, free) in [
            (5 * gigabyte, 5 * gigabyte / 1030, 20),
            (gigabyte, 30 << 10, 20),
            (30 * gigabyte, gigabyte, 10),
            (900 * gigabyte, 10 * gigabyte, 1000),
            (60 << 20, 2 << 10, 0),
        ] {
            assert_eq!(growth(free).refusal(made, taken), None, "{made} out of {taken}");
        }
        for (made, taken, free) in [
            (2 * gigabyte, 196 << 10, 1000),
            (2 * gigabyte, 196 << 10, 3),
            (gigabyte, 100 << 10, 10),
            (11 * gigabyte, 11 << 20, 20),
        ] {
            assert!(growth(free).refusal(made, taken).is_some(), "{made} out of {taken}");
        }
    }

    #[test]
    fn every_compression_is_told_by_its_content() {
        let text = b"some text that is compressed ".repeat(50);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&text).unwrap();
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(&text).unwrap();
        let cases = [
            (Compression::None, text.clone(), text.clone()),
            (Compression::None, Vec::new(), Vec::new()),
            (Compression::None, b"\x1f\x8b".to_vec(), b"\x1f\x8b".to_vec()),
            (Compression::Gzip, gzip.clone(), text.clone()),
            (Compression::Gzip, [gzip.clone(), gzip.clone()].concat(), [text.clone(), text.clone()].concat()),
            // Tapes and some tools pad the last block.
            (Compression::Gzip, [gzip, vec![0; 100_000]].concat(), text.clone()),
            (Compression::Zstd, zstd::encode_all(text.as_slice(), 1).unwrap(), text.clone()),
            (Compression::Xz, xz.finish().unwrap(), text.clone()),
            (Compression::Bzip2, bzip2.finish().unwrap(), text),
        ];
        for (compression, bytes, expected) in cases {
            let mut decoder = Decoder::new(bytes.as_slice()).unwrap();
            let mut read = Vec::new();
            decoder.read_to_end(&mut read).unwrap();
            assert_eq!((decoder.compression(), read), (compression, expected));
        }
    }

    #[test]
    fn a_few_bytes_cannot_ask_for_gigabytes_of_memory() {
        const BLOCK: usize = 12;
        const DICTIONARY: usize = BLOCK + 4;
        const LARGEST: u8 = 40;
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(b"text").unwrap();
        let mut bytes = xz.finish().unwrap();
        let read = |bytes: &[u8]| Decoder::new(bytes).and_then(|mut decoder| decoder.read_to_end(&mut Vec::new()));
        assert_eq!(read(&bytes).unwrap(), 4);
        // A block's header: its size, flags, the filter LZMA2 with one byte of properties, padding, CRC32.
        bytes[DICTIONARY] = LARGEST;
        let end = BLOCK + 4 * usize::from(bytes[BLOCK]);
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[BLOCK..end]);
        bytes[end..end + 4].copy_from_slice(&crc.sum().to_le_bytes());
        let error = read(&bytes).unwrap_err();
        assert!(error.to_string().contains("memory"), "{error}");
    }

    #[test]
    fn a_stream_cut_short_is_an_error() {
        let text: Vec<u8> = (0..200_000u32).flat_map(|number| (number.wrapping_mul(number)).to_le_bytes()).collect();
        let bytes = zstd::encode_all(text.as_slice(), 1).unwrap();
        let mut decoder = Decoder::new(&bytes[..bytes.len() / 2]).unwrap();
        assert!(decoder.read_to_end(&mut Vec::new()).is_err());
    }
}
