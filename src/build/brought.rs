//! Fetches remote files to read them.

use std::path::Path;

use crate::base::input;
use crate::store::Store;

use super::error::BuildError;
use super::options::{BuildOptions, ContextSource};
use super::sources::Sources;

/// The content of an address: a repository, an archive or one file.
pub struct Brought {
    sources: Sources,
    only_file: Option<Vec<u8>>,
}

impl Brought {
    /// Fetches the context of these options. It is removed when this is dropped.
    pub fn fetch(store: &Store, options: &BuildOptions) -> Result<Self, BuildError> {
        let mut sources = match &options.context {
            ContextSource::Remote(url) => Sources::fetched(store, options, url)?,
            _ => Sources::open(store, options)?,
        };
        let only_file = sources.take_dockerfile();
        Ok(Self { sources, only_file })
    }

    /// The file, if the context is a single one.
    pub fn only_file(&self) -> Option<&[u8]> {
        self.only_file.as_deref()
    }

    /// A file of the tree, from which no link leads out; `None` if it does not exist.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, BuildError> {
        let read = input::beneath(self.sources.root(), Path::new(path.trim_start_matches('/')));
        Ok(read.map_err(|error| error.within(self.sources.root()))?)
    }
}
