//! The remote cache: shares records and layers with other machines.
//!
//! A cache has a place: a folder, a repository of a registry, a bucket, GitHub's cache of actions. It consists of one
//! manifest, whose config lists the records and whose layers are the blobs they need; `docs/cache.md` describes the
//! documents. [`Origins`] lets the store fetch layers that are known but not local, of caches and of images.
//!
//! Must not know Dockerfiles, plans or terminals. Next to hop 7 of a build: it responds if the store has no record.

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
