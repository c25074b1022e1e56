//! `rbuild export`

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::container::each;
use crate::cli::global::Global;
use crate::cli::output::Stream;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, output};
use crate::container::Containers;
use crate::engine::container::{export, files};
use crate::transport::archive::write_file;

/// Write a container's whole filesystem as a tar archive
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name, an ID or the beginning of one
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    if args.output.is_none() && Stream::Output.is_terminal() {
        return Err(CliError::new("cowardly refusing to save to a terminal").hint("use -o, or redirect the output"));
    }
    let store = global.open_store()?;
    let container = each::find(&Containers::of(store.root()), &args.container)?;
    let (view, _made) = files(&store, &container).map_err(CliError::of_request)?;
    Containers::of(store.root()).tell(&container, "export", &[]);
    let work = Work::of_bytes(&format!("exporting {}", args.container), None);
    let not_paused = match &args.output {
        Some(path) => {
            let mut not_paused = None;
            write_file(path, |out| {
                not_paused = export(&container, &view, &mut work.writer(out)).map_err(CliError::of_request)?;
                Ok::<_, CliError>(())
            })?;
            not_paused
        }
        None => {
            let mut out = BufWriter::with_capacity(1 << 17, output::raw_stdout()?);
            let not_paused = export(&container, &view, &mut work.writer(&mut out)).map_err(CliError::of_request)?;
            out.flush().map_err(|error| CliError::new(format!("cannot write the archive: {error}")))?;
            not_paused
        }
    };
    drop(work);
    if let Some(reason) = not_paused {
        each::warn_not_paused(&args.container, &reason);
    }
    Ok(ExitCode::SUCCESS)
}
