//! Files that are elsewhere, brought here to be read.

use std::path::Path;

use crate::base::input;
use crate::store::Store;

use super::error::BuildError;
use super::options::{BuildOptions, ContextSource};
use super::sources::Sources;

/// What is behind an address: a repository, an archive or one file.
pub struct Brought {
    sources: Sources,
    only_file: Option<Vec<u8>>,
}

impl Brought {
    /// Brings the context of these options here. It is gone when this is dropped.
    pub fn fetch(store: &Store, options: &BuildOptions) -> Result<Self, BuildError> {
        let mut sources = match &options.context {
            ContextSource::Remote(url) => Sources::fetched(store, options, url)?,
            _ => Sources::open(store, options)?,
        };
        let only_file = sources.take_dockerfile();
        Ok(Self { sources, only_file })
    }

    /// The file, where it is no tree.
    pub fn only_file(&self) -> Option<&[u8]> {
        self.only_file.as_deref()
    }

    /// A file of the tree, out of which no link leads; nothing where there is none.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, BuildError> {
        let read = input::beneath(self.sources.root(), Path::new(path.trim_start_matches('/')));
        Ok(read.map_err(|error| error.within(self.sources.root()))?)
    }
}
