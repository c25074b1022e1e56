//! The index of a mount's content: the packs, the chunks in them, and the recipe of the stream.
//!
//! ```text
//! "rbuild mount 1\n"
//! u64, little-endian       length of the head
//! zstd(postcard(Head))     packs, chunks
//! zstd(recipe)             0, u32 length, bytes: these bytes
//!                          1, u32 number: that chunk
//! ```

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

const MAGIC: &[u8] = b"rbuild mount 1\n";
const LEVEL: i32 = 3;
/// The size limit of the head, uncompressed.
const HEAD_LIMIT: u64 = 256 << 20;
/// The size limit of a literal in the recipe.
const LITERAL_LIMIT: u32 = 16 << 20;

const LITERAL: u8 = 0;
const CHUNK: u8 = 1;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Head {
    /// Mode and owner of the mount's root folder, which has no entry in the stream.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Digests and sizes, in the order of the chunks' pack numbers.
    pub packs: Vec<([u8; 32], u64)>,
    pub chunks: Vec<Chunk>,
}

/// The location of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// BLAKE3 of its bytes.
    pub digest: [u8; 32],
    pub pack: u32,
    pub offset: u32,
    /// Size in the pack: compressed, unless it equals the chunk's length.
    pub stored: u32,
    pub length: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("the index of a mount has the wrong header")]
    Magic,
    #[error("the index of a mount cannot be read")]
    Read(#[from] io::Error),
    #[error("the list of chunks cannot be read")]
    Head(#[from] postcard::Error),
    #[error("the index of a mount points past its data")]
    OutOfRange,
}

/// Writes the recipe while the stream is split.
pub struct Recipe {
    encoder: zstd::Encoder<'static, Vec<u8>>,
}

impl Recipe {
    pub fn new() -> io::Result<Self> {
        Ok(Self { encoder: zstd::Encoder::new(Vec::new(), LEVEL)? })
    }

    pub fn literal(&mut self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(LITERAL_LIMIT as usize) {
            self.encoder.write_all(&[LITERAL])?;
            self.encoder.write_all(&(part.len() as u32).to_le_bytes())?;
            self.encoder.write_all(part)?;
        }
        Ok(())
    }

    pub fn chunk(&mut self, number: u32) -> io::Result<()> {
        self.encoder.write_all(&[CHUNK])?;
        self.encoder.write_all(&number.to_le_bytes())
    }

    /// The whole index.
    pub fn finish(self, head: &Head) -> io::Result<Vec<u8>> {
        let head = postcard::to_allocvec(head).map_err(io::Error::other)?;
        let head = zstd::encode_all(head.as_slice(), LEVEL)?;
        let recipe = self.encoder.finish()?;
        Ok([MAGIC, &(head.len() as u64).to_le_bytes(), &head, &recipe].concat())
    }
}

/// A parsed index.
pub struct Index {
    pub head: Head,
    recipe: Vec<u8>,
}

/// One piece of the stream.
pub enum Piece {
    Literal(Vec<u8>),
    Chunk(Chunk),
}

impl Index {
    pub fn parse(bytes: &[u8]) -> Result<Self, IndexError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(IndexError::Magic)?;
        let (length, rest) = rest.split_first_chunk::<8>().ok_or(IndexError::Magic)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok().filter(|length| *length <= rest.len());
        let (head, recipe) = rest.split_at(length.ok_or(IndexError::OutOfRange)?);
        let mut plain = Vec::new();
        zstd::Decoder::new(head)?.take(HEAD_LIMIT).read_to_end(&mut plain)?;
        let head: Head = postcard::from_bytes(&plain)?;
        let is_right = |chunk: &Chunk| {
            let pack = head.packs.get(chunk.pack as usize);
            let end = u64::from(chunk.offset) + u64::from(chunk.stored);
            // A chunk that does not become smaller is stored uncompressed.
            let is_short = chunk.length as usize <= super::chunk::LONGEST && chunk.stored <= chunk.length;
            pack.is_some_and(|(_, size)| end <= *size) && is_short
        };
        if !head.chunks.iter().all(is_right) {
            return Err(IndexError::OutOfRange);
        }
        Ok(Self { head, recipe: recipe.to_vec() })
    }

    pub fn pieces(&self) -> Result<PieceReader<'_>, IndexError> {
        Ok(PieceReader { index: self, recipe: zstd::Decoder::new(self.recipe.as_slice())? })
    }
}

/// Reads the pieces in order.
pub struct PieceReader<'a> {
    index: &'a Index,
    recipe: zstd::Decoder<'static, io::BufReader<&'a [u8]>>,
}

impl PieceReader<'_> {
    /// The next piece; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Piece>, IndexError> {
        let mut kind = [0];
        if self.recipe.read(&mut kind)? == 0 {
            return Ok(None);
        }
        let mut number = [0; 4];
        self.recipe.read_exact(&mut number)?;
        let number = u32::from_le_bytes(number);
        match kind[0] {
            LITERAL if number <= LITERAL_LIMIT => {
                let mut bytes = vec![0; number as usize];
                self.recipe.read_exact(&mut bytes)?;
                Ok(Some(Piece::Literal(bytes)))
            }
            CHUNK => {
                let chunk = self.index.head.chunks.get(number as usize).ok_or(IndexError::OutOfRange)?;
                Ok(Some(Piece::Chunk(*chunk)))
            }
            _ => Err(IndexError::OutOfRange),
        }
    }
}
