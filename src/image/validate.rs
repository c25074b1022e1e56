//! The image-spec's invariants across an image's documents. rbuild checks what it writes and what it loads.

use super::config::ImageConfig;
use super::manifest::Manifest;

/// A rule of the image-spec that an image violates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum BrokenInvariant {
    #[error("the image config says no {field}")]
    Missing { field: &'static str },
    #[error("the root filesystem is of type `{kind}`, not `layers`")]
    RootFsType { kind: String },
    #[error("the history has {history} entries with a layer, but there are {layers} layers")]
    HistoryCount { history: usize, layers: usize },
    #[error("the manifest has {manifest} layers, but the config {config}")]
    LayerCount { manifest: usize, config: usize },
    #[error("the environment entry `{entry}` is not of the form NAME=VALUE")]
    Environment { entry: String },
}

impl ImageConfig {
    /// Checks a config that rbuild is about to write. Other tools' configs only have to pass
    /// [`ImageConfig::validate_loaded`].
    pub fn validate(&self) -> Result<(), BrokenInvariant> {
        for (field, value) in [("operating system", &self.platform.os), ("architecture", &self.platform.architecture)] {
            if value.is_empty() {
                return Err(BrokenInvariant::Missing { field });
            }
        }
        if let Some(entry) = self.config.env.iter().find(|entry| !entry.contains('=')) {
            return Err(BrokenInvariant::Environment { entry: entry.clone() });
        }
        self.validate_loaded()?;
        let history = self.history.iter().filter(|entry| !entry.empty_layer).count();
        let layers = self.rootfs.diff_ids.len();
        if history != layers {
            return Err(BrokenInvariant::HistoryCount { history, layers });
        }
        Ok(())
    }

    /// Checks what every reader needs. Some tools omit history and platform, and docker accepts such images.
    pub fn validate_loaded(&self) -> Result<(), BrokenInvariant> {
        if self.rootfs.kind != "layers" && !(self.rootfs.kind.is_empty() && self.rootfs.diff_ids.is_empty()) {
            return Err(BrokenInvariant::RootFsType { kind: self.rootfs.kind.clone() });
        }
        Ok(())
    }
}

impl Manifest {
    /// Checks that the manifest and its config have the same number of layers.
    pub fn validate(&self, config: &ImageConfig) -> Result<(), BrokenInvariant> {
        let (manifest, config) = (self.layers.len(), config.rootfs.diff_ids.len());
        if manifest != config {
            return Err(BrokenInvariant::LayerCount { manifest, config });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{History, Platform};
    use super::*;
    use crate::base::digest::DiffId;

    fn config() -> ImageConfig {
        let mut config = ImageConfig::scratch(&Platform::new("linux", "amd64", ""));
        config.push_layer(DiffId::from_bytes([1; 32]), History::default());
        config.history.push(History { empty_layer: true, ..History::default() });
        config
    }

    #[test]
    fn a_layer_without_history_is_found() {
        assert_eq!(config().validate(), Ok(()));
        let mut broken = config();
        broken.rootfs.diff_ids.push(DiffId::from_bytes([2; 32]));
        assert_eq!(broken.validate(), Err(BrokenInvariant::HistoryCount { history: 1, layers: 2 }));
    }

    #[test]
    fn what_a_reader_needs_is_asked_of_a_loaded_config() {
        let mut broken = config();
        broken.rootfs.kind = "zfs".to_owned();
        assert!(broken.validate_loaded().is_err());
        broken = config();
        broken.history.clear();
        assert_eq!(broken.validate_loaded(), Ok(()));
        broken.platform.os.clear();
        assert_eq!(broken.validate(), Err(BrokenInvariant::Missing { field: "operating system" }));
    }
}
