//! A root filesystem becomes an image.

use std::fs::File;
use std::io::Read;

use super::ImageError;
use super::pull::sync_behind;
use super::tag::check_target;
use crate::base::digest::ImageId;
use crate::base::io_error::AtPath;
use crate::build::context::http::{self, HttpRequest};
use crate::image::{ImageConfig, Platform, Reference, host_platform};
use crate::language::plan::apply_changes;
use crate::store::Store;
use crate::transport::archive::{self, Import};

/// What the image is to be.
#[derive(Debug, Clone, Default)]
pub struct ImportRequest {
    /// What it is called, if anything.
    pub name: Option<Reference>,
    /// Instructions to apply to the image's config.
    pub changes: Vec<String>,
    /// The comment in the image's history.
    pub message: String,
    /// What the files are for; nothing for this machine.
    pub platform: Option<Platform>,
}

/// A request that was looked at before anything is read.
pub struct CheckedImport {
    name: Option<Reference>,
    settings: Import,
}

impl ImportRequest {
    /// Refuses what could not be done with any archive.
    pub fn check(self) -> Result<CheckedImport, ImageError> {
        self.name.iter().try_for_each(check_target)?;
        let platform = self.platform.unwrap_or_else(host_platform).normalized();
        let empty = ImageConfig { platform: platform.clone(), ..ImageConfig::default() };
        let config = apply_changes(&empty, &self.changes)?;
        let settings = Import { platform, config, message: self.message, created: jiff::Timestamp::now() };
        Ok(CheckedImport { name: self.name, settings })
    }
}

/// Makes the image of a tar archive, compressed or not.
pub fn import(store: &Store, request: &CheckedImport, source: impl Read) -> Result<ImageId, ImageError> {
    let id = archive::import(store, source, &request.settings)?;
    if let Some(name) = &request.name {
        store.set_tag(&name.to_string(), &id)?;
    }
    store.tell("import", &id, &id.to_string());
    sync_behind(store);
    Ok(id)
}

/// The archive that is behind an address, and its size.
pub fn download(store: &Store, url: &str) -> Result<(File, u64), ImageError> {
    let downloaded = http::download(&HttpRequest::new(url, &store.downloads()?))?;
    let file = File::open(&downloaded.path).at("open", &downloaded.path)?;
    let size = file.metadata().at("look at", &downloaded.path)?.len();
    Ok((file, size))
}
