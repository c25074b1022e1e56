//! Checks patterns in contexts as BuildKit does. It sends only the parts of a local folder that instructions name, and
//! looks for a pattern's folder in what was sent: if nothing of that folder was sent, the instruction fails.

use std::path::{Path, PathBuf};

use crate::build::context::{Context, SelectError, SelectOptions, pattern_folder, select};
use crate::language::plan::{CopySource, CopyStep, MountSource, Operation, TreeSource};

use super::super::error::StepError;
use super::super::settings::Solver;

/// Refuses a pattern without a match in a folder of which no instruction takes anything. `name` is the context's.
pub(super) fn check_pattern(
    solver: &Solver<'_>,
    step: &CopyStep,
    (name, context): (Option<&str>, &Context),
    pattern: &str,
) -> Result<(), StepError> {
    let Some(folder) = pattern_folder(context, Path::new(pattern))? else { return Ok(()) };
    // Matches that are dangling links are reported when they are listed.
    let has_match = || roots(context, pattern).map_or(true, |roots| !roots.is_empty());
    if step.parents || !solver.contexts.is_sent_in_parts(name) || has_match() {
        return Ok(());
    }
    let paths = match name {
        None => of_main(solver),
        // Each instruction that copies from a named context has it sent again.
        Some(_) => of_step(step, name).collect(),
    };
    for path in paths {
        let is_related = |root: &Path| root.starts_with(&folder) || folder.starts_with(root);
        // A path that does not exist is refused by its own instruction.
        if roots(context, path).is_ok_and(|roots| roots.iter().any(|root| is_related(root))) {
            return Ok(());
        }
    }
    Err(StepError::SourceNotFound {
        path: Path::new("/").join(&folder).display().to_string(),
        place: "what is sent of the build context".to_owned(),
        ignored: false,
        hint: Some(format!("nothing matches `{pattern}`, and no other instruction takes anything from there")),
    })
}

/// All paths that steps take from the main context.
fn of_main<'a>(solver: &Solver<'a>) -> Vec<&'a str> {
    let mut paths = Vec::new();
    for step in &solver.plan.steps {
        match &step.operation {
            Operation::Copy(copy) => paths.extend(of_step(copy, None)),
            Operation::Run(run) => {
                let is_main = |source: &MountSource| *source == MountSource::Tree(TreeSource::Context(None));
                let mounts = run.mounts.iter().filter(|mount| is_main(&mount.source));
                paths.extend(mounts.map(|mount| mount.mount.source.as_deref().unwrap_or("/")));
            }
            Operation::Base { .. } | Operation::Directory(_) => {}
        }
    }
    paths
}

fn of_step<'a>(step: &'a CopyStep, name: Option<&str>) -> impl Iterator<Item = &'a str> {
    step.sources.iter().filter_map(move |source| match source {
        CopySource::Path { tree: TreeSource::Context(of), path, .. } if of.as_deref() == name => Some(path.as_str()),
        _ => None,
    })
}

fn roots(context: &Context, path: &str) -> Result<Vec<PathBuf>, SelectError> {
    let selected = select(context, Path::new(path), &SelectOptions::default())?;
    Ok(selected.roots.into_iter().map(|root| root.path).collect())
}
