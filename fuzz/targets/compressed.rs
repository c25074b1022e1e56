//! A compressed stream ends, or fails, and takes no more memory than its limit.

use std::io::{Read as _, Write as _};

use rbuild::image::layer::{Compression, Decoder};

pub const PIECES: super::Pieces = &[
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"\xfd7zXZ\0",
    b"BZh9",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\x50\x2a\x4d\x18",
];

pub fn run(bytes: &[u8]) -> String {
    let decoder = match Decoder::new(bytes) {
        Ok(decoder) => decoder,
        Err(error) => return super::chain(&error),
    };
    let compression = decoder.compression();
    // Longer than is worth waiting for.
    let read = std::io::copy(&mut decoder.take(8 << 20), &mut std::io::sink());
    format!("{compression:?} {}", read.map_or_else(|error| super::chain(&error), |_| "done".to_owned()))
}

pub fn seeds() -> Vec<Vec<u8>> {
    let text = b"some text that is compressed, some text that is compressed again".repeat(9);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&text).expect("memory takes it");
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(&text).expect("memory takes it");
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&text).expect("memory takes it");
    let zstd = zstd::encode_all(text.as_slice(), 1).expect("memory takes it");
    let all = [gzip.finish(), xz.finish(), bzip2.finish(), Ok(zstd)].map(|bytes| bytes.expect("memory takes it"));
    assert_eq!(Compression::detect(&all[3]), Compression::Zstd);
    all.into_iter().chain([text]).collect()
}
