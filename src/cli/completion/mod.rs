//! `rbuild completion`: shell scripts that ask rbuild for the candidates.

mod candidates;
mod filters;
mod line;
mod names;
mod places;
mod scripts;
mod wanted;

use std::collections::HashSet;
use std::process::ExitCode;

use crate::cli::global::Global;
use crate::cli::{CliError, output};
use candidates::{Candidates, candidates};
use line::Line;

/// Print a script that completes rbuild's commands in a shell
///
/// bash: `source <(rbuild completion bash)`; zsh: `source <(rbuild completion zsh)`; fish: `rbuild completion fish | source`.
/// A program that is called `docker` completes `docker`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell that the script is for
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// What the scripts call, with the words up to the cursor.
#[derive(Debug, clap::Args)]
pub struct CompleteArgs {
    /// The last one is being typed
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let script = match args.shell {
        Shell::Bash => scripts::BASH,
        Shell::Zsh => scripts::ZSH,
        Shell::Fish => scripts::FISH,
    };
    output::print(&script.replace("PROGRAM", &crate::cli::words::program_name(std::env::args_os().next().as_ref())))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a line for each candidate, with a tab and a description; `:files` tells the shell to complete file names.
pub fn complete(args: &CompleteArgs, global: &Global) -> Result<ExitCode, CliError> {
    let definition = crate::cli::commands::definition();
    let Some(line) = Line::understand(&definition, &args.words) else { return Ok(ExitCode::SUCCESS) };
    let found: Candidates = candidates(&line);
    let mut lines = found.words.clone();
    lines.extend(found.wanted.iter().flat_map(|wanted| names::lines(*wanted, &found, &line, global)));
    let has_files = lines.iter().any(|line| line == names::FILES);
    let mut seen = HashSet::new();
    lines.retain(|line| {
        let word = line.split('\t').next().unwrap_or_default().to_owned();
        line != names::FILES && line.starts_with(&found.typed) && seen.insert(word)
    });
    let mut text: String = lines.iter().map(|line| format!("{}{line}\n", found.before)).collect();
    if has_files {
        text += &format!("{}\n", names::FILES);
    }
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
