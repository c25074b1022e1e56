//! A container's output, stored like docker's `json-file`: a JSON object per line, in files that are rotated.
//!
//! The driver `local` stores the same lines, with docker's limits for it (5 files of 20 MB, the older ones compressed).

mod line;
mod reader;
mod writer;

use std::path::{Path, PathBuf};

use super::error::ContainerError;
use super::host_config::LogDriver;
use super::record::Record;
use crate::base::{boolean, bytes};

pub use line::{LogLine, Source};
pub use reader::{LogReader, Selection};
pub(super) use writer::LogWriter;

/// Where a container's log is, and its limits.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSettings {
    /// The current file; older ones have the same name with `.1`, `.2` and so on, and `.gz` if compressed.
    pub path: PathBuf,
    /// Bytes; `None` for no limit.
    max_size: Option<u64>,
    max_files: usize,
    compress: bool,
    /// Shown by `logs --details`.
    attributes: Vec<(String, String)>,
}

impl LogSettings {
    /// The settings of a container, whose folder is `folder`; `None` if it has no log.
    pub fn of(record: &Record, folder: &Path) -> Result<Option<Self>, ContainerError> {
        let config = &record.host_config.log_config;
        let mut settings = match config.driver {
            LogDriver::JsonFile => Self {
                path: folder.join(format!("{}-json.log", record.id)),
                max_size: None,
                max_files: 1,
                compress: false,
                attributes: Vec::new(),
            },
            LogDriver::Local => Self {
                path: folder.join("local-logs").join("container.log"),
                max_size: Some(20_000_000),
                max_files: 5,
                compress: true,
                attributes: Vec::new(),
            },
            LogDriver::None => return Ok(None),
        };
        for (key, value) in &config.config {
            let wrong = || ContainerError::LogOption { key: key.clone(), value: value.clone() };
            match key.as_str() {
                "max-size" if value == "-1" => settings.max_size = None,
                "max-size" => settings.max_size = Some(bytes(value).ok().filter(|size| *size > 0).ok_or_else(wrong)?),
                "max-file" => settings.max_files = value.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?,
                "compress" => settings.compress = boolean(value).ok_or_else(wrong)?,
                // Writing to a file never blocks the program for long, so nothing has to be dropped.
                "mode" if matches!(value.as_str(), "blocking" | "non-blocking") => {}
                "max-buffer-size" => drop(bytes(value).map_err(|_| wrong())?),
                "labels" | "env" => settings.attributes.extend(chosen(record, key, value)),
                "tag" => settings.attributes.push(("tag".to_owned(), tag(record, value))),
                _ => return Err(wrong()),
            }
        }
        settings.attributes.sort();
        Ok(Some(settings))
    }

    /// The file that is `age` generations old; 0 is the current one.
    fn generation(&self, age: usize, compressed: bool) -> PathBuf {
        if age == 0 {
            return self.path.clone();
        }
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{age}{}", if compressed { ".gz" } else { "" }));
        PathBuf::from(name)
    }
}

/// The labels or variables with those names.
fn chosen(record: &Record, kind: &str, names: &str) -> Vec<(String, String)> {
    let run = &record.config.run;
    let value = |name: &str| match kind {
        "labels" => run.labels.get(name).cloned(),
        _ => run.env_value(name).map(str::to_owned),
    };
    names.split(',').filter_map(|name| Some((name.to_owned(), value(name)?))).collect()
}

/// Expands docker's template, as far as it applies to a container.
fn tag(record: &Record, template: &str) -> String {
    let image_id = record.image.trim_start_matches("sha256:");
    [
        ("{{.ID}}", record.short_id()),
        ("{{.FullID}}", &record.id),
        ("{{.Name}}", record.plain_name()),
        ("{{.ImageID}}", image_id.get(..12).unwrap_or(image_id)),
        ("{{.ImageName}}", &record.config.image),
    ]
    .iter()
    .fold(template.to_owned(), |text, (field, value)| text.replace(field, value))
}
