//! Sends the contents of cache mounts between machines, as deltas.
//!
//! A mount is written as the canonical tar stream of its folder. The stream is split at the boundaries of its entries,
//! and within large files by content (FastCDC), so that a changed file changes only its own chunks. Chunks are
//! compressed one by one and packed into blobs; an index lists them. An export sends the chunks that the cache's last
//! index lacks, and an index.

mod chunk;
mod fill;
mod index;
mod pack;
mod send;
mod split;

pub use fill::{FillError, fill};
pub use send::Mounts;

/// Parses bytes as an index and returns the size of the content, for fuzz tests.
#[doc(hidden)]
pub fn examine_index(bytes: &[u8]) -> Result<u64, index::IndexError> {
    let index = index::Index::parse(bytes)?;
    let (mut pieces, mut total) = (index.pieces()?, 0);
    while let Some(piece) = pieces.next()? {
        total += match piece {
            index::Piece::Literal(bytes) => bytes.len() as u64,
            index::Piece::Chunk(chunk) => u64::from(chunk.length),
        };
    }
    Ok(total)
}
