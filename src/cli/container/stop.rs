//! `rbuild stop`

use std::process::ExitCode;

use crate::cli::CliError;
use crate::cli::container::each;
use crate::cli::global::Global;
use crate::container::Stop;
use crate::engine::container::stop as end;

/// Stop containers, and kill those that do not stop in time
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names, IDs or beginnings of IDs
    #[arg(required = true, value_name = "CONTAINER")]
    pub(in crate::cli) containers: Vec<String>,
    /// Instead of the container's own
    #[arg(short, long, value_name = "SIGNAL", value_parser = each::signal)]
    pub(in crate::cli) signal: Option<i32>,
    /// Seconds to wait before it is killed; -1 to wait for ever
    #[arg(short, long, visible_alias = "time", value_name = "SECONDS", allow_hyphen_values = true)]
    pub(in crate::cli) timeout: Option<i64>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let containers = each::open(global)?;
    let stop = Stop { signal: args.signal, timeout: args.timeout, keep: false, is_removal: false };
    each::each_at_once(&containers, &args.containers, |entry| end(&entry, stop).map(drop))?;
    Ok(ExitCode::SUCCESS)
}
