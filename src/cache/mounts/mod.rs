//! The contents of cache mounts on their way between machines, as deltas.
//!
//! A mount is written as the canonical tar stream of its folder. The stream is split at the borders of its entries, and
//! the contents of large files where their bytes say (FastCDC), so that a changed file changes its own chunks and no
//! others. Chunks are compressed one by one and packed into blobs; an index lists them. An export sends the chunks that
//! the cache's last index lacks, and an index.

mod chunk;
mod fill;
mod index;
mod pack;
mod send;
mod split;

pub use fill::{FillError, fill};
pub use send::Mounts;
