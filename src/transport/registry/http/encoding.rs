//! Unrequested `Content-Encoding`: some proxies compress whatever passes.

use std::io::{self, Read as _, Write as _};

use reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// The magic numbers of compressed data.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The encoding of a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Gzip,
    Zstd,
}

impl Encoding {
    /// `None` if the body is not encoded. `Err` has the name of an unknown encoding.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, String> {
        let text = headers.get(CONTENT_ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        match text.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(None),
            "gzip" | "x-gzip" => Ok(Some(Self::Gzip)),
            "zstd" => Ok(Some(Self::Zstd)),
            other => Err(other.to_owned()),
        }
    }
}

/// Decodes a whole document; returns at most one byte more than `limit`. Some servers name the encoding in which a
/// document was stored, but send it decoded: no JSON starts like compressed data.
pub fn decoded(headers: &HeaderMap, bytes: Vec<u8>, limit: u64) -> io::Result<Vec<u8>> {
    // The response to HEAD has the headers of one with a body.
    if bytes.is_empty() {
        return Ok(bytes);
    }
    let mut out = Vec::new();
    match Encoding::of(headers) {
        Ok(Some(Encoding::Gzip)) if bytes.starts_with(GZIP) => {
            flate2::read::MultiGzDecoder::new(bytes.as_slice()).take(limit + 1).read_to_end(&mut out)?;
        }
        Ok(Some(Encoding::Zstd)) if bytes.starts_with(ZSTD) => {
            zstd::Decoder::with_buffer(bytes.as_slice())?.take(limit + 1).read_to_end(&mut out)?;
        }
        Ok(_) => return Ok(bytes),
        Err(name) => return Err(io::Error::other(format!("it is encoded as `{name}`, which nobody asked for"))),
    }
    Ok(out)
}

/// Decodes a body as it arrives.
pub enum Decoding {
    Gzip(Box<flate2::write::MultiGzDecoder<Vec<u8>>>),
    Zstd(zstd::stream::write::Decoder<'static, Vec<u8>>),
}

impl Decoding {
    pub fn new(encoding: Encoding) -> io::Result<Self> {
        Ok(match encoding {
            Encoding::Gzip => Self::Gzip(Box::new(flate2::write::MultiGzDecoder::new(Vec::new()))),
            Encoding::Zstd => Self::Zstd(zstd::stream::write::Decoder::new(Vec::new())?),
        })
    }

    /// Whether the first chunk of a body really has this encoding.
    pub fn begins(&self, piece: &[u8]) -> bool {
        piece.starts_with(match self {
            Self::Gzip(_) => GZIP,
            Self::Zstd(_) => ZSTD,
        })
    }

    /// The decoded next chunk.
    pub fn decode(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(decoder) => {
                decoder.write_all(piece)?;
                decoder.flush()?;
                Ok(std::mem::take(decoder.get_mut()))
            }
            Self::Zstd(decoder) => {
                decoder.write_all(piece)?;
                decoder.flush()?;
                Ok(std::mem::take(decoder.get_mut()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn headers(encoding: &str) -> HeaderMap {
        [(CONTENT_ENCODING, encoding.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn a_document_is_decoded_once_and_within_its_limit() {
        let text = b"{\"a\": \"b\"}".repeat(100);
        for (encoding, bytes) in [
            ("gzip", gzip(&text)),
            ("X-GZip", gzip(&text)),
            ("zstd", zstd::encode_all(text.as_slice(), 1).unwrap()),
            ("identity", text.clone()),
            ("gzip", text.clone()),
        ] {
            assert_eq!(decoded(&headers(encoding), bytes, 10_000).unwrap(), text, "{encoding}");
        }
        assert_eq!(decoded(&headers("gzip"), gzip(&[0; 100_000]), 1000).unwrap().len(), 1001);
        assert_eq!(decoded(&headers("br"), Vec::new(), 10_000).unwrap(), b"", "the answer to HEAD");
        let error = decoded(&headers("br"), text, 10_000).unwrap_err();
        assert!(error.to_string().contains("`br`"), "{error}");
    }

    #[test]
    fn a_stream_is_decoded_piece_by_piece() {
        let text: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        for (encoding, bytes) in
            [(Encoding::Gzip, gzip(&text)), (Encoding::Zstd, zstd::encode_all(text.as_slice(), 1).unwrap())]
        {
            let mut decoding = Decoding::new(encoding).unwrap();
            let found: Vec<u8> = bytes.chunks(1000).flat_map(|piece| decoding.decode(piece).unwrap()).collect();
            assert!(found == text, "{encoding:?}");
        }
    }
}
