//! `rbuild export`

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::io_error::AtPath;
use crate::cli::container::each;
use crate::cli::global::Global;
use crate::cli::output::Stream;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, output};
use crate::container::{self, Containers, Entry, Pause};
use crate::store::snapshot::{Stack, View, export_tar};
use crate::store::{Staging, Store};
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
    let (view, _made) = open(&store, &container)?;
    Containers::of(store.root()).tell(&container, "export", &[]);
    // What it writes meanwhile would not fit what was read before.
    let pause = Pause::of(&container);
    let work = Work::of_bytes(&format!("exporting {}", args.container), None);
    match &args.output {
        Some(path) => write_file(path, |out| export_tar(&view, work.writer(out)).map_err(CliError::from))?,
        None => {
            let mut out = BufWriter::with_capacity(1 << 17, output::raw_stdout()?);
            export_tar(&view, work.writer(&mut out))?;
            out.flush().map_err(|error| CliError::new(format!("cannot write the archive: {error}")))?;
        }
    }
    drop(work);
    if let Some(reason) = pause.end() {
        each::warn_not_paused(&args.container, &reason);
    }
    Ok(ExitCode::SUCCESS)
}

/// The container's root filesystem: its image's layers, and what it changed.
fn open(store: &Store, container: &Entry) -> Result<(View, Option<Staging>), CliError> {
    let layers = Stack::of_image(&container.record.diff_ids()).unpacked(store)?;
    let upper = container.upper();
    if upper.exists() {
        return Ok((View::of_container(&layers, Some(&upper))?, None));
    }
    // One that was never started has none yet, and what docker puts into every container is to be there.
    let staging = store.staging()?;
    let upper = staging.path().join("upper");
    std::fs::create_dir(&upper).at("create", &upper)?;
    container::upper_of_new(&layers, &upper)?;
    Ok((View::of_container(&layers, Some(&upper))?, Some(staging)))
}
