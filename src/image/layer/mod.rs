//! Hop 9 of a build: a layer's directory ↔ its tar stream. Owns the tar format, whiteouts, compression and diffIDs;
//! knows no images and no store.
//!
//! A layer directory is what overlayfs takes as a lowerdir when mounted with `userxattr`, the same for root and rootless
//! stores: a deleted name is a character device 0:0, a directory that hides those below carries the xattr
//! `user.overlay.opaque` = `y`. Every other `user.overlay.*` and `trusted.overlay.*` xattr is overlayfs' own bookkeeping
//! and never part of the layer. Modification times are whole seconds.

mod apply;
mod archive;
mod compress;
pub(crate) mod directory;
mod encode;
mod error;
mod header;
mod kind;
mod marks;
mod normalise;
mod output;
mod place;
mod read_ahead;
mod stream;
mod unpack;
mod xattrs;

pub use apply::{Applied, ApplyOptions, DevicePolicy, apply, unpack_files};
pub use archive::{ArchiveLimits, ArchiveReader, Content, Entry, EntryKind, looks_like_tar};
pub use compress::{Compression, Decoder, GzipWriter, ZstdWriter};
pub use encode::{Encoded, KnownDigests, NothingKnown, SaidFile, encode, encode_stacked, hash_stacked};
pub use error::LayerError;
pub use kind::FileKind;
pub use marks::Marks;
pub use normalise::{LowerTree, Normalised, normalise};
pub(crate) use stream::hash_zeros;
