//! `WORKDIR`: makes sure that the folder exists.

use crate::language::plan::{DirectoryStep, StepId};
use crate::store::snapshot::{Draft, NewFolders, Stack};

use super::error::StepError;
use super::key;
use super::layers::{LayerRequest, Made, NewLayer};
use super::settings::Solver;

impl Solver<'_> {
    pub(super) fn directory(
        &self,
        made: &Made<'_>,
        id: StepId,
        step: &DirectoryStep,
        parent: &Stack,
        ignore_cache: bool,
    ) -> Result<Stack, StepError> {
        let facts = || self.explainer.directory_facts(id, step);
        let key = key::directory(step, parent);
        let request =
            LayerRequest { step: id, parent, key, times: [step.epoch, None], ignore_cache, facts: Some(&facts) };
        self.layer(made, &request, |_, directory| {
            let (below, owner) = self.below(parent, Some(&step.user))?;
            let mut draft = Draft::over(&below, directory)?;
            let path = draft.view().resolve("".as_ref(), &step.path)?;
            let owner = owner.filter(|_| !step.user.is_empty());
            draft.make_dir_all(&path, NewFolders { mode: 0o755, owner, mtime: step.epoch })?;
            draft.finish()?;
            Ok(NewLayer::plain())
        })
    }
}
