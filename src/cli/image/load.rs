//! `rbuild load`

use std::fs::File;
use std::io::{IsTerminal as _, stdin};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::io_error::AtPath;
use crate::cli::global::Global;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, output};
use crate::engine::image::load::{lines, load};
use crate::image::Platform;
use crate::transport::archive::Source;

/// Load images from a docker or OCI archive, or from an OCI layout folder
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Read from this file or folder instead of standard input
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Show no bar while it is read
    #[arg(short, long)]
    quiet: bool,
    /// Of an image for several platforms, load this one
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let (work, source) = match &args.input {
        Some(path) if path.is_dir() => {
            (work(args.quiet, &path.display().to_string(), None), Source::Folder(path.clone()))
        }
        Some(path) => {
            let file = File::open(path).at("open", path)?;
            let size = file.metadata().at("look at", path)?.len();
            let work = work(args.quiet, &path.display().to_string(), Some(size));
            let reader = work.reader(file);
            (work, Source::Stream(Box::new(reader)))
        }
        None if stdin().is_terminal() => {
            return Err(CliError::new("there is nothing to load: standard input is a terminal")
                .hint("name a file with -i, or redirect one"));
        }
        None => {
            let work = work(args.quiet, "standard input", None);
            let reader = work.reader(output::raw_stdin()?);
            (work, Source::Stream(Box::new(reader)))
        }
    };
    let store = global.open_store()?;
    let loaded = load(&store, source, args.platform)?;
    drop(work);
    output::print(&loaded.iter().flat_map(lines).map(|line| line + "\n").collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}

fn work(quiet: bool, source: &str, total: Option<u64>) -> Work {
    if quiet { Work::unseen() } else { Work::of_bytes(&format!("loading {source}"), total) }
}
