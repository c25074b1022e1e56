//! `rbuild context ...`: the engines that docker's CLI could use. rbuild is the only one, on this machine. Also, for
//! `ls` with a path, which docker does not have: the files of a build context.

mod files;

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::format::{self, Column, Listing, Missing};
use crate::cli::global::Global;
use crate::cli::{CliError, output};

const DEFAULT: &str = "default";
const ONE: &str = "rbuild works on this machine, in the context `default`";

#[derive(Debug, Subcommand)]
enum ContextCommand {
    Inspect(InspectArgs),
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Print the name of the context: `default`
    Show,
    Use(UseArgs),
}

/// Show the context: there is one, this machine
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: ContextCommand,
}

/// Show all that is known of contexts, as JSON
#[derive(Debug, clap::Args)]
struct InspectArgs {
    #[arg(value_name = "CONTEXT")]
    names: Vec<String>,
    /// `json` (on one line) or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// List contexts; with a path, the files of a build context, the largest first
///
/// Without PATH, --why and --file these are docker's contexts. With one of them: what a build of PATH would send.
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print names only
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    files: files::Args,
}

/// Set the context: it is always `default`
#[derive(Debug, clap::Args)]
struct UseArgs {
    #[arg(value_name = "CONTEXT")]
    name: String,
}

const COLUMNS: &[Column] = &[
    Column { field: "Name", heading: "NAME" },
    Column { field: "Description", heading: "DESCRIPTION" },
    Column { field: "DockerEndpoint", heading: "DOCKER ENDPOINT" },
    Column { field: "Current", heading: "CURRENT" },
    Column { field: "Error", heading: "ERROR" },
];

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let text = match args.command {
        ContextCommand::Show => format!("{DEFAULT}\n"),
        ContextCommand::Use(args) => {
            find(&args.name)?;
            output::say(format!("Current context is now \"{DEFAULT}\""));
            format!("{DEFAULT}\n")
        }
        ContextCommand::Ls(args) if args.files.are_meant() => {
            files::list(&args.files, (args.format.as_deref(), args.quiet), global)?
        }
        ContextCommand::Ls(args) => list(&args)?,
        ContextCommand::Inspect(args) => inspect(&args)?,
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn find(name: &str) -> Result<(), CliError> {
    if name == DEFAULT {
        return Ok(());
    }
    Err(CliError::new(format!("context `{name}` not found")).hint(ONE))
}

fn list(args: &ListArgs) -> Result<String, CliError> {
    let is_table = args.format.as_deref().is_none_or(|format| format == "table");
    // No daemon is listening.
    let row = json!({
        "Name": if is_table && !args.quiet { format!("{DEFAULT} *") } else { DEFAULT.to_owned() },
        "Description": "rbuild, on this machine",
        "DockerEndpoint": "",
        "Current": true,
        "Error": "",
    });
    let default = "{{.Name}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}";
    let format = if args.quiet { Some("{{.Name}}") } else { args.format.as_deref() };
    Ok(Listing::parse(format, default)?.render(COLUMNS, &[row])?)
}

fn inspect(args: &InspectArgs) -> Result<String, CliError> {
    args.names.iter().try_for_each(|name| find(name))?;
    let count = args.names.len().max(1);
    let context = json!({
        "Name": DEFAULT,
        "Metadata": {"Description": "rbuild, on this machine"},
        "Endpoints": {"docker": {"Host": "", "SkipTLSVerify": false}},
        "TLSMaterial": {},
        "Storage": {"MetadataPath": "<IN MEMORY>", "TLSPath": "<IN MEMORY>"},
    });
    match args.format.as_deref() {
        None | Some("") => {
            let all = Value::from(vec![context; count]);
            Ok(crate::cli::inspect::indented(&all) + "\n")
        }
        Some("json") => Ok(format!("{}\n", Value::from(vec![context; count]))),
        Some(format) => {
            let line = format::of_document(format)?.render(&context, Missing::Error)? + "\n";
            Ok(line.repeat(count))
        }
    }
}
