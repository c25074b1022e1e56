//! `buildx history export`

use std::path::PathBuf;

use crate::base::io_error::IoError;
use crate::cli::builds;
use crate::cli::buildx::Builder;
use crate::cli::global::Global;
use crate::cli::output::Stream;
use crate::cli::{CliError, output};
use crate::engine::history;
use crate::store::Store;
use crate::transport::archive;

/// Write builds into a file, as an OCI layout in a compressed archive
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    builder: Builder,
    /// All of them
    #[arg(long)]
    all: bool,
    /// Taken: a build is written down when it is over
    #[arg(long)]
    finalize: bool,
    /// The file [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What builds are known by, or `^N` for the N-th before the last [default: the last]
    #[arg(value_name = "REF")]
    references: Vec<String>,
}

pub fn run(args: &Args, global: &Global, store: &Store) -> Result<(), CliError> {
    args.builder.check(global)?;
    if args.all && !args.references.is_empty() {
        return Err(CliError::new("cannot specify refs when using --all"));
    }
    let records = match args.all {
        true => history::list(store)?,
        false => builds::several(store, &args.references)?,
    };
    let mut bytes = Vec::new();
    history::export(store, &records, &mut bytes)?;
    match args.output.as_deref().filter(|path| *path != std::path::Path::new("-")) {
        Some(path) => archive::write_file(path, |out| {
            use std::io::Write as _;
            out.write_all(&bytes)
                .map_err(|source| CliError::from(IoError { action: "write", path: path.to_owned(), source }))
        }),
        None if Stream::Output.is_terminal() => {
            Err(CliError::new("the archive is nothing for a terminal").hint("write it to a file: --output FILE"))
        }
        None => Ok(output::print_bytes(&bytes)?),
    }
}
