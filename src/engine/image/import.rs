//! Makes an image of a root filesystem.

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

/// The request.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ImportRequest {
    /// The image's name, if any.
    pub name: Option<Reference>,
    /// Instructions to apply to the image's config.
    pub changes: Vec<String>,
    /// The comment in the image's history.
    pub message: String,
    /// The platform of the files; `None` for this machine's.
    pub platform: Option<Platform>,
}

/// A request that was checked before anything is read.
pub struct CheckedImport {
    name: Option<Reference>,
    settings: Import,
}

impl ImportRequest {
    /// Refuses what can't be done with any archive.
    pub fn check(self) -> Result<CheckedImport, ImageError> {
        self.name.iter().try_for_each(check_target)?;
        let platform = self.platform.unwrap_or_else(host_platform).normalized();
        let empty = ImageConfig { platform: platform.clone(), ..ImageConfig::default() };
        let config = apply_changes(&empty, &self.changes)?;
        let settings = Import { platform, config, message: self.message, created: jiff::Timestamp::now() };
        Ok(CheckedImport { name: self.name, settings })
    }
}

/// Makes an image of a tar archive, compressed or not.
pub fn import(store: &Store, request: &CheckedImport, source: impl Read) -> Result<ImageId, ImageError> {
    let id = archive::import(store, source, &request.settings)?;
    if let Some(name) = &request.name {
        store.set_tag(&name.to_string(), &id)?;
    }
    store.tell("import", &id, &id.to_string());
    sync_behind(store);
    Ok(id)
}

/// Downloads an archive, and returns it with its size.
pub fn download(store: &Store, url: &str) -> Result<(File, u64), ImageError> {
    let downloaded = http::download(&HttpRequest::new(url, &store.downloads()?))?;
    let file = File::open(&downloaded.path).at("open", &downloaded.path)?;
    let size = file.metadata().at("look at", &downloaded.path)?.len();
    Ok((file, size))
}
