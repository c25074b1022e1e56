//! Lists all files in a build's context, and the patterns that keep or exclude each of them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::base::foreign::{Folder, Tree};
use crate::build::context::{self, ContextError, Listed};
use crate::store::Store;

use super::batch::Batch;
use super::contexts::BuildContexts;
use super::dockerfile::{self, File};
use super::error::BuildError;
use super::options::{BuildOptions, DockerfileSource};

/// No file of git's patterns is longer.
const GIT_IGNORE_LIMIT: u64 = 1 << 20;

/// The files of a context.
#[derive(Debug)]
pub struct ContextFiles {
    /// Files that a build reads come first, and in both groups the largest.
    pub files: Vec<Listed>,
    /// The path of the ignore file that applies, for display; `None` if there is none.
    pub ignore_file: Option<String>,
    /// The `.gitignore` files among them, with their text.
    pub git_ignores: Vec<(PathBuf, String)>,
}

/// Lists the main context of a build. If no Dockerfile is named, it need not exist.
pub fn context_files(store: &Store, options: &BuildOptions) -> Result<ContextFiles, BuildError> {
    let batch = &Batch::offline(store);
    let mut source = batch.main_context(options)?;
    let root = source.root().to_owned();
    let file = match dockerfile::read(options, &mut source) {
        Err(_) if options.dockerfile == DockerfileSource::Default => {
            File { name: String::new(), place: None, bytes: Vec::new() }
        }
        file => file?,
    };
    let contexts = BuildContexts::new(batch, options, source, &file);
    let (ignore, ignore_file) = contexts.ignore_file()?;
    let mut files = context::list(&root, ignore.patterns()).map_err(|error| match error {
        ContextError::Io(error) => BuildError::Io(error),
        error => BuildError::Context(error),
    })?;
    files.sort_by(|left, right| {
        (left.is_left_out, right.bytes, &left.path).cmp(&(right.is_left_out, left.bytes, &right.path))
    });
    let git_ignores = git_ignores(&root, &files)?;
    Ok(ContextFiles { files, ignore_file, git_ignores })
}

/// Those that can be read; they only help to guess.
fn git_ignores(root: &Path, files: &[Listed]) -> Result<Vec<(PathBuf, String)>, BuildError> {
    let tree = Tree::beneath(Folder::open(root)?);
    let read = |path: &PathBuf| {
        let file = tree.find_file(path).ok()??;
        let mut text = Vec::new();
        file.take(GIT_IGNORE_LIMIT).read_to_end(&mut text).ok()?;
        Some((path.clone(), String::from_utf8_lossy(&text).into_owned()))
    };
    let paths = files.iter().map(|file| &file.path).filter(|path| path.ends_with(".gitignore"));
    Ok(paths.filter_map(read).collect())
}
