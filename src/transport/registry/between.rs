//! Copies from one repository to another, through this machine's memory only.

use std::io::{self, Read};

use super::{Event, Progress, RegistryError, Repository, UploadSource, Uploaded};
use crate::image::media_type::{Kind, classify};
use crate::image::{Descriptor, Manifest};

impl Repository {
    /// Copies the config and the layers that the manifest names from another repository; what is here already, or can
    /// be mounted, is not sent.
    pub fn take_blobs(
        &self,
        from: &Repository,
        manifest: &Manifest,
        progress: &dyn Progress,
    ) -> Result<(), RegistryError> {
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            self.take_blob(from, blob, progress)?;
        }
        Ok(())
    }

    /// Copies one blob from another repository.
    pub fn take_blob(
        &self,
        from: &Repository,
        blob: &Descriptor,
        progress: &dyn Progress,
    ) -> Result<(), RegistryError> {
        let Descriptor { digest, size, .. } = blob;
        if classify(&blob.media_type) == (Kind::Layer { foreign: true }) && !blob.urls.is_empty() {
            progress.event(digest, Event::Foreign);
            return Ok(());
        }
        let is_near = from.domain() == self.domain();
        let elsewhere: Vec<String> = is_near.then(|| from.path().to_owned()).into_iter().collect();
        let source = RemoteSource { from, blob, progress };
        let uploaded = self.upload(digest, *size, &elsewhere, &source).map_err(|error| match error {
            RegistryError::Source { what, source } => match source.downcast::<RegistryError>() {
                Ok(own) => own,
                Err(source) => RegistryError::Source { what, source },
            },
            other => other,
        })?;
        let event = match &uploaded {
            Uploaded::Existed => Event::Exists,
            Uploaded::Mounted { from } => Event::Mounted { from },
            Uploaded::Sent => Event::Complete,
        };
        progress.event(digest, event);
        Ok(())
    }
}

/// A blob that is read from one registry while it is sent to another, which checks its digest.
struct RemoteSource<'a> {
    from: &'a Repository,
    blob: &'a Descriptor,
    progress: &'a dyn Progress,
}

impl UploadSource for RemoteSource<'_> {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        let Descriptor { digest, size, .. } = self.blob;
        let reader = match offset {
            0 => self.from.blob(digest, Some(*size)),
            offset => self.from.blob_range(digest, offset, *size),
        };
        Ok(Box::new(reader.map_err(io::Error::other)?))
    }

    fn sent(&self, bytes: u64) {
        self.progress.event(&self.blob.digest, Event::Moved { bytes });
    }
}
