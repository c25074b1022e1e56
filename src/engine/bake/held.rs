//! Which results are held until all targets are built.

use std::path::{Path, PathBuf};

use super::request::{Execution, Request, Target};
use crate::build::{BuildOptions, ContextSource, NamedContextSource};

/// For each target, whether its result is held.
pub(super) fn held(request: &Request) -> Vec<bool> {
    let pushes = |target: &Target| target.options.push.is_some();
    let all = match request.execution {
        Execution::DeferOutput => true,
        Execution::FailFast => request.targets.iter().any(pushes),
        Execution::DeferError => false,
    };
    let contexts: Vec<Vec<PathBuf>> = request.targets.iter().map(|target| contexts(&target.options)).collect();
    let waits = |(index, target): (usize, &Target)| {
        let mut others = contexts.iter().enumerate().filter(|(other, _)| *other != index).flat_map(|(_, paths)| paths);
        // Written now, it would change while another target reads it.
        all || others.any(|context| destinations(&target.options).any(|path| path.starts_with(context)))
    };
    request.targets.iter().enumerate().map(waits).collect()
}

/// The folders that a build reads.
fn contexts(options: &BuildOptions) -> Vec<PathBuf> {
    let main = match &options.context {
        ContextSource::Directory(path) => Some(path),
        _ => None,
    };
    let named = options.named_contexts.iter().filter_map(|(_, source)| match source {
        NamedContextSource::Directory(path) => Some(path),
        _ => None,
    });
    main.into_iter().chain(named).map(|path| resolved(path)).collect()
}

fn destinations(options: &BuildOptions) -> impl Iterator<Item = PathBuf> {
    let outputs = options.outputs.iter().map(|output| output.destination.as_path());
    outputs.filter(|path| !path.as_os_str().is_empty() && *path != Path::new("-")).map(resolved)
}

/// The path with its links resolved, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (std::fs::canonicalize(&absolute), absolute.parent(), absolute.file_name()) {
        (Ok(found), ..) => found,
        (Err(_), Some(parent), Some(name)) => resolved(parent).join(name),
        _ => absolute,
    }
}
