//! `rbuild top`

use std::process::ExitCode;

use crate::cli::container::each;
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::container::{Processes, top};

/// Show the processes of a container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name, an ID or the beginning of one
    #[arg(value_name = "CONTAINER")]
    pub(in crate::cli) container: String,
    /// Options of ps(1)
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "PS_OPTIONS")]
    options: Vec<String>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let containers = each::open(global)?;
    let entry = each::find(&containers, &args.container)?;
    let processes = top(&containers, &entry, &args.options).map_err(CliError::of_request)?;
    output::print(&table(&processes))?;
    Ok(ExitCode::SUCCESS)
}

/// docker's layout: each column is as wide as its widest cell, and four blanks.
fn table(processes: &Processes) -> String {
    let rows: Vec<&Vec<String>> = std::iter::once(&processes.titles).chain(&processes.rows).collect();
    let mut widths = vec![0; processes.titles.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(*row) {
            *width = (*width).max(cell.chars().count() + 4).max(20);
        }
    }
    let line = |row: &&Vec<String>| -> String {
        let cells: String = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
