//! `rbuild context ls PATH`: what a build would send, and why.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::base::human_size;
use crate::build::BuildOptions;
use crate::build::context::Listed;
use crate::cli::build::build_error;
use crate::cli::format::{Column, Listing};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::context::{self, Files};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show what is left out, too, and which line of the ignore file keeps or drops each file
    #[arg(long)]
    why: bool,
    /// Dockerfile of the build, whose own ignore file wins [default: PATH/Dockerfile]
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The build context: a folder, a tar archive, a git or http(s) URL, or `-` [default: .]
    #[arg(value_name = "PATH|URL|-")]
    path: Option<PathBuf>,
}

const COLUMNS: &[Column] = &[
    Column { field: "Bytes", heading: "BYTES" },
    Column { field: "File", heading: "IGNORE FILE" },
    Column { field: "Files", heading: "FILES" },
    Column { field: "Line", heading: "LINE" },
    Column { field: "Path", heading: "PATH" },
    Column { field: "Pattern", heading: "PATTERN" },
    Column { field: "Sent", heading: "SENT" },
    Column { field: "Size", heading: "SIZE" },
    Column { field: "Why", heading: "WHY" },
];

impl Args {
    /// Whether the files of a build are requested, not docker's contexts.
    pub(super) fn are_meant(&self) -> bool {
        self.why || self.file.is_some() || self.path.is_some()
    }
}

pub(super) fn list(args: &Args, (format, quiet): (Option<&str>, bool), global: &Global) -> Result<String, CliError> {
    let path = args.path.as_deref().unwrap_or(Path::new("."));
    let options = BuildOptions {
        dockerfile: crate::cli::build::dockerfile_source(args.file.as_deref()),
        ..BuildOptions::of_source(crate::cli::build::context_source(path))
    };
    let found = context::files(&global.open_store()?, &options).map_err(build_error)?;
    let rows = found.files.iter().filter(|file| args.why || !file.is_left_out);
    let rows: Vec<Value> = rows.map(|file| row(file, &found)).collect();
    let default = if args.why { "{{.Size}}\t{{.Sent}}\t{{.Path}}\t{{.Why}}" } else { "{{.Size}}\t{{.Path}}" };
    let is_table = format.is_none_or(|format| format.starts_with("table"));
    let mut text = Listing::parse(if quiet { Some("{{.Path}}") } else { format }, default)?.render(COLUMNS, &rows)?;
    if is_table && !quiet {
        text.push_str(&summary(&found));
        hints(&found);
    }
    Ok(text)
}

fn row(file: &Listed, found: &Files) -> Value {
    let mut path = file.path.display().to_string();
    if file.is_folder {
        path.push('/');
    }
    let ignore_file = found.ignore_file.as_deref().unwrap_or_default();
    let why = match &file.rule {
        None => "no pattern matches".to_owned(),
        Some(rule) => format!("{ignore_file}:{}: {}", rule.line, rule.pattern),
    };
    json!({
        "Bytes": file.bytes,
        "File": file.rule.as_ref().map_or("", |_| ignore_file),
        "Files": file.files,
        "Line": file.rule.as_ref().map_or(0, |rule| rule.line),
        "Path": path,
        "Pattern": file.rule.as_ref().map_or("", |rule| rule.pattern.as_str()),
        "Sent": !file.is_left_out,
        "Size": human_size(file.bytes, 3),
        "Why": why,
    })
}

fn summary(found: &Files) -> String {
    let ((files, bytes), (other_files, other_bytes)) = (found.count(false), found.count(true));
    let left_out = match other_files {
        0 => "nothing is left out".to_owned(),
        _ => format!("{} ({}) left out", counted(other_files), human_size(other_bytes, 3)),
    };
    format!("\n{} ({}) sent, {left_out}\n", counted(files), human_size(bytes, 3))
}

fn hints(found: &Files) {
    let file = found.ignore_file.as_deref().unwrap_or(".dockerignore");
    for hint in &found.hints {
        output::say(format_args!(
            "hint: `{}` is {} in {}, {}: the line `{}` in {file} leaves it out",
            hint.name,
            human_size(hint.bytes, 3),
            counted(hint.files),
            hint.what,
            hint.line
        ));
    }
}

fn counted(files: u64) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}
