//! `rbuild exec`

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::CliError;
use crate::cli::container::each;
use crate::cli::container::run::{detach_keys, environment_file, exit_code_of_guest, variable, variable_form};
use crate::cli::global::Global;
use crate::container::{ContainerError, ExecOptions};
use crate::engine::container::{ExecWay, exec};

/// Run a program in a running container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name, an ID or the beginning of one
    #[arg(value_name = "CONTAINER")]
    pub(in crate::cli) container: String,
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// Leave it in the background
    #[arg(short, long)]
    detach: bool,
    /// The keys that end the session and not the program
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Set a variable; with the name alone, to what it is here
    #[arg(short, long, value_name = "NAME[=VALUE]", value_parser = variable_form)]
    env: Vec<String>,
    /// Set the variables of a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Pass the input on
    #[arg(short, long)]
    interactive: bool,
    /// Give the program all rights
    #[arg(long)]
    privileged: bool,
    /// Give the program a terminal
    #[arg(short, long)]
    tty: bool,
    /// The program's user, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// The program's folder
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
}

/// docker's exit code for an invalid working directory.
const INVALID_FOLDER: u8 = 128;

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    if args.workdir.as_deref().is_some_and(|folder| !folder.is_empty() && !folder.starts_with('/')) {
        return Err(CliError::new("the working directory must be an absolute path").exit_code(INVALID_FOLDER));
    }
    let keys = detach_keys(args.detach_keys.as_deref())?;
    let mut environment = Vec::new();
    for file in &args.env_file {
        environment.extend(environment_file(file)?);
    }
    environment.extend(args.env.iter().map(|text| variable(text)));
    let options = ExecOptions {
        id: String::new(),
        command: args.command,
        environment,
        user: args.user,
        directory: args.workdir,
        terminal: args.tty && !args.detach,
        privileged: args.privileged,
    };
    if options.terminal && args.interactive && !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        return Err(CliError::of_container(ContainerError::NoTerminal).exit_code(1));
    }
    let containers = each::open(global)?;
    let entry = each::find(&containers, &args.container)?;
    let way = match args.detach {
        true => ExecWay::Background,
        false => ExecWay::Foreground { interactive: args.interactive, keys },
    };
    match exec(&containers, &entry, options, way) {
        Ok(Some(left)) => Ok(exit_code_of_guest(&left)),
        Ok(None) => Ok(ExitCode::SUCCESS),
        // The exit code is not that of a program in the background.
        Err(error) if args.detach => Err(exec_error(error).exit_code(1)),
        Err(error) => Err(exec_error(error)),
    }
}

/// Like a shell: 126 for a program that can't be executed and 127 for a missing one; 1 for everything else.
fn exec_code(error: &ContainerError) -> u8 {
    let code = error.exit_code();
    if matches!(code, 126 | 127) { code } else { 1 }
}

fn exec_error(error: ContainerError) -> CliError {
    let code = exec_code(&error);
    CliError::of_container(error).exit_code(code)
}
