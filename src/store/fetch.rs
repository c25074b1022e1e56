//! Fetches a layer that is not local. The blob is written to staging and hashed while it is unpacked or measured, and
//! used only if its digest and length are right.

use std::error::Error;
use std::io::{self, Read, Write as _};
use std::sync::Arc;

use super::{BlobWriter, LayerBlob, RemoteBlob, Store, StoreError};
use crate::base::digest::{BlobDigest, DiffId};

/// Opens remote blobs.
pub trait LayerOrigin: Send + Sync {
    /// The blob's bytes from the start. They may be wrong: the reader checks them.
    fn open(&self, blob: &RemoteBlob) -> Result<Box<dyn Read + Send>, OriginError>;

    /// The location's name for users.
    fn place(&self, source: &str) -> String;
}

/// Why a blob is not available.
#[derive(Debug)]
pub enum OriginError {
    /// The location has no such blob, or a wrong one: retrying is useless.
    Gone(Box<dyn Error + Send + Sync>),
    /// A retry may succeed.
    Failed(Box<dyn Error + Send + Sync>),
}

impl OriginError {
    /// The blob is not there, or is not the layer.
    pub fn gone(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Gone(error.into())
    }

    /// The blob could not be read now.
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(error.into())
    }
}

/// A layer whose content is needed and not available.
#[derive(Debug, thiserror::Error)]
#[error("{place}")]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub struct FetchError {
    pub diff_id: DiffId,
    /// The last location that was tried.
    pub place: String,
    #[source]
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

impl FetchError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        "bring the place back, or make the image again: `rbuild pull` what was pulled, `rbuild build --no-cache` what \
         was built"
    }

    /// Finds such an error among the causes of `error`.
    pub fn among<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            // A boxed cause is an error of its own.
            let boxed = error.downcast_ref::<Box<Self>>().map(|boxed| &**boxed);
            if let Some(found) = error.downcast_ref::<Self>().or(boxed) {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

/// A blob on its way into the store. The reader must read it to the end.
pub struct Download<'a> {
    source: Box<dyn Read + Send>,
    writer: BlobWriter<'a>,
    expected: BlobDigest,
    /// One byte beyond the announced length is enough to detect an excess.
    left: u64,
}

impl Download<'_> {
    /// The expected digest of the blob.
    pub fn expected(&self) -> BlobDigest {
        self.expected
    }
}

impl Read for Download<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.source.read(&mut buffer[..wanted])?;
        self.left -= count as u64;
        self.writer.write_all(&buffer[..count])?;
        Ok(count)
    }
}

/// What was learned about a layer while it was fetched.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Bytes of the uncompressed stream.
    pub stream_size: u64,
    /// Bytes of the files' contents.
    pub content_size: u64,
}

/// The result of fetching a layer, and its sizes.
pub type Taken<T> = Result<(T, Sizes), OriginError>;

impl Store {
    /// From now on `origin` fetches layers that are not local.
    pub fn set_origin(&self, origin: Arc<dyn LayerOrigin>) {
        *self.origin.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(origin);
    }

    /// Opens remote blobs.
    pub fn origin(&self) -> Option<Arc<dyn LayerOrigin>> {
        self.origin.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Fetches the layer's blob and stores it. `take` reads it as it arrives, checks that it is the layer, and returns
    /// `Gone` if not. All known locations are tried; those with wrong content are forgotten.
    pub fn fetch_layer<T>(
        &self,
        diff_id: &DiffId,
        mut take: impl FnMut(&mut Download<'_>) -> Taken<T>,
    ) -> Result<T, StoreError> {
        let nowhere = "it is not in the store, and no other place is known that has it".to_owned();
        let mut failure = StoreError::Fetch(Box::new(FetchError { diff_id: *diff_id, place: nowhere, cause: None }));
        let Some(origin) = self.origin() else { return Err(failure) };
        for blob in self.layer_sources(diff_id)? {
            let cause = match self.fetch_from(origin.as_ref(), &blob, &mut take) {
                Ok((taken, sizes)) => {
                    self.add_layer_blob(diff_id, &layer_blob(&blob, sizes))?;
                    return Ok(taken);
                }
                Err(OriginError::Failed(cause)) => cause,
                Err(OriginError::Gone(cause)) => {
                    self.remove_layer_source(diff_id, &blob)?;
                    if !self.can_have_layer(diff_id)? {
                        self.distrust_layer(diff_id)?;
                    }
                    cause
                }
            };
            let place = origin.place(&blob.source);
            failure = StoreError::Fetch(Box::new(FetchError { diff_id: *diff_id, place, cause: Some(cause) }));
        }
        Err(failure)
    }

    fn fetch_from<T>(
        &self,
        origin: &dyn LayerOrigin,
        blob: &RemoteBlob,
        take: &mut impl FnMut(&mut Download<'_>) -> Taken<T>,
    ) -> Taken<T> {
        let source = origin.open(blob)?;
        let writer = self.blob_writer().map_err(OriginError::failed)?;
        let mut download = Download { source, writer, expected: blob.digest, left: blob.size.saturating_add(1) };
        let taken = take(&mut download);
        if let Err(OriginError::Failed(cause)) = taken {
            return Err(OriginError::Failed(cause));
        }
        // To the unpacking code, a broken connection looks like wrong content; here they can be told apart.
        io::copy(&mut download, &mut io::sink()).map_err(OriginError::failed)?;
        let size = download.writer.written();
        if size != blob.size {
            let text = format!("blob {} has {size} bytes, not {}", blob.digest, blob.size);
            return Err(if size < blob.size { OriginError::failed(text) } else { OriginError::gone(text) });
        }
        let taken = taken?;
        download.writer.finish(Some(blob.digest)).map_err(OriginError::gone)?;
        Ok(taken)
    }
}

fn layer_blob(blob: &RemoteBlob, sizes: Sizes) -> LayerBlob {
    LayerBlob {
        digest: blob.digest,
        size: blob.size,
        media_type: blob.media_type.clone(),
        stream_size: sizes.stream_size,
        content_size: sizes.content_size,
    }
}
