//! Stores lists of what a copy takes, to explain later why it was executed again.

use crate::build::context::{SelectOptions, SelectedItem, SelectedRoot};
use crate::build::explain::{Fact, FactKind, FileList, FileListBuilder};
use crate::image::layer::FileKind;

use super::super::error::StepError;
use super::super::explain::listed;
use super::super::settings::Solver;
use super::gather::{Content, Gathered};
use super::source::Files;

impl Solver<'_> {
    /// The source with its digest in the cache key; its files are listed under that digest.
    pub(super) fn source_fact(&self, source: &Gathered) -> Fact {
        self.keep_list(source);
        let name = self.explainer.concealer().conceal(&source.shown);
        let kind = match &source.content {
            Content::Tree { .. } => FactKind::Files,
            Content::File { .. } => FactKind::Remote,
            Content::Inline { .. } => FactKind::Text,
        };
        Fact::digest(kind, name, source.digest)
    }

    /// Stores a list of the source's files, unless there is one. A failure only makes a later explanation less precise.
    pub(super) fn keep_list(&self, source: &Gathered) {
        let Content::Tree { files, roots, options } = &source.content else { return };
        if self.store.has_file_list(&source.digest).unwrap_or(true) {
            return;
        }
        let list = match &source.list {
            Some(list) => list.to_bytes(),
            None => list_of(files, roots, options).unwrap_or_default().to_bytes(),
        };
        let Ok(work) = self.work() else { return };
        let _ = work.store.add_file_list(&source.digest, &list);
    }
}

fn list_of(files: &Files, roots: &[SelectedRoot], options: &SelectOptions) -> Result<FileList, StepError> {
    let mut list = FileListBuilder::default();
    for root in roots {
        root.visit(files.source_tree(), options, &mut |item: SelectedItem| -> Result<(), StepError> {
            let facts = files.facts(&item.source)?;
            let digest = match item.kind {
                FileKind::Regular => Some(files.digest_of(&item.source, &facts)?),
                _ => None,
            };
            list.push(&listed(&item.source, &item, &facts, digest.as_ref()));
            Ok(())
        })?;
    }
    Ok(list.finish())
}
