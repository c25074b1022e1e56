//! Walks through a selected root.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::super::ignore::ParentMatches;
use super::{SelectError, SelectOptions, SelectedRoot, SourceTree};
use crate::image::layer::FileKind;

/// One file or directory to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedItem {
    /// In the source tree.
    pub source: PathBuf,
    /// Relative to the root's destination; empty for the root itself.
    pub destination: PathBuf,
    pub kind: FileKind,
    /// A directory that is copied only because something in it is.
    pub is_parent: bool,
}

impl SelectedRoot {
    /// Whether anything is selected besides the folders leading to it.
    pub(super) fn takes_something(&self, tree: &dyn SourceTree, options: &SelectOptions) -> Result<bool, SelectError> {
        let taken = self.visit(tree, options, &mut |item| if item.is_parent { Ok(()) } else { Err(Stop::Taken) });
        match taken {
            Ok(()) => Ok(false),
            Err(Stop::Taken) => Ok(true),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// Visits the root and everything below it, parents before children, in byte order, without what `--exclude`
    /// matches.
    pub fn visit<E: From<SelectError>>(
        &self,
        tree: &dyn SourceTree,
        options: &SelectOptions,
        visit: &mut dyn FnMut(SelectedItem) -> Result<(), E>,
    ) -> Result<(), E> {
        visit(SelectedItem {
            source: self.path.clone(),
            destination: PathBuf::new(),
            kind: self.kind,
            is_parent: self.include.is_some(),
        })?;
        if !self.kind.is_directory() {
            return Ok(());
        }
        let mut walk = Walk { tree, options, root: self, waiting: Vec::new(), visit };
        let above = Above { included: self.include.is_none(), ..Above::default() };
        walk.directory(&self.path, Path::new(""), &above)
    }
}

/// Why a walk ends early.
enum Stop {
    Taken,
    Failed(SelectError),
}

impl From<SelectError> for Stop {
    fn from(error: SelectError) -> Self {
        Self::Failed(error)
    }
}

/// What is known of the directories above.
#[derive(Default)]
struct Above {
    /// Everything below is included.
    included: bool,
    include: ParentMatches,
    exclude: ParentMatches,
}

struct Walk<'a, E> {
    tree: &'a dyn SourceTree,
    options: &'a SelectOptions,
    root: &'a SelectedRoot,
    /// Directories that are copied once something in them is.
    waiting: Vec<SelectedItem>,
    visit: &'a mut dyn FnMut(SelectedItem) -> Result<(), E>,
}

impl<E: From<SelectError>> Walk<'_, E> {
    fn directory(&mut self, source: &Path, destination: &Path, above: &Above) -> Result<(), E> {
        for (name, kind) in self.tree.read_dir(source).map_err(SelectError::from)? {
            let item = SelectedItem {
                source: source.join(&name),
                destination: destination.join(&name),
                kind,
                is_parent: false,
            };
            self.item(item, above)?;
        }
        Ok(())
    }

    fn item(&mut self, mut item: SelectedItem, above: &Above) -> Result<(), E> {
        let path = item.destination.as_os_str().as_bytes();
        let mut here = Above { included: above.included, ..Above::default() };
        if let (Some(include), false) = (&self.root.include, here.included) {
            (here.included, here.include) = include.matches_below(path, &above.include);
        }
        let exclude = &self.options.exclude;
        let mut excluded = false;
        if !exclude.is_empty() {
            (excluded, here.exclude) = exclude.matches_below(path, &above.exclude);
        }
        let taken = here.included && !excluded;
        if !item.kind.is_directory() {
            return if taken { self.emit(item) } else { Ok(()) };
        }
        let include = self.root.include.as_deref();
        let could_include = here.included || include.is_some_and(|include| include.may_select_below(path));
        if !could_include || (excluded && !exclude.may_match_below(path)) {
            return Ok(());
        }
        let (source, destination) = (item.source.clone(), item.destination.clone());
        if taken {
            self.emit(item)?;
            return self.directory(&source, &destination, &here);
        }
        item.is_parent = true;
        self.waiting.push(item);
        let depth = self.waiting.len();
        self.directory(&source, &destination, &here)?;
        if self.waiting.len() == depth {
            self.waiting.pop();
        }
        Ok(())
    }

    fn emit(&mut self, item: SelectedItem) -> Result<(), E> {
        for parent in std::mem::take(&mut self.waiting) {
            (self.visit)(parent)?;
        }
        (self.visit)(item)
    }
}
