//! `builds compare`

use std::path::{Path, PathBuf};

use crate::base::human_size;
use crate::cli::report::{last_two, read, write_comparison};
use crate::cli::{CliError, output};
use crate::engine::history::{self, Comparison, Document, Row, Step, StepState};
use crate::store::Store;

/// Compare two builds, step by step
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write an HTML file that shows both side by side
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// What a build is known by, a report of one, or a folder whose last two reports are compared
    #[arg(value_name = "BUILD|FILE|FOLDER")]
    first: String,
    /// The other one, which is compared with it [default: the last build]
    #[arg(value_name = "BUILD|FILE")]
    second: Option<String>,
}

pub fn run(args: &Args, store: &Store) -> Result<(), CliError> {
    let folder = Path::new(&args.first);
    let [first, second] = match &args.second {
        None if folder.is_dir() => last_two(folder)?,
        second => [document(store, Some(&args.first))?, document(store, second.as_deref())?],
    };
    let comparison = Comparison::of(first, second);
    match &args.report {
        Some(path) => write_comparison(&comparison, path),
        None => Ok(output::print(&in_words(&comparison))?),
    }
}

fn document(store: &Store, word: Option<&str>) -> Result<Document, CliError> {
    if let Some(path) = word.map(Path::new).filter(|path| path.is_file()) {
        return read(path);
    }
    let mut document = history::document(store, &super::one(store, word)?)?;
    document.look_at_image(store);
    Ok(document)
}

fn in_words(comparison: &Comparison) -> String {
    let Comparison { first, second, rows } = comparison;
    let mut lines = vec![["A".to_owned(), "B".to_owned(), String::new(), "STEP".to_owned()]];
    let seconds = |document: &Document| format!("{:.1}s", document.build.nanoseconds as f64 / 1e9);
    let by = difference(first.build.nanoseconds / 1000, second.build.nanoseconds / 1000);
    lines.push([seconds(first), seconds(second), by, format!("all of {}", second.build.name)]);
    for Row { first: one, second: other } in rows {
        let steps = (one.map(|place| &first.steps[place]), other.map(|place| &second.steps[place]));
        let Some(step) = steps.1.or(steps.0).filter(|step| !step.name.is_empty()) else { continue };
        let cell = |step: Option<&Step>| step.map_or_else(String::new, took);
        let by = steps.0.zip(steps.1).map_or_else(String::new, |(one, other)| difference(one.took(), other.took()));
        let mut text = step.name.replace('\n', " ");
        if let (Some(one), Some(other)) = steps
            && one.layer_bytes != other.layer_bytes
        {
            text += &format!(" ({} was {})", human_size(other.layer_bytes, 3), human_size(one.layer_bytes, 3));
        }
        lines.push([cell(steps.0), cell(steps.1), by, text]);
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |[a, b, by, text]: &[String; 4]| {
        let [wide_a, wide_b, wide_by] = widths;
        format!("{a:>wide_a$}  {b:>wide_b$}  {by:>wide_by$}  {text}\n")
    };
    lines.iter().map(line).collect()
}

fn took(step: &Step) -> String {
    match step.state {
        StepState::Cached => "cached".to_owned(),
        StepState::NotReached => "not reached".to_owned(),
        _ => format!("{:.1}s", step.took() as f64 / 1e6),
    }
}

/// `+1.2s`; empty below a tenth of a second.
fn difference(before: u64, after: u64) -> String {
    let by = (after as f64 - before as f64) / 1e6;
    if by.abs() < 0.05 { String::new() } else { format!("{by:+.1}s") }
}
