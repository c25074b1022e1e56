//! Writes the content of a cache mount from a cache into an empty folder.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{Gid, Uid};

use super::index::{Chunk, Index, IndexError, Piece, PieceReader};
use super::send::INDEX_LIMIT;
use crate::base::digest::{BlobDigest, DiffId, HashingWriter};
use crate::base::foreign::Folder;
use crate::base::io_error::{AtPath, IoError};
use crate::base::side_by_side::side_by_side;
use crate::build::remote_cache::blob::Blob;
use crate::build::remote_cache::mount_record::MountRecord;
use crate::image::layer::{self, ApplyOptions, LayerError};
use crate::store::{LayerOrigin, OriginError, RemoteBlob, Store, StoreError};

/// How many packs are fetched in parallel.
const AT_ONCE: usize = 4;

#[derive(Debug, thiserror::Error)]
pub enum FillError {
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("the content of the mount cannot be unpacked")]
    Unpack(#[from] LayerError),
    #[error("the blob {digest} cannot be fetched")]
    Fetch { digest: BlobDigest, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the blob {expected} is wrong: its content is {actual}")]
    WrongBlob { expected: BlobDigest, actual: BlobDigest },
    #[error("the content of the mount is {actual}, not {expected}")]
    WrongContent { expected: DiffId, actual: DiffId },
    #[error("the index of the mount names packs that the cache does not have")]
    WrongPacks,
}

/// Fills the empty folder with the content of `record`, whose blobs are at `source`. After an error the folder contains
/// a part of it.
pub fn fill(store: &Store, record: &MountRecord, source: &str, folder: &Path) -> Result<(), FillError> {
    let staging = store.staging()?;
    let origin = store.origin().ok_or_else(|| FillError::Fetch {
        digest: record.index.digest,
        source: "nobody is there to fetch it".into(),
    })?;
    let fetching = Fetching { origin: origin.as_ref(), source };
    let index_path = staging.path().join("index");
    fetching.fetch(&record.index, &index_path)?;
    let mut bytes = Vec::new();
    File::open(&index_path)
        .at("open", &index_path)?
        .take(INDEX_LIMIT)
        .read_to_end(&mut bytes)
        .at("read", &index_path)?;
    let index = Index::parse(&bytes)?;
    let listed = record.packs.iter().map(|blob| (*blob.digest.as_bytes(), blob.size));
    if !index.head.packs.iter().copied().eq(listed) {
        return Err(FillError::WrongPacks);
    }
    let packs = fetching.fetch_all(&record.packs, staging.path())?;
    let content = Content { pieces: index.pieces()?, packs: &packs, current: Vec::new(), position: 0 };
    let applied = layer::apply(content, folder, &ApplyOptions::default())?;
    if applied.diff_id != record.stream {
        return Err(FillError::WrongContent { expected: record.stream, actual: applied.diff_id });
    }
    let made = Folder::open(folder)?;
    made.set_own_owner(Uid::from_raw(index.head.uid), Gid::from_raw(index.head.gid))?;
    Ok(made.set_own_mode(index.head.mode & 0o7777)?)
}

struct Fetching<'a> {
    origin: &'a dyn LayerOrigin,
    source: &'a str,
}

impl Fetching<'_> {
    fn fetch(&self, blob: &Blob, path: &Path) -> Result<(), FillError> {
        let remote = RemoteBlob {
            digest: blob.digest,
            size: blob.size,
            media_type: blob.media_type.clone(),
            source: self.source.to_owned(),
        };
        let failed = |source| FillError::Fetch { digest: blob.digest, source };
        let reader = self.origin.open(&remote).map_err(|error| match error {
            OriginError::Gone(cause) | OriginError::Failed(cause) => failed(cause),
        })?;
        let mut out = HashingWriter::new(File::create_new(path).at("create", path)?);
        io::copy(&mut reader.take(blob.size + 1), &mut out).map_err(|error| failed(error.into()))?;
        match out.finish() {
            (_, actual, _) if actual == blob.digest => Ok(()),
            (_, actual, _) => Err(FillError::WrongBlob { expected: blob.digest, actual }),
        }
    }

    /// The packs as files, in order.
    fn fetch_all(&self, packs: &[Blob], folder: &Path) -> Result<Vec<File>, FillError> {
        let numbered: Vec<(usize, &Blob)> = packs.iter().enumerate().collect();
        side_by_side(&numbered, AT_ONCE, |(number, blob)| {
            let path = folder.join(format!("pack-{number}"));
            self.fetch(blob, &path)?;
            Ok(File::open(&path).at("open", &path)?)
        })
    }
}

/// The tar stream, reassembled from the packs.
struct Content<'a> {
    pieces: PieceReader<'a>,
    packs: &'a [File],
    current: Vec<u8>,
    position: usize,
}

impl Content<'_> {
    fn chunk(&self, chunk: Chunk) -> io::Result<Vec<u8>> {
        let pack = self.packs.get(chunk.pack as usize).ok_or(io::ErrorKind::InvalidData)?;
        let mut stored = vec![0; chunk.stored as usize];
        pack.read_exact_at(&mut stored, u64::from(chunk.offset))?;
        let bytes = match chunk.stored == chunk.length {
            true => stored,
            false => zstd::bulk::decompress(&stored, chunk.length as usize)?,
        };
        if *blake3::hash(&bytes).as_bytes() != chunk.digest {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a chunk is not what the index says"));
        }
        Ok(bytes)
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.position == self.current.len() {
            self.current = match self.pieces.next().map_err(io::Error::other)? {
                None => return Ok(0),
                Some(Piece::Literal(bytes)) => bytes,
                Some(Piece::Chunk(chunk)) => self.chunk(chunk)?,
            };
            self.position = 0;
        }
        let count = buffer.len().min(self.current.len() - self.position);
        buffer[..count].copy_from_slice(&self.current[self.position..self.position + count]);
        self.position += count;
        Ok(count)
    }
}
