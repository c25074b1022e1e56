//! The remote cache: records and layers that other machines made, and those that this one gives to others.
//!
//! A cache lies in a place: a folder, a repository of a registry, a bucket, GitHub's cache of actions. It consists of one manifest, whose config
//! lists the records and whose layers are the blobs they need; `docs/cache.md` describes the documents. [`Origins`] is
//! the store's way to layers that are known and not here, of caches and of images alike.
//!
//! Must not know Dockerfiles, plans or terminals. Beside hop 7 of a build: it answers where the store has no record.

mod actions;
mod blob;
mod body;
mod bucket;
mod bucket_options;
mod document;
mod export;
mod folder;
mod import;
mod inline;
mod mount_record;
mod mounts;
mod multipart;
mod object_server;
mod objects;
mod options;
mod origin;
mod outlines;
mod place;
mod records;
mod repository_place;

pub use crate::transport::cloud::sigv4::Credentials;
pub use actions::ActionsOptions;
pub use bucket::open_object;
pub use bucket_options::{BucketObject, BucketOptions};
pub use document::{Document, DocumentError};
pub use export::{Export, ExportError, MountContents};
pub use import::{Found, ImportError, Importing, Imports, begin};
pub use inline::write as write_inline;
#[doc(hidden)]
pub use mounts::examine_index;
pub use mounts::{FillError, Mounts, fill as fill_mount};
pub use objects::{ObjectOptions, Service};
pub use options::{CacheSource, CacheTarget, ExportOptions, Mode, PlaceOptions, READ_LIMIT};
pub use origin::Origins;
pub use outlines::{OutlineError, Outlines};
pub use place::{Place, PlaceError};
pub use records::{StepRecord, document};
