//! Which image a user means: by a name, a digest, an ID or a prefix of one.

use super::{Reader, StoreError};
use crate::base::digest::ImageId;
use crate::image::{ImageConfig, Platform, Reference, best_match};

/// The size limit of a config.
const CONFIG_LIMIT: u64 = 16 << 20;

/// Why a word does not identify an image.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum FindImageError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no such image: {name}")]
    NotFound { name: String },
    #[error("the ID prefix `{prefix}` is ambiguous: {} images begin with it", matches.len())]
    Ambiguous { prefix: String, matches: Vec<ImageId> },
}

/// An image, and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundImage {
    /// The digest of its config.
    pub id: ImageId,
    /// The tag by which it was found; `None` if it was found by its ID.
    pub reference: Option<Reference>,
}

impl Reader {
    /// The image that `word` means: a full ID, else a name, else a prefix of an ID, in docker's order.
    ///
    /// It is held, with its layers, until the store is closed.
    pub fn find_image(&self, word: &str) -> Result<FoundImage, FindImageError> {
        let found = self.look_for_image(word)?;
        if self.hold_image(&found.id)? {
            return Ok(found);
        }
        Err(FindImageError::NotFound { name: word.to_owned() })
    }

    fn look_for_image(&self, word: &str) -> Result<FoundImage, FindImageError> {
        let by_id = |id| FoundImage { id, reference: None };
        let hex = word.strip_prefix("sha256:").unwrap_or(word);
        if let Ok(id) = format!("sha256:{hex}").parse::<ImageId>()
            && self.image(&id)?.is_some()
        {
            return Ok(by_id(id));
        }
        let reference = word.parse::<Reference>().ok();
        if let Some(reference) = &reference
            && let Some(found) = self.find_tag(reference)?
        {
            return Ok(found);
        }
        let is_prefix =
            !hex.is_empty() && hex.len() <= 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mut matches = Vec::new();
        if is_prefix {
            matches.extend(self.images()?.into_iter().map(|image| image.id).filter(|id| id.hex().starts_with(hex)));
        }
        match matches.as_slice() {
            [id] => Ok(by_id(*id)),
            [] => {
                let name = reference.map_or_else(|| word.to_owned(), |reference| reference.familiar());
                Err(FindImageError::NotFound { name })
            }
            _ => Err(FindImageError::Ambiguous { prefix: word.to_owned(), matches }),
        }
    }

    /// The image of that name for `platform`: of several, the one that runs best there, or else the one that the name
    /// stands for.
    pub fn tag_for(&self, name: &str, platform: &Platform) -> Result<Option<ImageId>, StoreError> {
        let Some(tag) = self.whole_tag(name)? else { return Ok(None) };
        let platforms = tag.index.iter().map(|id| self.platform_of(id)).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(best_match(platform, &platforms).map_or(tag.image, |best| tag.index[best])))
    }

    /// The image's platform according to its config.
    pub fn platform_of(&self, id: &ImageId) -> Result<Platform, StoreError> {
        let config = self.read_blob(&(*id).into(), CONFIG_LIMIT)?;
        // An unreadable image runs nowhere.
        let config: ImageConfig = serde_json::from_slice(&config).unwrap_or_default();
        Ok(config.platform)
    }

    /// The image with this name. A name with both a tag and a digest is looked up by its digest, as in docker.
    fn find_tag(&self, reference: &Reference) -> Result<Option<FoundImage>, StoreError> {
        let name = match reference.blob_digest() {
            Some(digest) => reference.with_digest(&digest),
            None => reference.clone(),
        };
        Ok(self.tag(&name.to_string())?.map(|id| FoundImage { id, reference: Some(name) }))
    }
}
