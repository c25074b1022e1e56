//! Compressed forms of a tar stream. The output depends only on the input and the level, never on the number of
//! threads.

mod decode;
mod gzip;
mod gzip_reader;
mod zstandard;

pub use decode::{Compression, Decoder};
pub use gzip::GzipWriter;
pub use zstandard::ZstdWriter;
