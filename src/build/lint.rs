//! The lint of a build: runs when the plan is made, before anything is executed.

use crate::language::dockerfile::Parse;
use crate::language::dockerfile::lint::{self, CheckOptions, LintErrorKind, LintOptions, Scope};
use crate::language::plan::{PlanRequest, predefined_args};

use super::answers::World;
use super::arguments;
use super::dockerfile::File;
use super::error::BuildError;
use super::findings::Findings;
use super::options::BuildOptions;
use super::platforms;

/// The lint options of this build. A `check` argument that can't be parsed is an error.
pub(super) fn options(build: &BuildOptions, request: &PlanRequest, parse: &Parse) -> Result<LintOptions, BuildError> {
    let check = match arguments::check(build) {
        None => None,
        Some(text) => Some(CheckOptions::parse(text).map_err(BuildError::CheckArgument)?),
    };
    let target_name = parse.result.as_ref().ok().and_then(|file| file.stages.last()?.name.as_deref());
    Ok(LintOptions {
        predefined: predefined_args(request, request.target.as_deref().or(target_name)).to_vec(),
        build_args: build.build_args.clone(),
        check,
        scope: Scope::Target(request.target.clone()),
    })
}

/// A `check` directive that can't be parsed is an error.
pub(super) fn read_directive(file: &File, parse: &Parse, build: &BuildOptions) -> Result<(), BuildError> {
    let options = &self::options(build, &platforms::request(build, &build.platforms[0]), parse)?;
    lint::check_options(parse, options).map(drop).map_err(|error| file.lint_error(error).into())
}

/// The lint's warnings; an error if the file or the user wants one for them.
///
/// Other faults that stop the lint are reported by the plan, which was made without meeting them.
pub(super) fn check(
    file: &File,
    parse: &Parse,
    options: &LintOptions,
    world: &World<'_>,
) -> Result<Findings, BuildError> {
    let found = lint::lint(parse, world, options);
    let findings = Findings { file_name: file.name.clone(), source: file.bytes.clone(), warnings: found.warnings };
    match found.error {
        Some(error) if matches!(error.kind, LintErrorKind::Violations { .. }) => {
            Err(BuildError::LintViolations { message: error.to_string(), findings: Box::new(findings) })
        }
        _ => Ok(findings),
    }
}
