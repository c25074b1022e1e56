//! `rbuild rm`

use std::process::ExitCode;

use crate::cli::container::each;
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::{ContainerError, Removal};
use crate::engine::container::{remove, remove_link};

/// Remove containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names, IDs or beginnings of IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Also those that run (they are killed); one that is not there is no error
    #[arg(short, long)]
    force: bool,
    /// Remove the volumes without a name that came with them
    #[arg(short, long)]
    volumes: bool,
    /// Remove the link CONTAINER/ALIAS, not the container
    #[arg(short, long)]
    link: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let containers = each::open(global)?;
    if args.link {
        let mut errors = Vec::new();
        for word in &args.containers {
            match remove_link(&containers, word).map_err(CliError::of_request) {
                Ok(()) => output::print(&format!("{word}\n"))?,
                Err(error) => errors.push(error),
            }
        }
        return CliError::all(errors).map_or(Ok(ExitCode::SUCCESS), Err);
    }
    if args.containers.iter().any(String::is_empty) {
        return Err(CliError::new("container name cannot be empty"));
    }
    // With -f, a missing container is reported, but is not an error.
    let there = |word: &&String| match containers.find(word) {
        Err(error @ ContainerError::NotFound { .. }) if args.force => {
            output::say(error);
            false
        }
        _ => true,
    };
    let words: Vec<String> = args.containers.iter().filter(there).cloned().collect();
    let removal = Removal { force: args.force, volumes: args.volumes };
    each::each(&containers, &words, |entry| remove(&containers, &entry, removal).map_err(CliError::of_request))?;
    Ok(ExitCode::SUCCESS)
}
