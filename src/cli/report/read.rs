//! Reads reports of builds, to compare them with those of other machines.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::DATA;
use crate::base::io_error::AtPath as _;
use crate::cli::CliError;
use crate::engine::history::Document;

/// The size limit of the data, which precedes the logs.
const LIMIT: u64 = 64 << 20;

/// The build of a report.
pub fn read(path: &Path) -> Result<Document, CliError> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes)).at("read", path)?;
    let none = || {
        CliError::new(format!("`{}` is not a build report", path.display()))
            .hint("`rbuild build --report FILE` and `rbuild builds open --output FILE` write one")
    };
    let begin = memchr::memmem::find(&bytes, DATA.as_bytes()).ok_or_else(none)? + DATA.len();
    let length = memchr::memmem::find(&bytes[begin..], b"</script>").ok_or_else(none)?;
    let data: serde_json::Value = serde_json::from_slice(&bytes[begin..begin + length]).map_err(|_| none())?;
    Document::parse(data["document"].to_string().as_bytes()).ok_or_else(none)
}

/// The last two reports of a folder, older first.
pub fn last_two(folder: &Path) -> Result<[Document; 2], CliError> {
    let entries = std::fs::read_dir(folder).at("list", folder)?.flatten();
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "html");
    let pages = entries.map(|entry| entry.path()).filter(is_page);
    let mut reports: Vec<Document> = pages.filter_map(|path| read(&path).ok()).collect();
    reports.sort_by_key(|report| report.build.started);
    match (reports.pop(), reports.pop()) {
        (Some(last), Some(before)) => Ok([before, last]),
        _ => Err(CliError::new(format!("`{}` does not hold two build reports", folder.display()))),
    }
}
