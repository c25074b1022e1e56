//! An image of a container.

use super::ImageError;
use super::tag::check_target;
use crate::container::{self, Commit, Committed, Containers};
use crate::image::{ImageConfig, Reference, RunConfig};
use crate::language::plan::apply_changes;
use crate::store::Store;

/// What the image is to be.
#[derive(Debug, Clone, Default)]
pub struct CommitRequest {
    /// A name, an ID or the beginning of one.
    pub container: String,
    pub name: Option<Reference>,
    pub commit: Commit,
    /// Instructions to apply to the image's config.
    pub changes: Vec<String>,
    /// The config in place of the container's.
    pub config: Option<RunConfig>,
}

/// Makes the image, names it, and waits until it is on the disk.
pub fn commit(store: &Store, request: &CommitRequest) -> Result<Committed, ImageError> {
    request.name.iter().try_for_each(check_target)?;
    let all = Containers::of(store.root());
    let entry = all.find(&request.container)?;
    let commit = &request.commit;
    let committed = container::commit(store, &entry, commit, |config| -> Result<_, ImageError> {
        let base =
            ImageConfig { config: request.config.clone().unwrap_or_else(|| config.config.clone()), ..config.clone() };
        let run = apply_changes(&base, &request.changes)?;
        Ok(ImageConfig { config: run, ..base })
    })?;
    let id = committed.image;
    store.tell("create", &id, &id.to_string());
    if let Some(name) = &request.name {
        store.set_tag(&name.to_string(), &id)?;
    }
    store.sync()?;
    let name = request.name.as_ref().map(Reference::familiar).unwrap_or_default();
    all.tell(&entry, "commit", &[("comment", &commit.message), ("imageID", &id.to_string()), ("imageRef", &name)]);
    Ok(committed)
}
