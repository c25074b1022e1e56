use std::io::{self, BufReader, Cursor, Read};

/// How a layer blob or archive is compressed, told by its first bytes.
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
    /// Told by the first six bytes (fewer when there are no more).
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

type Whole<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// Decompresses a stream, told by its first bytes; one that is not compressed passes unchanged. Several members or
/// frames after each other are one stream.
pub struct Decoder<R: Read> {
    compression: Compression,
    kind: Kind<R>,
}

enum Kind<R: Read> {
    None(Whole<R>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<BufReader<Whole<R>>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Whole<R>>>>),
    Xz(Box<liblzma::bufread::XzDecoder<BufReader<Whole<R>>>>),
    Bzip2(Box<bzip2::bufread::MultiBzDecoder<BufReader<Whole<R>>>>),
}

const READ_BUFFER: usize = 64 << 10;

impl<R: Read> Decoder<R> {
    pub fn new(mut reader: R) -> io::Result<Self> {
        let mut start = Vec::with_capacity(MAGIC_LEN);
        (&mut reader).take(MAGIC_LEN as u64).read_to_end(&mut start)?;
        let compression = Compression::detect(&start);
        let whole = Cursor::new(start).chain(reader);
        let buffered = |whole| BufReader::with_capacity(READ_BUFFER, whole);
        let kind = match compression {
            Compression::None => Kind::None(whole),
            Compression::Gzip => Kind::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(buffered(whole)))),
            Compression::Zstd => Kind::Zstd(Box::new(zstd::Decoder::with_buffer(buffered(whole))?)),
            Compression::Xz => Kind::Xz(Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(buffered(whole)))),
            Compression::Bzip2 => Kind::Bzip2(Box::new(bzip2::bufread::MultiBzDecoder::new(buffered(whole)))),
        };
        Ok(Self { compression, kind })
    }

    pub fn compression(&self) -> Compression {
        self.compression
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::None(reader) => reader.read(buffer),
            Kind::Gzip(reader) => reader.read(buffer),
            Kind::Zstd(reader) => reader.read(buffer),
            Kind::Xz(reader) => reader.read(buffer),
            Kind::Bzip2(reader) => reader.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

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
            (Compression::Gzip, [gzip.clone(), gzip].concat(), [text.clone(), text.clone()].concat()),
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
    fn a_stream_cut_short_is_an_error() {
        let text: Vec<u8> = (0..200_000u32).flat_map(|number| (number.wrapping_mul(number)).to_le_bytes()).collect();
        let bytes = zstd::encode_all(text.as_slice(), 1).unwrap();
        let mut decoder = Decoder::new(&bytes[..bytes.len() / 2]).unwrap();
        assert!(decoder.read_to_end(&mut Vec::new()).is_err());
    }
}
