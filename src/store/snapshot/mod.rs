//! Root filesystems: stacks of unpacked layers, read and written without mounting anything.
//!
//! A [`View`] says what is at a path of a stack, as overlayfs would. A [`Draft`] is a view with a writable layer on
//! top, for steps that copy files or create folders; of the layers below they need no more than an [`Outline`]. Only
//! `RUN` mounts a stack, in its sandbox. Must not know images, registries or Dockerfiles. Hop 8 of a build.

mod copy_tree;
mod draft;
mod entry;
mod export;
mod finished;
mod layer_folder;
mod mirror;
mod outline;
mod populate;
mod squash;
mod stack;
#[cfg(test)]
mod tests;
mod unpack;
mod users;
mod view;
mod working;

pub use copy_tree::{Identity, copy_folder, copy_tree, merge_tree};
pub use draft::{Attributes, Draft, NewFolders, Node};
pub use entry::{Entry, Owner};
pub use export::{export_folder, export_part, export_tar, export_tar_folders, first_conflict};
pub use finished::forget_layers;
pub use layer_folder::xattrs_of_file;
pub use mirror::remove_others;
pub use outline::{Outline, outline_of};
pub use populate::populate;
pub use squash::squash;
pub use stack::{Stack, StackLayer, record_of};
pub use unpack::unpack;
pub use users::{ProcessUser, owner_of, process_user, unknown_owner};
pub use view::{Lower, View};
pub use working::{Placed, Scan, WorkingRoot};

use crate::base::digest::DiffId;
use crate::base::io_error::IoError;
use crate::base::rights::NoRights;
use crate::image::layer::LayerError;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error(transparent)]
    NoRights(#[from] NoRights),
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot unpack layer {diff_id}")]
    Unpack { diff_id: DiffId, source: Box<LayerError> },
    #[error("layer {expected} is wrong: its content is {actual}")]
    WrongLayer { expected: DiffId, actual: DiffId },
    #[error("unable to find user {name}: no matching entries in passwd file")]
    UnknownUser { name: String },
    #[error("the user or group {number} is out of range: there are 0 to 2147483647")]
    IdOutOfRange { number: String },
    #[error("unable to find group {name}: no matching entries in group file")]
    UnknownGroup { name: String },
    #[error("the store holds only an outline of the layer with `/{}`", path.display())]
    OnlyOutlined { path: std::path::PathBuf },
    #[error("too many levels of symbolic links in `{}`", path.display())]
    LinkLoop { path: std::path::PathBuf },
    #[error("`/{}` became shorter while it was read", path.display())]
    Shrank { path: std::path::PathBuf },
    #[error("`/{}` is not a directory", path.display())]
    NotDirectory { path: std::path::PathBuf },
    #[error("cannot replace the directory `/{}` with a file", path.display())]
    IsDirectory { path: std::path::PathBuf },
}
