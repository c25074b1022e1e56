//! `rbuild man`: generates manual pages from the definitions of the commands with `clap_mangen`, and adds examples, the
//! environment, files and exit codes.

mod examples;
mod page;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Command;

use crate::base::outgoing;
use crate::base::privacy;
use crate::cli::{CliError, output};
use page::page;

/// Print the manual page of a command, or write all pages to a folder
///
/// `rbuild man run | man -l -`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Such as `run` or `network create`
    #[arg(value_name = "COMMAND")]
    words: Vec<String>,
    /// Write the pages of all commands there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let mut definition = crate::cli::commands::definition();
    definition.build();
    if let Some(folder) = &args.dir {
        privacy::make_folders_for_caller(folder)?;
        write_all(&definition, "rbuild", folder)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (mut command, mut name) = (&definition, "rbuild".to_owned());
    for word in &args.words {
        let missing = || CliError::new(format!("there is no command `{word}` of `{name}`"));
        command = command.find_subcommand(word).ok_or_else(missing)?;
        name = format!("{name}-{}", command.get_name());
    }
    output::print(&page(command, &name)?)?;
    Ok(ExitCode::SUCCESS)
}

fn write_all(command: &Command, name: &str, folder: &Path) -> Result<(), CliError> {
    let path = folder.join(format!("{name}.1"));
    outgoing::write(&path, page(command, name)?.as_bytes())?;
    let shown = command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help");
    for inner in shown {
        write_all(inner, &format!("{name}-{}", inner.get_name()), folder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_what_the_help_has_and_more() {
        let folder = tempfile::tempdir().unwrap();
        let mut definition = crate::cli::commands::definition();
        definition.build();
        write_all(&definition, "rbuild", folder.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let run = read("rbuild-run.1");
        assert!(run.contains(".TH rbuild-run 1"), "{run}");
        for part in
            ["\\-\\-publish", ".SH NETWORK", ".SH EXAMPLES", ".SH \"EXIT STATUS\"", "\n125\n", "rbuild\\-create"]
        {
            assert!(run.contains(part), "{part}: {run}");
        }
        assert!(read("rbuild-network-create.1").contains("\\-\\-subnet"));
        let all = read("rbuild.1");
        for part in [".SH COMMANDS", ".SH ENVIRONMENT", "RBUILD_ROOT", ".SH FILES", "config.json", "rbuild\\-build"] {
            assert!(all.contains(part), "{part}: {all}");
        }
    }

    /// Each example parses, and belongs to the command of its page.
    #[test]
    fn examples_can_be_typed() {
        let definition = crate::cli::commands::definition();
        for (name, list) in examples::ALL {
            let mut command = &definition;
            for word in name.split(' ') {
                command = command.find_subcommand(word).unwrap_or_else(|| panic!("{name}"));
            }
            for (line, why) in *list {
                let start = format!("rbuild {name}");
                assert!(line.contains(&start) && !why.is_empty(), "{line}");
                let words = line.split(&start).nth(1).unwrap().split(" | ").next().unwrap().split_whitespace();
                let names = |word: &str| command.get_arguments().any(|arg| arg.get_long() == Some(word));
                for option in words.filter_map(|word| word.strip_prefix("--")).filter(|word| !word.is_empty()) {
                    let option = option.split('=').next().unwrap();
                    assert!(names(option), "{line}: --{option}");
                }
            }
        }
    }
}
