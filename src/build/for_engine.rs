//! A build for a Docker Engine, as its build plugin: the engine's images are bases, and the result becomes one of them.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::base::digest::{BlobDigest, DiffId, ImageId};
use crate::base::human_size;
use crate::build::solve::{Progress, TaskEvent};
use crate::image::{Document, ImageConfig, Index, Manifest, Platform, Reference};
use crate::store::Store;
use crate::transport::archive::{self, ArchiveError, LoadOptions, NamedImage, Source};
use crate::transport::docker_engine::{Engine, EngineError, EngineImage, ImageStore};
use crate::transport::transfer::{LayerForm, documents};

use super::built::{BuildResult, BuiltImage};
use super::error::BuildError;

/// The size limit of a config.
const CONFIG_LIMIT: u64 = 16 << 20;

/// The engine that a build works for.
#[derive(Debug)]
pub struct ForEngine {
    engine: Engine,
    /// Images that the engine is known to have.
    seen: Mutex<Vec<EngineImage>>,
}

impl ForEngine {
    /// For this engine.
    pub fn new(engine: Engine) -> Self {
        Self { engine, seen: Mutex::default() }
    }

    /// The engine's address for display.
    pub fn place(&self) -> &str {
        self.engine.place()
    }

    /// The engine's image of that name, in the store; `None` if the engine has none, or only one of a platform other
    /// than the user asked for.
    pub(super) fn base(
        &self,
        store: &Store,
        reference: &Reference,
        wanted: Option<&Platform>,
    ) -> Result<Option<ImageId>, BaseFailure> {
        let Some(found) = self.engine.image(&reference.to_string())? else { return Ok(None) };
        self.see(&found);
        let id = match self.stored(store, &found)? {
            Some(id) => id,
            None => {
                let archive = Source::Stream(Box::new(self.engine.save(&found.id)?));
                let options = LoadOptions { untagged: true, ..LoadOptions::default() };
                let loaded = archive::load(store, archive, &options)?;
                loaded.first().map(|image| image.id).ok_or(ArchiveError::Empty)?
            }
        };
        let platform = config(store, &id)?.platform.clone();
        let suits = wanted.is_none_or(|wanted| crate::image::best_match(wanted, [&platform]).is_some());
        Ok(suits.then_some(id))
    }

    /// The image in the store that is the same as one of the engine's, with all its layers.
    fn stored(&self, store: &Store, image: &EngineImage) -> Result<Option<ImageId>, ArchiveError> {
        let Ok(digest) = image.id.parse::<BlobDigest>() else { return Ok(None) };
        // The config of every built image is in the store, also of those that were sent to the engine only.
        let id = match store.image_with_manifest(&digest)? {
            Some(id) => id,
            None if store.has_blob(&digest) => digest.into(),
            None => return Ok(None),
        };
        store.hold_image(&id)?;
        for layer in &config(store, &id)?.rootfs.diff_ids {
            if !store.can_have_layer(layer)? {
                return Ok(None);
            }
        }
        Ok(Some(id))
    }

    /// Whether the engine can keep images for several platforms under one name.
    pub(super) fn takes_indexes(&self) -> bool {
        matches!(self.engine.image_store(), Ok(ImageStore::Containerd))
    }

    /// Gives the result to the engine under these names. What the engine already has is not sent.
    pub(super) fn load(
        &self,
        store: &Store,
        result: &BuildResult,
        names: &[Reference],
        progress: &dyn Progress,
    ) -> Result<(), BuildError> {
        let task = format!("loading into the Docker Engine at {}", self.place());
        let begun = Instant::now();
        progress.task(TaskEvent::Started { task: &task });
        let sent = Sent { progress, task: &task, state: Mutex::default() };
        let done = self.load_what_is_missing(store, result, names, &sent);
        match &done {
            Ok(text) => {
                progress.task(TaskEvent::Note { task: &task, text: &sent.note(text) });
                progress.task(TaskEvent::Done { task: &task, took: begun.elapsed() });
            }
            Err(error) => progress.task(TaskEvent::Failed { task: &task, message: &error.to_string() }),
        }
        done.map(drop)
    }

    /// Returns what was done.
    fn load_what_is_missing(
        &self,
        store: &Store,
        result: &BuildResult,
        names: &[Reference],
        sent: &Sent<'_>,
    ) -> Result<String, BuildError> {
        let kind = self.engine.image_store()?;
        let image = match (kind, result.images.as_slice()) {
            (_, [image]) => image,
            (ImageStore::Containerd, [image, ..]) => image,
            _ => return Err(BuildError::OneImageOnly),
        };
        if let Some(known) = self.known(store, result, image, kind)? {
            for name in names {
                self.engine.tag(&known, name)?;
            }
            return Ok("the engine has the image already".to_owned());
        }
        for name in names {
            if let Some(image) = self.engine.image(&name.to_string())? {
                self.see(&image);
            }
        }
        match kind {
            ImageStore::Layers => self.load_layers(store, image, names, sent),
            ImageStore::Containerd => self.load_blobs(store, result, names, sent),
        }
    }

