//! `rbuild man`: manual pages from the definitions of the commands (man(7)).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, Command};

use super::{CliError, output};
use crate::io_error::AtPath;
use crate::privacy;

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
    let mut definition = super::commands::definition();
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
        name = format!("{name}-{word}");
    }
    output::print(&page(command, &name))?;
    Ok(ExitCode::SUCCESS)
}

fn write_all(command: &Command, name: &str, folder: &Path) -> Result<(), CliError> {
    let path = folder.join(format!("{name}.1"));
    std::fs::write(&path, page(command, name)).at("write", &path)?;
    let shown = command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help");
    for inner in shown {
        write_all(inner, &format!("{name}-{}", inner.get_name()), folder)?;
    }
    Ok(())
}

fn page(command: &Command, name: &str) -> String {
    let text = |styled: Option<&clap::builder::StyledStr>| escape(&styled.map(ToString::to_string).unwrap_or_default());
    let about = text(command.get_about());
    let mut out = format!(".TH {} 1 \"\" \"rbuild {}\"\n", name.to_uppercase(), env!("CARGO_PKG_VERSION"));
    let _ = writeln!(out, ".SH NAME\n{} \\- {about}", escape(name));
    let usage = command.clone().render_usage().to_string();
    let _ = writeln!(out, ".SH SYNOPSIS\n.B {}", escape(usage.trim_start_matches("Usage: ")));
    if command.get_long_about().is_some() {
        let _ = writeln!(out, ".SH DESCRIPTION\n{}", text(command.get_long_about()).replace("\n\n", "\n.PP\n"));
    }
    let mut heading = None;
    let (plain, grouped): (Vec<&Arg>, Vec<&Arg>) =
        command.get_arguments().filter(|arg| !arg.is_hide_set()).partition(|arg| arg.get_help_heading().is_none());
    for argument in plain.into_iter().chain(grouped) {
        let own = argument.get_help_heading().unwrap_or(if argument.is_positional() { "Arguments" } else { "Options" });
        if heading != Some(own) {
            let _ = writeln!(out, ".SH {}", own.to_uppercase());
            heading = Some(own);
        }
        let help = argument.get_long_help().or(argument.get_help());
        let _ = writeln!(out, ".TP\n.B {}\n{}", escape(&argument.to_string()), option_text(argument, &text(help)));
    }
    let inner: Vec<&Command> = command.get_subcommands().filter(|inner| !inner.is_hide_set()).collect();
    if !inner.is_empty() {
        out.push_str(".SH COMMANDS\n");
    }
    for inner in inner {
        let _ = writeln!(out, ".TP\n.B {}\n{}", escape(inner.get_name()), text(inner.get_about()));
    }
    out
}

/// The help, with the short form and the default, which the long form does not show.
fn option_text(argument: &Arg, help: &str) -> String {
    let mut parts = vec![help.to_owned()];
    if let (Some(short), Some(_)) = (argument.get_short(), argument.get_long()) {
        parts.push(format!("(also \\-{short})"));
    }
    let default = argument.get_default_values().first().filter(|_| !argument.is_hide_default_value_set());
    if let Some(value) = default {
        parts.push(format!("[default: {}]", escape(&value.to_string_lossy())));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

/// Backslashes, hyphens, and dots that begin a line mean something in roff.
fn escape(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    let lines =
        escaped.lines().map(|line| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_what_the_help_has() {
        let folder = tempfile::tempdir().unwrap();
        let mut definition = crate::cli::commands::definition();
        definition.build();
        write_all(&definition, "rbuild", folder.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let run = read("rbuild-run.1");
        assert!(run.starts_with(".TH RBUILD-RUN 1") && run.contains("\\-\\-publish") && run.contains(".SH NETWORK"));
        assert!(read("rbuild-network-create.1").contains("\\-\\-subnet"));
        assert!(read("rbuild.1").contains(".SH COMMANDS"));
    }
}
