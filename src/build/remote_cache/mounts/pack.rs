//! Packs chunks: skips known ones, compresses the others and sends them, pack by pack.

use std::collections::HashMap;
use std::io;

use super::index::{Chunk, Head, Recipe};
use super::split::Pieces;
use crate::base::digest::BlobDigest;
use crate::build::remote_cache::blob::Blob;
use crate::build::remote_cache::place::{Place, PlaceError};

pub const PACK_TYPE: &str = "application/vnd.rbuild.cache.mount.pack.v1";
/// The size at which a pack is sent.
const PACK_SIZE: usize = 16 << 20;
const LEVEL: i32 = 3;

/// Known chunks, which are not sent: by BLAKE3, the pack, offset, stored size and length.
pub type Known = HashMap<[u8; 32], (Blob, u32, u32, u32)>;

pub struct Packer<'a> {
    place: &'a dyn Place,
    known: &'a Known,
    recipe: Recipe,
    head: Head,
    /// The blobs of `head.packs`.
    packs: Vec<Blob>,
    numbers: HashMap<[u8; 32], u32>,
    pack_numbers: HashMap<BlobDigest, u32>,
    current: Vec<u8>,
    /// Chunks of the current pack, which has no digest yet.
    waiting: Vec<usize>,
    compressor: zstd::bulk::Compressor<'static>,
    /// Why the last write failed.
    pub failure: Option<PlaceError>,
}

/// The result of packing.
pub struct Packed {
    pub index: Vec<u8>,
    pub head: Head,
    pub packs: Vec<Blob>,
}

impl<'a> Packer<'a> {
    pub fn new(place: &'a dyn Place, known: &'a Known) -> io::Result<Self> {
        Ok(Self {
            place,
            known,
            recipe: Recipe::new()?,
            head: Head::default(),
            packs: Vec::new(),
            numbers: HashMap::new(),
            pack_numbers: HashMap::new(),
            current: Vec::new(),
            waiting: Vec::new(),
            compressor: zstd::bulk::Compressor::new(LEVEL)?,
            failure: None,
        })
    }

    /// Sends the last pack. `mode`, `uid` and `gid` are those of the mount's root folder.
    pub fn finish(mut self, (mode, uid, gid): (u32, u32, u32)) -> Result<Packed, PlaceError> {
        self.send_pack()?;
        let head = Head { mode, uid, gid, ..self.head };
        let index = self
            .recipe
            .finish(&head)
            .map_err(|source| PlaceError::Content { digest: BlobDigest::of(b""), source: source.into() })?;
        Ok(Packed { index, head, packs: self.packs })
    }

    fn number_of(&mut self, bytes: &[u8]) -> Result<u32, PlaceError> {
        let digest = *blake3::hash(bytes).as_bytes();
        if let Some(number) = self.numbers.get(&digest) {
            return Ok(*number);
        }
        let number = self.head.chunks.len() as u32;
        let length = bytes.len() as u32;
        let chunk = match self.known.get(&digest) {
            Some((blob, offset, stored, known_length)) if *known_length == length => {
                let pack = self.pack_number(blob);
                Chunk { digest, pack, offset: *offset, stored: *stored, length }
            }
            _ => {
                let offset = self.current.len() as u32;
                let compressed = self.compressor.compress(bytes).ok().filter(|it| it.len() < bytes.len());
                let stored = compressed.as_deref().unwrap_or(bytes);
                self.current.extend_from_slice(stored);
                self.waiting.push(number as usize);
                Chunk { digest, pack: u32::MAX, offset, stored: stored.len() as u32, length }
            }
        };
        self.head.chunks.push(chunk);
        self.numbers.insert(digest, number);
        if self.current.len() >= PACK_SIZE {
            self.send_pack()?;
        }
        Ok(number)
    }

    fn pack_number(&mut self, blob: &Blob) -> u32 {
        if let Some(number) = self.pack_numbers.get(&blob.digest) {
            return *number;
        }
        let number = self.packs.len() as u32;
        self.pack_numbers.insert(blob.digest, number);
        self.head.packs.push((*blob.digest.as_bytes(), blob.size));
        self.packs.push(blob.clone());
        number
    }

    fn send_pack(&mut self) -> Result<(), PlaceError> {
        if self.current.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.current);
        let blob = send_bytes(self.place, PACK_TYPE, bytes)?;
        let number = self.pack_number(&blob);
        for chunk in self.waiting.drain(..) {
            self.head.chunks[chunk].pack = number;
        }
        Ok(())
    }
}

/// Uploads a blob from memory, unless the place has it.
pub fn send_bytes(place: &dyn Place, media_type: &str, bytes: Vec<u8>) -> Result<Blob, PlaceError> {
    let blob = Blob { media_type: media_type.to_owned(), digest: BlobDigest::of(&bytes), size: bytes.len() as u64 };
    if place.blob_size(&blob.digest)? != Some(blob.size) {
        let bytes: std::sync::Arc<[u8]> = bytes.into();
        let content = || -> Result<Box<dyn io::Read + Send>, _> { Ok(Box::new(io::Cursor::new(bytes.clone()))) };
        place.put_blob(&blob.descriptor(), &content)?;
    }
    Ok(blob)
}

impl Pieces for &mut Packer<'_> {
    fn literal(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() { Ok(()) } else { self.recipe.literal(bytes) }
    }

    fn chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.number_of(bytes) {
            Ok(number) => self.recipe.chunk(number),
            Err(error) => {
                let text = error.to_string();
                self.failure = Some(error);
                Err(io::Error::other(text))
            }
        }
    }
}
