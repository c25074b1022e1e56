//! A build for a Docker Engine, as its build plugin: the engine's images are bases, and the result becomes one of them.

use std::sync::Mutex;

use crate::base::digest::{BlobDigest, DiffId, ImageId};
use crate::image::{Document, ImageConfig, Platform, Reference};
use crate::store::Store;
use crate::transport::archive::{self, ArchiveError, LoadOptions, Source};
use crate::transport::docker_engine::{Engine, EngineError, EngineImage, ImageStore};
use crate::transport::transfer::{LayerForm, documents};

use super::built::{BuildResult, BuiltImage};
use super::error::BuildError;

/// A config is never larger than this many bytes.
const CONFIG_LIMIT: u64 = 16 << 20;

/// The engine that a build works for.
#[derive(Debug)]
pub struct ForEngine {
    engine: Engine,
    /// Layers that the engine was found to have, the lowest first.
    seen: Mutex<Vec<Vec<DiffId>>>,
}

impl ForEngine {
    pub fn new(engine: Engine) -> Self {
        Self { engine, seen: Mutex::default() }
    }

    /// What a person calls the engine.
    pub fn place(&self) -> &str {
        self.engine.place()
    }

    /// The engine's image of that name, in the store; nothing where the engine has none, or one of another platform than the
    /// user asked for.
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
        // A config is there of each image that was built, also of those that went to the engine alone.
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

    /// Gives the result to the engine under these names. What the engine has of it is not sent.
    pub(super) fn load(&self, store: &Store, result: &BuildResult, names: &[Reference]) -> Result<(), BuildError> {
        let [image] = result.images.as_slice() else { return Err(BuildError::OneImageOnly) };
        let kind = self.engine.image_store()?;
        if let Some(known) = self.known(store, result, image, kind)? {
            for name in names {
                self.engine.tag(&known, name)?;
            }
            return Ok(());
        }
        let config = config(store, &image.id)?;
        let omitted = match kind {
            ImageStore::Layers => self.count_known(&config.rootfs.diff_ids, names)?,
            ImageStore::Containerd => 0,
        };
        let send = |omitted| self.engine.load(|out| archive::save_above(store, &config, names, omitted, out));
        match send(omitted)? {
            // It has lost what it said it had, or keeps it otherwise than it said.
            Err(EngineError::Refused { .. }) if omitted > 0 => send(0)??,
            answer => answer?,
        }
        Ok(())
    }

    /// The ID by which the engine has the image already.
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

    /// How many of the lowest layers the engine has: those that an image of it begins with, which was a base, or has one of
    /// the names.
    fn count_known(&self, layers: &[DiffId], names: &[Reference]) -> Result<usize, EngineError> {
        for name in names {
            if let Some(image) = self.engine.image(&name.to_string())? {
                self.see(&image);
            }
        }
        let seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let common = |known: &Vec<DiffId>| known.iter().zip(layers).take_while(|(known, own)| known == own).count();
        Ok(seen.iter().map(common).max().unwrap_or(0))
    }

    fn see(&self, image: &EngineImage) {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(image.layers.clone());
    }
}

/// Why an image of the engine's cannot be a base.
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
