//! Reports why a build failed, in the classic builder's words.

use super::classic::Classic;
use crate::api::ApiError;
use crate::api::messages::Failure;
use crate::base::io_error::chain;
use crate::build::solve::StepError;
use crate::build::{BuildError, Cause};
use crate::language::dockerfile::ParseErrorKind;
use crate::language::plan::PlanErrorKind;

/// The error for the client. If the Dockerfile can't be read, the request is refused, because there were no messages
/// yet.
pub fn failure(error: BuildError, classic: &Classic<'_>) -> Failure {
    match error {
        BuildError::Located(located) => of_cause(&located.cause, located.hint.as_deref(), classic),
        BuildError::NoDockerfile { path, .. } => {
            ApiError::internal(format!("Cannot locate specified Dockerfile: {}", path.display())).into()
        }
        BuildError::LintViolations { message, findings } => {
            ApiError::bad_request(format!("{message}\n\n{}", findings.excerpts().join("\n\n"))).into()
        }
        BuildError::CheckArgument(_) | BuildError::Frontend { .. } => ApiError::bad_request(chain(&error)).into(),
        BuildError::Registry(error) => error.into(),
        BuildError::Cancelled => ApiError::internal("the build was cancelled").into(),
        other => ApiError::internal(chain(&other)).into(),
    }
}

fn of_cause(cause: &Cause, hint: Option<&str>, classic: &Classic<'_>) -> Failure {
    let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
    match cause {
        Cause::Parse(error) => {
            let line = error.lines.first;
            let text = match error.kind.as_ref() {
                ParseErrorKind::UnknownInstruction { written } => {
                    format!("unknown instruction: {written}{}", hint.replace('`', ""))
                }
                _ => format!("{}{hint}", chain(error)),
            };
            ApiError::bad_request(format!("dockerfile parse error on line {line}: {text}")).into()
        }
        Cause::Plan(error) => match error.kind.as_ref() {
            PlanErrorKind::UnknownTarget { name } => {
                ApiError::bad_request(format!("target stage {name:?} could not be found")).into()
            }
            PlanErrorKind::Base(base) => ApiError::internal(format!("{}{hint}", chain(base))).into(),
            _ => ApiError::bad_request(format!("{}{hint}", chain(error.kind.as_ref()))).into(),
        },
        Cause::Step(error) => of_step(error, &hint, classic),
        other => ApiError::bad_request(format!("{}{hint}", chain(other.error()))).into(),
    }
}

fn of_step(error: &StepError, hint: &str, classic: &Classic<'_>) -> Failure {
    match error {
        StepError::About { error, .. } => of_step(error, hint, classic),
        StepError::Failed { code, out_of_memory, .. } => {
            let command = classic.failed_command();
            let memory = if out_of_memory.is_some() { " (it ran out of memory)" } else { "" };
            let message = format!("The command '{command}' returned a non-zero code: {code}{memory}");
            Failure { error: ApiError::internal(message), code: Some(*code) }
        }
        StepError::SourceNotFound { path, .. } => ApiError::internal(format!(
            "COPY failed: file not found in build context or excluded by .dockerignore: stat {path}: file does not \
             exist{hint}"
        ))
        .into(),
        other => ApiError::internal(format!("{}{hint}", chain(other))).into(),
    }
}
