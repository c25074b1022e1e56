//! `rbuild cp`

use std::ffi::{OsStr, OsString};
use std::io::{BufWriter, IsTerminal as _, Write as _, stdin};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::container::each;
use crate::cli::format::human_size;
use crate::cli::global::Global;
use crate::cli::output::Stream;
use crate::cli::{CliError, output};
use crate::container::{Copied, Entry, Owners, Unpacking, copy_from, copy_into, copy_stream_into};

/// Copy files between a container and the host
#[derive(Debug, clap::Args)]
pub struct Args {
    /// CONTAINER:PATH, a path of the host, or `-` for a tar stream on standard input
    #[arg(value_name = "SOURCE", allow_hyphen_values = true)]
    pub(in crate::cli) source: OsString,
    /// CONTAINER:PATH, a path of the host, or `-` for a tar stream on standard output
    #[arg(value_name = "DESTINATION", allow_hyphen_values = true)]
    pub(in crate::cli) destination: OsString,
    /// Keep owners and groups
    #[arg(short, long)]
    archive: bool,
    /// Copy what the source leads to when it is a symbolic link
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Don't say what was copied; so it is unless standard output is a terminal
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    quiet: Option<bool>,
}

/// One side of a copy.
enum Side<'a> {
    Container(&'a str, &'a Path),
    Host(&'a Path),
    Stream,
}

impl<'a> Side<'a> {
    /// A path of the host begins with a slash or a dot, or has no colon. File names need not be UTF-8.
    fn parse(text: &'a OsStr) -> Self {
        let bytes = text.as_bytes();
        if bytes == b"-" {
            return Self::Stream;
        }
        let is_of_host = bytes.first().is_some_and(|first| matches!(first, b'/' | b'.' | b':'));
        match bytes.iter().position(|byte| *byte == b':').filter(|_| !is_of_host) {
            Some(colon) => match std::str::from_utf8(&bytes[..colon]) {
                Ok(name) => Self::Container(name, Path::new(OsStr::from_bytes(&bytes[colon + 1..]))),
                // Not a possible container name.
                Err(_) => Self::Host(Path::new(text)),
            },
            None => Self::Host(Path::new(text)),
        }
    }
}

/// The container that a copy is from or to.
pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let containers = each::open(global)?;
    let find = |name: &str| each::find(&containers, name);
    let tell = |entry: &Entry, action| containers.tell(entry, action, &[]);
    let empty = |path: &Path| match path.as_os_str().is_empty() {
        true => Err(CliError::new("the path in the container cannot be empty")),
        false => Ok(()),
    };
    let owners = if args.archive { Owners::Kept } else { Owners::Own };
    let (copied, into) = match (Side::parse(&args.source), Side::parse(&args.destination)) {
        (Side::Container(name, path), Side::Host(destination)) => {
            empty(path)?;
            let options = (args.follow_link, owners);
            let entry = find(name)?;
            let copied = copy_from(&entry, path, options, Ok(destination))?;
            tell(&entry, "archive-path");
            (copied, &args.destination)
        }
        (Side::Container(name, path), Side::Stream) => {
            empty(path)?;
            if Stream::Output.is_terminal() {
                return Err(
                    CliError::new("cowardly refusing to write an archive to a terminal").hint("redirect the output")
                );
            }
            let mut out = BufWriter::with_capacity(1 << 17, output::raw_stdout()?);
            let entry = find(name)?;
            copy_from(&entry, path, (args.follow_link, Owners::Kept), Err(&mut out))?;
            tell(&entry, "archive-path");
            out.flush().map_err(|error| CliError::new(format!("cannot write the archive: {error}")))?;
            return Ok(ExitCode::SUCCESS);
        }
        (Side::Host(source), Side::Container(name, path)) => {
            empty(path)?;
            let entry = find(name)?;
            let copied = copy_into(&entry, (source, args.follow_link), path, owners)?;
            tell(&entry, "extract-to-dir");
            (copied, &args.destination)
        }
        (Side::Stream, Side::Container(name, path)) => {
            empty(path)?;
            if stdin().is_terminal() {
                return Err(CliError::new("there is nothing to copy: standard input is a terminal"));
            }
            let entry = find(name)?;
            let how = Unpacking { owners: Owners::Kept, replaces_folders: false };
            copy_stream_into(&entry, output::raw_stdin()?, path, how)?;
            tell(&entry, "extract-to-dir");
            return Ok(ExitCode::SUCCESS);
        }
        // docker's message: it does not support this either.
        (Side::Container(..), Side::Container(..)) => {
            return Err(CliError::new("copying between containers is not supported"));
        }
        _ => return Err(CliError::new("must specify at least one container source")),
    };
    if !args.quiet.unwrap_or_else(|| !Stream::Output.is_terminal()) {
        let Copied(bytes) = copied;
        output::say(format_args!("Successfully copied {} to {}", human_size(bytes, 4), PathBuf::from(into).display()));
    }
    Ok(ExitCode::SUCCESS)
}
