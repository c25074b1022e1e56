//! Finds what base names stand for: images of the store, images of registries, and what the user put in their place.

use crate::base::digest::ImageId;
use crate::image::{Document, ImageConfig, Platform, Reference, best_match};
use crate::language::plan::{BaseError, BaseImage, Bases, NamedContext};
use crate::store::Reader;
use crate::transport::registry::{self, Client};

use super::batch::{BaseQuestion, Batch};
use super::built::BuiltImage;
use super::named;
use super::options::{BuildOptions, NamedContextSource};

/// The size limit of a config.
const CONFIG_LIMIT: u64 = 16 << 20;

pub(super) struct StoreBases<'a> {
    store: &'a Reader,
    batch: &'a Batch<'a>,
    options: &'a BuildOptions,
}

impl<'a> StoreBases<'a> {
    pub fn new(batch: &'a Batch<'a>, options: &'a BuildOptions) -> Self {
        Self { store: batch.store, batch, options }
    }

    /// The image of that name in the store, if there is one.
    pub fn stored(&self, reference: &Reference, platform: &Platform) -> Result<Option<BaseImage>, BaseError> {
        let found = match reference.blob_digest() {
            Some(digest) => self.store.image_with_manifest(&digest).map_err(wrap)?,
            None => self.store.tag_for(&reference.to_string(), platform).map_err(wrap)?,
        };
        let Some(id) = found else { return Ok(None) };
        if !self.store.hold_image(&id).map_err(wrap)? {
            return Ok(None);
        }
        let image = self.load(&id, reference.to_string())?;
        for layer in &image.layers {
            // Known to be gone from its origin: ask the registry again.
            if !self.store.can_have_layer(layer).map_err(wrap)? {
                return Ok(None);
            }
        }
        let matches = image.config.platform.os.is_empty()
            || crate::image::best_match(platform, [&image.config.platform]).is_some();
        Ok(Some(image).filter(|_| matches || !self.options.platform_is_explicit))
    }

    /// What may have been meant: an image in the store with a similar name.
    fn nearest_image(&self, reference: &Reference) -> Option<String> {
        let tags = self.store.tags().ok()?;
        let names: Vec<String> =
            tags.iter().filter_map(|tag| Some(tag.name.parse::<Reference>().ok()?.familiar())).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = crate::base::nearest(&reference.familiar(), &names)?;
        Some(format!("an image of nearly that name is here: `{found}`"))
    }

    fn load(&self, id: &ImageId, name: String) -> Result<BaseImage, BaseError> {
        let bytes = self.store.read_blob(&(*id).into(), CONFIG_LIMIT).map_err(wrap)?;
        let config = Document::<ImageConfig>::parse("image config", bytes).map_err(wrap)?.into_value();
        let layers = config.rootfs.diff_ids.clone();
        let manifest = self.store.image(id).map_err(wrap)?.and_then(|image| image.manifest);
        let digest = manifest.map_or_else(|| id.to_string(), |manifest| manifest.to_string());
        Ok(BaseImage { name, config: config.child(), layers, digest })
    }
}

impl StoreBases<'_> {
    /// The image from the engine, the store or a registry.
    fn find(&self, reference: &Reference, platform: &Platform) -> Result<BaseImage, BaseError> {
        if let Some(engine) = self.options.engine.as_ref().filter(|_| !self.options.pull) {
            let wanted = self.options.platform_is_explicit.then_some(platform);
            if let Some(id) = engine.base(self.batch.work().map_err(wrap)?, reference, wanted).map_err(wrap)? {
                return self.load(&id, reference.to_string());
            }
        }
        if !self.options.pull
            && let Some(image) = self.stored(reference, platform)?
        {
            return Ok(image);
        }
        let store = self.batch.work().map_err(wrap)?;
        let pulled = Client::new(&self.options.registry)
            .and_then(|client| client.repository(reference))
            .and_then(|repository| registry::pull_lazily(store, &repository, reference, Some(platform)))
            .map_err(|error| BaseError {
                message: format!("{}: {error}", reference.familiar()),
                hint: self.nearest_image(reference).or_else(|| error.hint()),
                source: Some(Box::new(error)),
            })?;
        self.load(&pulled.id, reference.to_string())
    }
}

impl Bases for StoreBases<'_> {
    fn image(&self, reference: &Reference, platform: &Platform) -> Result<BaseImage, BaseError> {
        let question = BaseQuestion {
            reference: reference.to_string(),
            platform: platform.to_string(),
            platform_is_explicit: self.options.platform_is_explicit,
            pull: self.options.pull,
        };
        self.batch.bases.get_or_make(question, || self.find(reference, platform))
    }

    fn named_context(&self, name: &str, platform: &Platform) -> Result<Option<NamedContext>, BaseError> {
        let Some((given, source)) = named::find(&self.options.named_contexts, name) else { return Ok(None) };
        match source {
            NamedContextSource::Directory(_) | NamedContextSource::Remote(_) => Ok(Some(NamedContext::Directory)),
            NamedContextSource::Nothing => Ok(Some(NamedContext::Nothing)),
            NamedContextSource::Image(reference) => {
                Ok(Some(NamedContext::Image(Box::new(self.image(reference, platform)?))))
            }
            NamedContextSource::Built(images) => {
                Ok(Some(NamedContext::Image(Box::new(built(given, images, platform)?))))
            }
            NamedContextSource::OciLayout { path, reference } => {
                let store = self.batch.work().map_err(wrap)?;
                let id = named::load_layout(store, path, reference.as_deref(), platform)?;
                Ok(Some(NamedContext::Image(Box::new(self.load(&id, format!("oci-layout://{}", path.display()))?))))
            }
        }
    }
}

/// The image that another build made for the platform; a single image serves all platforms.
pub(super) fn built(name: &str, images: &[BuiltImage], platform: &Platform) -> Result<BaseImage, BaseError> {
    let found = best_match(platform, images.iter().map(|image| &image.platform));
    let image = match (found, images) {
        (Some(index), _) => &images[index],
        (None, [only]) => only,
        (None, _) => {
            let message = format!("the target that is `{name}` was not built for {platform}");
            return Err(BaseError { message, hint: None, source: None });
        }
    };
    Ok(BaseImage {
        name: name.to_owned(),
        config: image.config.child(),
        layers: image.config.rootfs.diff_ids.clone(),
        digest: image.id.to_string(),
    })
}

pub(super) fn wrap(error: impl std::error::Error + Send + Sync + 'static) -> BaseError {
    BaseError { message: error.to_string(), hint: None, source: Some(Box::new(error)) }
}
