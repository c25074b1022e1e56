//! Names of `--build-context`, and the images behind `oci-layout://`.

use std::path::Path;

use crate::base::digest::ImageId;
use crate::image::{Platform, Reference};
use crate::language::plan::BaseError;
use crate::store::Store;
use crate::transport::archive::{self, ArchiveError, LoadOptions, Selection, Source};

use super::bases::wrap;
use super::options::NamedContextSource;

/// The form for comparing names: an image's familiar name without `:latest`, or the name in lower case.
fn normal_name(name: &str) -> String {
    let lower = name.to_lowercase();
    match lower.parse::<Reference>() {
        Ok(reference) => {
            let familiar = reference.familiar();
            familiar.strip_suffix(":latest").unwrap_or(&familiar).to_owned()
        }
        Err(_) => lower,
    }
}

/// What the user gave in place of that name.
pub(super) fn find<'a>(
    given: &'a [(String, NamedContextSource)],
    name: &str,
) -> Option<&'a (String, NamedContextSource)> {
    let wanted = normal_name(name);
    given.iter().find(|(given, _)| normal_name(given) == wanted)
}

/// Loads the image of an OCI layout, without naming it.
pub(super) fn load_layout(
    store: &Store,
    path: &Path,
    reference: Option<&str>,
    platform: &Platform,
) -> Result<ImageId, BaseError> {
    let select = reference.map(|reference| match reference.parse() {
        Ok(digest) => Selection::Digest(digest),
        Err(_) => Selection::Name(reference.to_owned()),
    });
    let options = LoadOptions { platform: Some(platform.clone()), select, untagged: true };
    let loaded = archive::load(store, Source::Folder(path.to_owned()), &options).map_err(wrap)?;
    loaded.first().map(|image| image.id).ok_or_else(|| wrap(ArchiveError::Empty))
}
