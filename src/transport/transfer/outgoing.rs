//! Outgoing layers: the tar stream of a diffID, from any form that the store has, and its compressed form.

use std::io::{self, Write};

use super::{TransferError, make_present};
use crate::base::digest::{BlobDigest, DiffId, HashingWriter};
use crate::image::layer::{Compression, Decoder, GzipWriter, NothingKnown, ZstdWriter, encode_stacked};
use crate::image::{Descriptor, media_type};
use crate::store::{LayerBlob, Store, StoreError};

/// The formats in which layers are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerFormat {
    Tar,
    Gzip,
    Zstd,
    /// The same, with this level for layers that are compressed now: 0 to 9.
    GzipAt(i32),
    /// The same, with this level for layers that are compressed now: 0 to 22.
    ZstdAt(i32),
}

/// Slightly smaller than gzip's default level.
const GZIP_LEVEL: i32 = 5;
const ZSTD_LEVEL: i32 = 3;

impl LayerFormat {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Tar => media_type::OCI_LAYER,
            Self::Gzip | Self::GzipAt(_) => media_type::OCI_LAYER_GZIP,
            Self::Zstd | Self::ZstdAt(_) => media_type::OCI_LAYER_ZSTD,
        }
    }

    /// The media type of a layer that came without one. OCI has none for xz and bzip2.
    pub(super) fn media_type_of(compression: Compression) -> String {
        match compression {
            Compression::None => media_type::OCI_LAYER.to_owned(),
            Compression::Gzip => media_type::OCI_LAYER_GZIP.to_owned(),
            Compression::Zstd => media_type::OCI_LAYER_ZSTD.to_owned(),
            Compression::Xz => format!("{}+xz", media_type::OCI_LAYER),
            Compression::Bzip2 => format!("{}+bzip2", media_type::OCI_LAYER),
        }
    }

    fn suits(self, media_type: &str) -> bool {
        let format = match media_type.rsplit(['.', '+']).next() {
            Some("gzip") => Some(Self::Gzip),
            Some("zstd") => Some(Self::Zstd),
            Some("tar") => Some(Self::Tar),
            _ => None,
        };
        format.is_some_and(|format| format.media_type() == self.media_type())
    }
}

/// The length of the layer's uncompressed tar stream.
pub fn stream_size(store: &Store, diff_id: &DiffId) -> Result<u64, TransferError> {
    make_present(store, diff_id)?;
    sizes(store, diff_id).map(|(stream, _)| stream)
}

/// The total length of the layer's files, which docker shows as a layer's size. If the layer is not local and its size
/// is unknown, the smaller size of its blob.
pub fn content_size(store: &Store, diff_id: &DiffId) -> Result<u64, TransferError> {
    if !store.has_layer(diff_id)? {
        if let Some(claim) = store.layer_claim(diff_id)? {
            return Ok(claim.content_size);
        }
        if let Some(blob) = store.layer_sources(diff_id)?.first() {
            return Ok(blob.size);
        }
    }
    sizes(store, diff_id).map(|(_, content)| content)
}

fn sizes(store: &Store, diff_id: &DiffId) -> Result<(u64, u64), TransferError> {
    if let Some(blob) = store.layer_blobs(diff_id)?.into_iter().next() {
        return Ok((blob.stream_size, blob.content_size));
    }
    let record = store.layer(diff_id)?.ok_or(StoreError::NoLayer(*diff_id))?;
    Ok((record.stream_size, record.content_size))
}

/// Writes the layer's uncompressed tar stream: from an uncompressed blob, else encoded again from the layer's folder if
/// a step made it, else from a compressed blob. What is not local is fetched. The output is checked against the diffID.
pub fn write_stream(store: &Store, diff_id: &DiffId, out: impl Write + Send) -> Result<(), TransferError> {
    make_present(store, diff_id)?;
    let blobs = store.layer_blobs(diff_id)?;
    let plain = blobs.iter().find(|blob| LayerFormat::Tar.suits(&blob.media_type));
    let built = store.layer(diff_id)?.filter(|layer| layer.built);
    if let (None, Some(_)) = (plain, built) {
        let folders = store.layer_folders(diff_id)?.unwrap_or_default();
        let encoded = encode_stacked(&folders, out, &NothingKnown)
            .map_err(|source| TransferError::Layer { diff_id: *diff_id, source })?;
        return check(diff_id, encoded.diff_id);
    }
    let blob = plain.or(blobs.first()).ok_or(StoreError::NoLayer(*diff_id))?;
    let file = store.open_blob(&blob.digest)?;
    let mut stream =
        Decoder::new(file).map_err(|source| TransferError::Read { what: format!("blob {}", blob.digest), source })?;
    let mut out = HashingWriter::new(out);
    io::copy(&mut stream, &mut out).map_err(|source| TransferError::Write { diff_id: *diff_id, source })?;
    let (_, written, _) = out.finish();
    check(diff_id, DiffId::from_bytes(*written.as_bytes()))
}

