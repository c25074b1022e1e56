//! `rbuild import`

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{IsTerminal as _, Read, stdin};
use std::path::Path;
use std::process::ExitCode;

use crate::base::io_error::AtPath;
use crate::base::urls;
use crate::cli::docker_config::platform_or_default;
use crate::cli::global::Global;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, output};
use crate::engine::image::import::{self, ImportRequest};
use crate::image::{Platform, Reference};
use crate::store::Store;

/// Create an image from a root filesystem in a tar archive
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file, an http(s) address, or `-` for standard input
    #[arg(value_name = "FILE|URL|-")]
    source: OsString,
    /// What to call the image
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<Reference>,
    /// An instruction to apply to the image's config: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD,
    /// STOPSIGNAL, USER, VOLUME or WORKDIR
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// The comment in the image's history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// What the files are for
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let request = ImportRequest {
        name: args.name,
        changes: args.change,
        message: args.message.unwrap_or_else(|| imported_from(&args.source)),
        platform: platform_or_default(args.platform.as_ref())?,
    };
    let request = request.check()?;
    let store = global.open_store()?;
    let (source, size) = open(&store, &args.source)?;
    let work = Work::of_bytes(&format!("importing {}", args.source.display()), size);
    let id = import::import(&store, &request, work.reader(source))?;
    drop(work);
    output::print(&format!("{id}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// docker's CLI reads a file itself and sends its content, so the daemon does not know the name.
fn imported_from(source: &OsStr) -> String {
    format!("Imported from {}", address(source).unwrap_or("-"))
}

/// The address, unless there is a file of that name.
fn address(source: &OsStr) -> Option<&str> {
    source.to_str().filter(|text| !Path::new(text).exists() && urls::is_http_url(text))
}

/// The archive, and its size if known.
fn open(store: &Store, source: &OsStr) -> Result<(Box<dyn Read>, Option<u64>), CliError> {
    let file = |path: &Path| -> Result<(Box<dyn Read>, Option<u64>), CliError> {
        let file = File::open(path).at("open", path)?;
        let size = file.metadata().at("look at", path)?.len();
        Ok((Box::new(file), Some(size)))
    };
    if let Some(address) = address(source) {
        let (file, size) = import::download(store, address)?;
        return Ok((Box::new(file), Some(size)));
    }
    if source != "-" {
        return file(Path::new(source));
    }
    if stdin().is_terminal() {
        return Err(CliError::new("there is nothing to import: standard input is a terminal"));
    }
    Ok((Box::new(output::raw_stdin()?), None))
}
