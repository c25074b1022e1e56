//! Contexts that are relative to the file that names them (`BUILDX_BAKE_FILE_RELATIVE_PATHS`).

use super::files::{BakeFile, folder, is_remote};
use super::functions::clean_path as clean;
use super::target::{Bases, Config, Target};

/// The paths of all compose targets are relative to the first compose file.
pub(super) fn set_compose_bases(config: &mut Config, files: &[BakeFile]) {
    let Some(base) = files.first().and_then(|file| folder(&file.name)) else { return };
    for target in &mut config.targets {
        target.bases = Bases {
            file: Some(base.clone()),
            context: target.context.as_ref().map(|_| base.clone()),
            contexts: target.contexts.keys().map(|name| (name.clone(), base.clone())).collect(),
            context_of: None,
        };
    }
}

/// Makes the paths of all targets relative to the working folder.
pub(super) fn rebase(config: &mut Config, files: &[BakeFile]) {
    // The base of an HCL target is the index of its file.
    let folder_of = |base: &String| match base.parse::<usize>().ok().and_then(|index| files.get(index)) {
        Some(file) => folder(&file.name).unwrap_or_default(),
        None => base.clone(),
    };
    let known: std::collections::HashMap<String, Bases> =
        config.targets.iter().map(|target| (target.name.clone(), target.bases.clone())).collect();
    for target in &mut config.targets {
        let reference = target.bases.context_of.as_ref().and_then(|name| known.get(name));
        if let Some(base) = reference.and_then(|bases| bases.context.as_ref().or(bases.file.as_ref())) {
            target.bases.context = Some(base.clone());
        }
        rebase_target(target, &folder_of);
    }
}

fn rebase_target(target: &mut Target, folder_of: &dyn Fn(&String) -> String) {
    match &target.context {
        Some(context) => {
            if let Some(base) = &target.bases.context {
                target.context = Some(joined(&folder_of(base), context));
            }
        }
        // An inheriting target uses the folder of its own file, unless it sets another context.
        None => target.bases.context = None,
    }
    for (name, context) in &mut target.contexts {
        if let Some(base) = target.bases.contexts.get(name) {
            *context = joined(&folder_of(base), context);
        }
    }
    target.bases.file = target.bases.file.as_ref().map(folder_of);
}

fn joined(base: &str, path: &str) -> String {
    let is_special = ["cwd://", "target:", "docker-image:", "oci-layout://"].iter().any(|head| path.starts_with(head));
    if base.is_empty() || path.is_empty() || is_special || is_remote(path) || path.starts_with('/') {
        return path.to_owned();
    }
    clean(&format!("{base}/{path}"))
}
