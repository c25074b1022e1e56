//! Checks images: each has a config, and its layers are local or can be fetched.

use super::{Check, Severity};
use crate::base::digest::ImageId;
use crate::image::ImageConfig;
use crate::store::StoreError;

/// The size limit of a config.
const CONFIG_LIMIT: u64 = 16 << 20;

impl Check<'_> {
    pub(super) fn images(&mut self) -> Result<(), StoreError> {
        for image in self.store.images()? {
            let Some(fault) = self.image_fault(&image.id)? else { continue };
            // Removed meanwhile.
            if self.store.image(&image.id)?.is_none() {
                continue;
            }
            let names: Vec<String> = self
                .store
                .tags()?
                .into_iter()
                .filter(|tag| tag.images().contains(&image.id))
                .map(|tag| tag.name)
                .collect();
            let subject = match names.as_slice() {
                [] => format!("image {}", image.id),
                names => format!("image {} ({})", image.id.short(), names.join(", ")),
            };
            self.found(Severity::Damage, subject, fault, |store| {
                store.remove_image(&image.id)?;
                Ok(Some("removed: pull or build it again".to_owned()))
            })?;
        }
        Ok(())
    }

    fn image_fault(&self, id: &ImageId) -> Result<Option<String>, StoreError> {
        let bytes = match self.store.read_blob(&(*id).into(), CONFIG_LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Some(format!("its config cannot be had: {error}"))),
        };
        let Ok(config) = serde_json::from_slice::<ImageConfig>(&bytes) else {
            return Ok(Some("its config is not an image config".to_owned()));
        };
        for diff_id in &config.rootfs.diff_ids {
            if !self.store.can_have_layer(diff_id)? {
                return Ok(Some(format!("layer {diff_id} is nowhere")));
            }
        }
        Ok(None)
    }
}
