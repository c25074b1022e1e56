//! kaniko's command line: its flags, its environment and its files, for the same builds as `build`.
//!
//! Called under the name of kaniko's program, `executor`, rbuild accepts its arguments without `kaniko` in front, so
//! that a job works unchanged after its image is replaced. docs/integrations/kaniko.md explains each flag.

mod arguments;
mod call;
mod context;
mod digests;
mod git;
mod registries;
mod request;
mod tuning;

use std::process::ExitCode;

use super::build::{Session, build_error};
use super::global::Global;
use super::{CliError, output};
use crate::build::solve::StepError;
use crate::build::{BuildError, Cause, dockerfile_behind};
use crate::cli::system::version;

pub use arguments::Args;
pub use call::{ANEW, are_words_of, is_called};

pub fn run(args: &Args, global: &Global) -> Result<ExitCode, CliError> {
    // Ignore empty arguments: unset parameters of a template.
    let words: Vec<&str> = args.words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [] => {}
        ["version"] => {
            output::print(&version::line())?;
            return Ok(ExitCode::SUCCESS);
        }
        [word, ..] => return Err(CliError::new(format!("unknown command \"{word}\" for \"executor\""))),
    }
    let mode = args.log.mode()?;
    let mut options = request::options(args)?;
    if let Some(note) = args.tuning.note() {
        output::say(note);
    }
    let session = Session::new(global, mode)?;
    if let Some(url) = request::dockerfile_url(args) {
        options.dockerfile = dockerfile_behind(&session.store, &options.run, url).map_err(build_error)?;
    }
    session.build(&options, worded, |result| digests::write(args, &session.store, &options, result))?;
    Ok(ExitCode::SUCCESS)
}

/// Like kaniko, exits with the code of the program that failed.
fn worded(error: BuildError) -> CliError {
    let code = match &error {
        BuildError::Located(located) => match &located.cause {
            Cause::Step(step) => match step.as_ref() {
                StepError::Failed { code, .. } if *code != 0 => Some(*code),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let error = build_error(error);
    match code {
        Some(code) => error.exit_code(code),
        None => error,
    }
}
