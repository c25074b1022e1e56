//! Compressed forms of a tar stream. What is written depends on the input and the level only, never on the number of
//! threads.

mod decode;
mod gzip;
mod gzip_reader;
mod zstandard;

pub use decode::{Compression, Decoder};
pub use gzip::GzipWriter;
pub use zstandard::ZstdWriter;