    /// Sends docker's archive, without the lowest layers that the engine has.
    fn load_layers(
        &self,
        store: &Store,
        image: &BuiltImage,
        names: &[Reference],
        sent: &Sent<'_>,
    ) -> Result<String, BuildError> {
        let config = config(store, &image.id)?;
        let layers = &config.rootfs.diff_ids;
        let omitted = self.count_known(layers);
        let send =
            |omitted| self.engine.load(|out| archive::save_above(store, &config, names, omitted, sent.counted(out)));
        match send(omitted)? {
            // The engine lost the layers that it listed, or stores them differently.
            Err(EngineError::Refused { .. }) if omitted > 0 => send(0)??,
            answer => answer?,
        }
        Ok(format!("{} of {} layers sent", layers.len() - omitted, layers.len()))
    }

    /// Sends an OCI layout, without the blobs of images that rbuild gave to the engine before: their manifests are
    /// known, and therefore their blobs.
    fn load_blobs(
        &self,
        store: &Store,
        result: &BuildResult,
        names: &[Reference],
        sent: &Sent<'_>,
    ) -> Result<String, BuildError> {
        let known = self.known_blobs(store)?;
        let image = NamedImage { image: result.outgoing.clone(), names: names.to_vec() };
        let send = |known: &HashSet<BlobDigest>| {
            self.engine.load(|out| archive::save_beside(store, &image, known, sent.counted(out)))
        };
        match send(&known)? {
            Err(EngineError::Refused { .. }) if !known.is_empty() => send(&HashSet::new())??,
            answer => answer?,
        }
        let documents = documents(store, &result.outgoing, LayerForm::Streams)?;
        let mut layers = HashSet::new();
        for document in &documents.manifests {
            store.put_blob(document.manifest.bytes())?;
            layers.extend(document.manifest.layers.iter().map(|layer| layer.digest));
        }
        if let Some(index) = &documents.index {
            store.put_blob(&index.bytes)?;
        }
        Ok(format!("{} of {} layers sent", layers.difference(&known).count(), layers.len()))
    }

    /// The blobs of images that the engine has and rbuild gave to it.
    fn known_blobs(&self, store: &Store) -> Result<HashSet<BlobDigest>, ArchiveError> {
        let mut known = HashSet::new();
        let mut wanted: Vec<BlobDigest> = self.lock().iter().filter_map(|image| image.id.parse().ok()).collect();
        while let Some(digest) = wanted.pop() {
            if !store.has_blob(&digest) {
                continue;
            }
            let bytes = store.read_blob(&digest, CONFIG_LIMIT)?;
            if let Ok(index) = serde_json::from_slice::<Index>(&bytes)
                && !index.manifests.is_empty()
            {
                wanted.extend(index.manifests.iter().map(|manifest| manifest.digest));
            } else if let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) {
                known.extend(manifest.layers.iter().map(|layer| layer.digest));
            }
        }
        Ok(known)
    }

    /// The engine's ID of the image, if it has the image already.
    fn known(
        &self,
        store: &Store,
        result: &BuildResult,
        image: &BuiltImage,
        kind: ImageStore,
    ) -> Result<Option<String>, BuildError> {
        let id = match kind {
            ImageStore::Layers => image.id.to_string(),
            ImageStore::Containerd => documents(store, &result.outgoing, LayerForm::Streams)?.top().digest.to_string(),
        };
        Ok(self.engine.image(&id)?.map(|found| found.id))
    }

    /// How many of the lowest layers the engine has: those shared with an image of it that was a base or has one of the
    /// names.
    fn count_known(&self, layers: &[DiffId]) -> usize {
        let common =
            |known: &EngineImage| known.layers.iter().zip(layers).take_while(|(known, own)| known == own).count();
        self.lock().iter().map(common).max().unwrap_or(0)
    }

    fn see(&self, image: &EngineImage) {
        self.lock().push(image.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<EngineImage>> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Reports how much of an archive has been sent.
struct Sent<'a> {
    progress: &'a dyn Progress,
    task: &'a str,
    /// The number of bytes, and when it was last reported.
    state: Mutex<(u64, Option<Instant>)>,
}

impl Sent<'_> {
    const TELL_EVERY: Duration = Duration::from_millis(100);

    /// Starts counting an archive.
    fn counted<'a>(&'a self, out: &'a mut (dyn Write + Send)) -> Counted<'a> {
        *self.lock() = (0, None);
        Counted { sent: self, out }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Option<Instant>)> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn add(&self, count: usize) {
        let mut state = self.lock();
        state.0 += count as u64;
        if state.1.is_none_or(|told| told.elapsed() >= Self::TELL_EVERY) {
            state.1 = Some(Instant::now());
            self.progress.task(TaskEvent::Moved { task: self.task, bytes: state.0 });
        }
    }

    /// What was done, and how much was sent.
    fn note(&self, text: &str) -> String {
        match self.lock().0 {
            0 => text.to_owned(),
            bytes => {
                self.progress.task(TaskEvent::Moved { task: self.task, bytes });
                format!("{text}, {}", human_size(bytes, 3))
            }
        }
    }
}

struct Counted<'a> {
    sent: &'a Sent<'a>,
    out: &'a mut (dyn Write + Send),
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.sent.add(count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Why an image of the engine cannot be a base.
#[derive(Debug, thiserror::Error)]
pub(super) enum BaseFailure {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

fn config(store: &Store, id: &ImageId) -> Result<Document<ImageConfig>, ArchiveError> {
    let bytes = store.read_blob(&(*id).into(), CONFIG_LIMIT)?;
    Ok(Document::parse("image config", bytes)?)
}