fn check(expected: &DiffId, actual: DiffId) -> Result<(), TransferError> {
    if actual == *expected { Ok(()) } else { Err(TransferError::DamagedLayer { expected: *expected, actual }) }
}

/// The descriptor of the layer as a blob that can be sent: in the given format, or as it came if it came compressed in
/// another format; otherwise the layer is compressed now. [`make_present`] fetches what is remote.
pub fn layer_descriptor(store: &Store, diff_id: &DiffId, format: LayerFormat) -> Result<Descriptor, TransferError> {
    let is_here = store.has_layer(diff_id)?;
    let known: Vec<Descriptor> = match is_here {
        true => store.layer_blobs(diff_id)?.iter().map(describe).collect(),
        false => {
            let elsewhere = store.layer_sources(diff_id)?.into_iter();
            elsewhere.map(|blob| Descriptor::new(&blob.media_type, blob.digest, blob.size)).collect()
        }
    };
    let of = |format: LayerFormat| known.iter().find(|blob| format.suits(&blob.media_type));
    let is_own = store.layer(diff_id)?.is_some_and(|layer| layer.built);
    let as_it_came = || of(LayerFormat::Gzip).or_else(|| of(LayerFormat::Zstd));
    let compressed = of(format).or_else(|| as_it_came().filter(|_| !is_own));
    // A layer that would have to be fetched to be compressed stays as it is.
    match compressed.or_else(|| known.first().filter(|_| !is_here)) {
        Some(blob) => {
            store.touch_blob(&blob.digest);
            Ok(blob.clone())
        }
        None => Ok(describe(&compressed_blob(store, diff_id, format)?)),
    }
}

/// The layer as a blob in the given format. It is compressed on first use, and kept.
pub fn compressed_blob(store: &Store, diff_id: &DiffId, format: LayerFormat) -> Result<LayerBlob, TransferError> {
    let suitable = |blobs: Vec<LayerBlob>| blobs.into_iter().find(|blob| format.suits(&blob.media_type));
    make_present(store, diff_id)?;
    if let Some(blob) = suitable(store.layer_blobs(diff_id)?) {
        store.touch_blob(&blob.digest);
        return Ok(blob);
    }
    let _lock = store.lock(&format!("compress-{}", diff_id.hex()))?;
    if let Some(blob) = suitable(store.layer_blobs(diff_id)?) {
        return Ok(blob);
    }
    let (stream_size, content_size) = sizes(store, diff_id)?;
    let (digest, size) = compress(store, diff_id, format)?;
    let blob = LayerBlob { digest, size, media_type: format.media_type().to_owned(), stream_size, content_size };
    store.add_layer_blob(diff_id, &blob)?;
    Ok(blob)
}

fn compress(store: &Store, diff_id: &DiffId, format: LayerFormat) -> Result<(BlobDigest, u64), TransferError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let failed = |source| TransferError::Write { diff_id: *diff_id, source };
    let writer = store.blob_writer()?;
    let writer = match format {
        LayerFormat::Tar => {
            let mut writer = writer;
            write_stream(store, diff_id, &mut writer)?;
            writer
        }
        LayerFormat::Gzip | LayerFormat::GzipAt(_) => {
            let level = if let LayerFormat::GzipAt(level) = format { level } else { GZIP_LEVEL };
            let mut encoder = GzipWriter::new(writer, threads, level.unsigned_abs());
            write_stream(store, diff_id, &mut encoder)?;
            encoder.finish().map_err(failed)?
        }
        LayerFormat::Zstd | LayerFormat::ZstdAt(_) => {
            let level = if let LayerFormat::ZstdAt(level) = format { level } else { ZSTD_LEVEL };
            let mut encoder = ZstdWriter::new(writer, threads, level).map_err(failed)?;
            write_stream(store, diff_id, &mut encoder)?;
            encoder.finish().map_err(failed)?
        }
    };
    Ok(writer.finish(None)?)
}

/// The descriptor of a layer's blob.
pub fn describe(blob: &LayerBlob) -> Descriptor {
    Descriptor::new(&blob.media_type, blob.digest, blob.size)
}
