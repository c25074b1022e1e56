//! A build context, or a part of it, as a root filesystem: for `RUN --mount=type=bind` of the context, which must show
//! what `COPY` would, without excluded files.

use std::path::Path;

use crate::image::layer::FileKind;
use crate::language::plan::{CopySource, CopyStep, StepId, TreeSource};
use crate::store::snapshot::Stack;

use super::error::StepError;
use super::layers::Made;
use super::settings::Solver;

impl Solver<'_> {
    /// A stack with a single layer that holds `path` of the context, and the digest under which its files are listed;
    /// `None` if `path` is not in the context.
    pub(super) fn context_tree(
        &self,
        made: &Made<'_>,
        id: StepId,
        name: &Option<String>,
        path: &str,
    ) -> Result<(Stack, Option<[u8; 32]>), StepError> {
        let context = self.contexts.open(name.as_deref())?;
        let is_link = |path: &Path| context.entry(path).is_some_and(|entry| entry.kind == FileKind::Symlink);
        // A link's target may be anywhere, and pattern characters are literal here.
        let needs_all = path.contains(['*', '?', '[', '\\']) || Path::new(path).ancestors().any(is_link);
        let path = if needs_all { "" } else { path.trim_matches('/') };
        let step = CopyStep {
            parent: id,
            sources: vec![CopySource::Path {
                tree: TreeSource::Context(name.clone()),
                path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
                unpack: false,
            }],
            destination: "/".to_owned(),
            chown: None,
            chmod: None,
            excludes: Vec::new(),
            parents: !path.is_empty(),
            link: false,
            epoch: None,
            latest_time: None,
        };
        self.copy_quietly(made, id, &step)
    }
}
