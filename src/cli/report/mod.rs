//! Reports of builds: a single HTML file each, which loads nothing and can be opened from disk, printed, and read on a
//! phone.
//!
//! The page is plain HTML, CSS and JavaScript, used as checked in. The build's data is JSON in script elements, which
//! are not executed, with each `<` escaped; the page inserts it as text only.

mod read;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::base::io_error::IoError;
use crate::cli::CliError;
use crate::engine::history::{self, BuildRecord, Comparison, Document, Happening, Place};
use crate::store::{History, Store};
use crate::transport::archive;

pub use read::{last_two, read};

const TEMPLATE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// In the order of their dependencies.
const SCRIPTS: &[&str] = &[
    include_str!("page/words.js"),
    include_str!("page/log.js"),
    include_str!("page/timeline.js"),
    include_str!("page/graph.js"),
    include_str!("page/tables.js"),
    include_str!("page/panel.js"),
    include_str!("page/compare.js"),
    include_str!("page/start.js"),
];
/// The element with the data.
const DATA: &str = r#"<script type="application/json" id="report">"#;
/// The size limit of logs: browsers are slow with more.
const MOST_LOG_BYTES: u64 = 96 << 20;

/// What a page shows.
enum Page<'a> {
    Build { document: &'a Document, logs: &'a Logs },
    Comparison(&'a Comparison),
}

/// The output of steps, by step.
#[derive(Default)]
struct Logs {
    file: Option<File>,
    steps: BTreeMap<u32, Vec<Place>>,
    /// The steps whose output is cut.
    cut: Vec<u32>,
}

/// Writes the report of a build to the user's file.
pub fn write_to(store: &Store, record: &BuildRecord, path: &Path) -> Result<(), CliError> {
    archive::write_file(path, |out| write(store, record, path, out))
}

/// The same to an open file.
pub fn write(store: &Store, record: &BuildRecord, path: &Path, out: &mut impl Write) -> Result<(), CliError> {
    let mut document = history::document(store, record)?;
    document.look_at_image(store);
    let logs = Logs::of(History::of(store.root()).log(&record.id)?);
    let page = Page::Build { document: &document, logs: &logs };
    page.write(out).map_err(|source| CliError::from(IoError { action: "write", path: path.to_owned(), source }))
}

pub fn write_comparison(comparison: &Comparison, path: &Path) -> Result<(), CliError> {
    archive::write_file(path, |out| {
        let written = Page::Comparison(comparison).write(out);
        written.map_err(|source| CliError::from(IoError { action: "write", path: path.to_owned(), source }))
    })
}

impl Logs {
    fn of(file: Option<File>) -> Self {
        let mut logs = Self::default();
        let Some(file) = file else { return logs };
        let mut bytes = 0;
        for place in file.try_clone().into_iter().flat_map(history::places) {
            if place.what != Happening::Output {
                continue;
            }
            if bytes + u64::from(place.length) > MOST_LOG_BYTES {
                if !logs.cut.contains(&place.step) {
                    logs.cut.push(place.step);
                }
                continue;
            }
            bytes += u64::from(place.length);
            logs.steps.entry(place.step).or_default().push(place);
        }
        logs.file = Some(file);
        logs
    }

    /// An element for each step: pairs of milliseconds and output.
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        for (step, places) in &self.steps {
            write!(out, "<script type=\"application/json\" id=\"log-{step}\">[")?;
            for (index, place) in places.iter().enumerate() {
                let mut bytes = vec![0; place.length as usize];
                file.read_exact_at(&mut bytes, place.offset)?;
                out.write_all(if index == 0 { b"" } else { b"," })?;
                serde_json::to_writer(
                    Escaped(&mut *out),
                    &(place.microseconds / 1000, String::from_utf8_lossy(&bytes)),
                )?;
            }
            out.write_all(b"]</script>\n")?;
        }
        Ok(())
    }
}

impl Page<'_> {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let script = format!("\n{}\n", SCRIPTS.join("\n"));
        // Nothing else in the page is executed, and no server is contacted.
        let [style, code] = [STYLE, script.as_str()].map(|text| BASE64.encode(Sha256::digest(text)));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{code}'; base-uri 'none'; form-action 'none'"
        );
        let mut rest = TEMPLATE;
        while let Some((before, after)) = rest.split_once("{{") {
            out.write_all(before.as_bytes())?;
            let (name, after) = after.split_once("}}").unwrap_or((after, ""));
            match name {
                "POLICY" => out.write_all(policy.as_bytes())?,
                "TITLE" => out.write_all(escaped(&self.title()).as_bytes())?,
                "STYLE" => out.write_all(STYLE.as_bytes())?,
                "DATA" => self.write_data(out)?,
                "LOGS" => {
                    if let Self::Build { logs, .. } = self {
                        logs.write(out)?;
                    }
                }
                _ => write!(out, "<script>{script}</script>")?,
            }
            rest = after;
        }
        out.write_all(rest.as_bytes())
    }

    fn title(&self) -> String {
        match self {
            Self::Build { document, .. } => format!("{}: {}", document.build.name, document.build.id),
            Self::Comparison(comparison) => {
                format!("{} against {}", comparison.second.build.id, comparison.first.build.id)
            }
        }
    }

    fn write_data(&self, out: &mut impl Write) -> io::Result<()> {
        let program = format!("rbuild {}", env!("CARGO_PKG_VERSION"));
        let data = match self {
            Self::Build { document, logs } => {
                json!({"kind": "build", "program": program, "document": document, "logs": {"cut": logs.cut}})
            }
            Self::Comparison(comparison) => {
                json!({"kind": "comparison", "program": program, "comparison": comparison})
            }
        };
        Ok(serde_json::to_writer(Escaped(out), &data)?)
    }
}

/// JSON without anything like HTML: a `<` occurs only in strings, where it may be escaped.
struct Escaped<W>(W);

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut from = 0;
        for at in memchr::memchr_iter(b'<', bytes) {
            self.0.write_all(&bytes[from..at])?;
            self.0.write_all(b"\\u003c")?;
            from = at + 1;
        }
        self.0.write_all(&bytes[from..])?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_as_json_ends_no_element() {
        let mut out = Vec::new();
        serde_json::to_writer(Escaped(&mut out), &["</script><script>", "a < b"]).unwrap();
        assert!(!out.contains(&b'<'));
        let read: Vec<String> = serde_json::from_slice(&out).unwrap();
        assert_eq!(read, ["</script><script>", "a < b"]);
        assert_eq!(escaped("<b>&"), "&lt;b&gt;&amp;");
    }

    #[test]
    fn the_template_has_a_place_for_all() {
        for name in ["POLICY", "TITLE", "STYLE", "DATA", "LOGS", "SCRIPTS"] {
            assert_eq!(TEMPLATE.matches(&format!("{{{{{name}}}}}")).count(), 1, "{name}");
        }
        assert!(TEMPLATE.contains(DATA));
        // They are in an element that this would end.
        assert!(SCRIPTS.iter().all(|script| !script.contains("</script") && !script.contains("<!--")));
    }
}
