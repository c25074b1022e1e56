//! Hop 5 of a build: turns the build context, wherever it is, into entries with content digests. Owns .dockerignore,
//! the walk, the stat cache, and the selection of COPY's sources; knows no Dockerfiles and no images.

mod content;
mod digests;
mod entry;
mod error;
mod folder;
mod folders;
pub mod git;
pub mod http;
mod ignore;
mod listing;
mod order;
mod packed;
mod scan;
mod select;
mod source;
mod stat_cache;
mod tree;
pub mod upload;
mod used;

pub use entry::{Entry, Identity, Timestamp};
pub use error::ContextError;
pub use ignore::{IgnorePatterns, PatternError, Rule};
pub use listing::{Listed, list};
pub use select::{
    SelectError, SelectOptions, Selected, SelectedItem, SelectedRoot, SourceTree, pattern_folder, resolve, select,
};
pub use source::{Standard, newest_file, read_standard_input, unpack_context};
pub use tree::{Context, Wanted};
pub use used::Unused;

/// Finds a secret of the build by its id.
pub type FindSecret<'a> = dyn Fn(&str) -> Result<Option<Vec<u8>>, crate::base::io_error::IoError> + 'a;

pub(crate) use order::compare as compare_paths;
