//! `builds open`, and `buildx history open`

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::base::io_error::{AtPath as _, IoError};
use crate::cli::{CliError, output, report};
use crate::store::Store;

/// Show a build in a browser: its graph, timeline, logs and layers, in one HTML file
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write the file here, and open no browser
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What the build is known by, or `^N` for the N-th before the last [default: the last]
    #[arg(value_name = "BUILD")]
    build: Option<String>,
}

pub fn run(args: &Args, store: &Store) -> Result<(), CliError> {
    let record = super::one(store, args.build.as_deref())?;
    if let Some(path) = &args.output {
        return report::write_to(store, &record, path);
    }
    let folder = std::env::temp_dir();
    let builder = |id: &str| format!("rbuild-{}-", id.chars().take(12).collect::<String>());
    // Readable by its owner only, with an unpredictable name.
    let file = tempfile::Builder::new().prefix(&builder(&record.id)).suffix(".html").tempfile_in(&folder);
    let file = file.at("create a file in", &folder)?;
    let mut out = std::io::BufWriter::new(file);
    let path = out.get_ref().path().to_owned();
    report::write(store, &record, &path, &mut out)?;
    out.flush().at("write", &path)?;
    let file = out.into_inner().map_err(|error| error.into_error()).at("write", &path)?;
    let (_, path) = file.keep().map_err(|error| IoError { action: "keep", path, source: error.error })?;
    output::print(&format!("{}\n", path.display()))?;
    if has_display() && !open(&path) {
        output::say("no program was found to open it with (xdg-open): open the file in a browser");
    }
    Ok(())
}

fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// The browser keeps running.
fn open(path: &Path) -> bool {
    let mut command = Command::new("xdg-open");
    command.arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}
