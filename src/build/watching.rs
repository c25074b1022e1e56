//! Records what a build reads, to watch for changes.

use std::path::{Path, PathBuf};

use super::batch::Batch;
use super::options::{BuildOptions, ContextSource, DockerfileSource};
use super::watched::Watched;

/// Call this before the build begins, and complete it with what the build has opened. `None` if the context is not a
/// folder of the user.
pub(super) fn before(options: &BuildOptions) -> Option<Watched> {
    let ContextSource::Directory(context) = &options.context else { return None };
    let mut paths = vec![context.join(".dockerignore")];
    let dockerfiles = match &options.dockerfile {
        DockerfileSource::Default => vec![context.join("Dockerfile"), context.join("dockerfile")],
        DockerfileSource::Path(path) => vec![path.clone()],
        _ => Vec::new(),
    };
    for path in dockerfiles {
        let mut own = path.clone().into_os_string();
        own.push(".dockerignore");
        paths.extend([path, own.into()]);
    }
    Some(Watched::of_files(paths.iter().filter_map(|path| absolute(path))))
}

fn absolute(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(std::fs::canonicalize(folder).ok()?.join(path.file_name()?))
}

/// Adds the contexts that the builds have opened. Fetched contexts do not change.
pub(super) fn completed(mut watched: Watched, batch: &Batch<'_>) -> Watched {
    for ((root, ignore_file), context) in batch.scanned.entries() {
        if !root.starts_with(batch.store.root()) {
            watched.add(root, context, &ignore_file);
        }
    }
    watched
}
