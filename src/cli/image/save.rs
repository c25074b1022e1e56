//! `rbuild save`

use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::global::Global;
use crate::cli::output::Stream;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, output};
use crate::engine::image::save::{save, select};
use crate::image::Platform;
use crate::transport::archive::write_file;

/// Save one or more images to a docker archive, which is an OCI layout too
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names (all tags of a name that has none), IDs or digests
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Of an image for several platforms, save this one only
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    if args.output.is_none() && Stream::Output.is_terminal() {
        return Err(CliError::new("cowardly refusing to save to a terminal").hint("use -o, or redirect the output"));
    }
    let store = global.open_store()?;
    let images = select(&store, &args.images, args.platform.as_ref())?;
    let work = Work::of_bytes(&format!("saving {}", args.images.join(" ")), None);
    match &args.output {
        Some(path) => {
            write_file(path, |out| save(&store, &images, work.writer(out)))?;
        }
        None => {
            let out = BufWriter::with_capacity(1 << 17, output::raw_stdout()?);
            save(&store, &images, work.writer(out))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
