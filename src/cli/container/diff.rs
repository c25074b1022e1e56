//! `rbuild diff`

use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;

use crate::cli::container::each;
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::{Change, changes};

/// Show which files of its image a container changed
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name, an ID or the beginning of one
    #[arg(value_name = "CONTAINER")]
    container: String,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let containers = each::open(global)?;
    let entry = each::find(&containers, &args.container)?;
    let line = |(path, change): (&std::path::PathBuf, &Change)| {
        let letter = match change {
            Change::Added => b'A',
            Change::Changed => b'C',
            Change::Deleted => b'D',
        };
        [&[letter, b' '], path.as_os_str().as_bytes(), b"\n"].concat()
    };
    let found = changes(&entry)?;
    output::print_bytes(&found.iter().flat_map(line).collect::<Vec<u8>>())?;
    Ok(ExitCode::SUCCESS)
}
