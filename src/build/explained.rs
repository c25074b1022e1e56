//! The identity of a build, by which it is compared with the last one of the same project.

use std::path::Path;

use crate::base::digest::FieldHasher;
use crate::build::solve::{Explained, Explainer};
use crate::image::Reference;
use crate::language::plan::Plan;
use crate::store::{BuildName, Reader};

use super::findings::Findings;
use super::options::{BuildOptions, DockerfileSource};

pub(super) fn explainer<'a>(
    store: &'a Reader,
    options: &'a BuildOptions,
    plan: &'a Plan,
    findings: &'a Findings,
) -> Explainer<'a> {
    let context = options.context.shown();
    let dockerfile = match &options.dockerfile {
        DockerfileSource::Default => String::new(),
        DockerfileSource::Path(path) => absolute(path),
        DockerfileSource::StandardInput => "-".to_owned(),
        // Several targets of a bake file may have one each.
        DockerfileSource::Inline(_) => {
            format!("inline {}", options.tags.first().map_or(String::new(), Reference::familiar))
        }
    };
    let platform = options.platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let target = options.target.as_deref().unwrap_or_default();
    let subject = match options.tags.first() {
        Some(tag) => tag.familiar(),
        None => context.clone(),
    };
    // A checkout in another folder is the same project if it makes an image of the same repository.
    let family = options.tags.first().map(|tag| {
        let mut hasher = FieldHasher::new("build-family-1");
        hasher.field(tag.repository().as_bytes()).field(target.as_bytes()).finish()
    });
    let project = FieldHasher::new("build-project-1").field(context.as_bytes()).field(dockerfile.as_bytes()).finish();
    let name = BuildName { project, variant: format!("{platform} {target}"), family };
    Explainer::new(Explained {
        store,
        plan,
        name,
        subject,
        platform,
        no_cache: &options.no_cache,
        build_args: &options.build_args,
        file: Box::new(|| findings.kept()),
    })
}

fn absolute(path: &Path) -> String {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
