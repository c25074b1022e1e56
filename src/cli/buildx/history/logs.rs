//! `buildx history logs`

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::cli::buildx::Builder;
use crate::cli::global::Global;
use crate::cli::progress::raw_json;
use crate::cli::{CliError, output};
use crate::engine::history::{self, BuildRecord, Entry, Happening};
use crate::store::Store;

/// Print what the steps of a build printed
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    builder: Builder,
    /// `plain`, or `rawjson` for programs; `tty` is the same as `plain`
    #[arg(long, value_name = "MODE", default_value = "plain", value_parser = ["auto", "plain", "tty", "rawjson"])]
    progress: String,
    /// What the build is known by, or `^N` for the N-th before the last [default: the last]
    #[arg(value_name = "REF")]
    reference: Option<String>,
}

pub fn run(args: &Args, global: &Global, store: &Store) -> Result<(), CliError> {
    args.builder.check(global)?;
    let record = super::one(store, args.reference.as_deref())?;
    let mut printer = Printer { record: &record, is_raw: args.progress == "rawjson", ..Printer::new(&record) };
    let Some(log) = history::log_of(store, &record)? else {
        // Nothing was executed.
        for (index, step) in history::report(store, &record)?.into_iter().flat_map(|report| report.steps).enumerate() {
            if !step.name.is_empty() {
                let step_number = u32::try_from(index).unwrap_or(u32::MAX);
                printer.names.insert(step_number, step.name);
                printer.entry(&Entry {
                    what: Happening::Cached,
                    step: step_number,
                    microseconds: 0,
                    bytes: Vec::new(),
                })?;
            }
        }
        return Ok(());
    };
    for entry in log {
        printer.entry(&entry)?;
    }
    Ok(())
}

struct Printer<'a> {
    record: &'a BuildRecord,
    is_raw: bool,
    names: HashMap<u32, String>,
    /// The numbers that steps got when something was first said of them, and when they began.
    numbers: HashMap<u32, usize>,
    begun: HashMap<u32, u64>,
    /// The step that was told of last.
    last: Option<u32>,
}

impl<'a> Printer<'a> {
    fn new(record: &'a BuildRecord) -> Self {
        let (names, numbers, begun) = Default::default();
        Self { record, is_raw: false, names, numbers, begun, last: None }
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), CliError> {
        match entry.what {
            Happening::Name => {
                self.names.insert(entry.step, String::from_utf8_lossy(&entry.bytes).replace('\n', " "));
                return Ok(());
            }
            Happening::Started => drop(self.begun.insert(entry.step, entry.microseconds)),
            _ => {}
        }
        if !self.names.contains_key(&entry.step) && entry.what != Happening::Full {
            return Ok(());
        }
        let text = if self.is_raw { self.raw(entry) } else { self.plain(entry) };
        Ok(output::print(&text)?)
    }

    fn plain(&mut self, entry: &Entry) -> String {
        if entry.what == Happening::Full {
            return "the log ends here: it has all the room that there is for one\n".to_owned();
        }
        let next = self.numbers.len() + 1;
        let number = *self.numbers.entry(entry.step).or_insert(next);
        let mut text = String::new();
        if self.last.is_some_and(|last| last != entry.step) {
            text.push('\n');
        }
        if self.last.replace(entry.step) != Some(entry.step) {
            text += &format!("#{number} {}\n", self.names[&entry.step]);
        }
        let took = entry.microseconds - self.begun.get(&entry.step).copied().unwrap_or(entry.microseconds);
        let seconds = took as f64 / 1e6;
        match entry.what {
            Happening::Output => {
                for line in String::from_utf8_lossy(&entry.bytes).lines() {
                    text += &format!("#{number} {seconds:.3} {line}\n");
                }
            }
            Happening::Cached => text += &format!("#{number} CACHED\n"),
            Happening::Done => text += &format!("#{number} DONE {seconds:.1}s\n"),
            Happening::Failed => {
                let why = self.record.failure.as_ref().map_or("", |failure| failure.message.as_str());
                text += &format!("#{number} ERROR: {why}\n");
            }
            Happening::Canceled => text += &format!("#{number} CANCELED\n"),
            Happening::Name | Happening::Started | Happening::Full => {}
        }
        text
    }

    fn raw(&self, entry: &Entry) -> String {
        let name = self.names.get(&entry.step).map_or("", String::as_str);
        let digest = raw_json::digest(&format!("{} {name}", entry.step));
        let at = |microseconds: u64| -> Timestamp {
            let passed = SignedDuration::from_micros(i64::try_from(microseconds).unwrap_or(i64::MAX));
            self.record.started.checked_add(passed).unwrap_or(self.record.started)
        };
        let now = at(entry.microseconds);
        if entry.what == Happening::Output {
            let data = BASE64.encode(&entry.bytes);
            let log = json!({"vertex": digest, "stream": 1, "data": data, "timestamp": now});
            return format!("{}\n", json!({ "logs": [log] }));
        }
        let began = self.begun.get(&entry.step).map_or(now, |began| at(*began));
        let mut vertex = json!({"digest": digest, "name": name, "started": began});
        if entry.what != Happening::Started {
            vertex["completed"] = json!(now);
        }
        match entry.what {
            Happening::Cached => vertex["cached"] = json!(true),
            Happening::Canceled => vertex["error"] = json!("context canceled"),
            Happening::Failed => {
                vertex["error"] = json!(self.record.failure.as_ref().map_or("", |failure| failure.message.as_str()));
            }
            _ => {}
        }
        format!("{}\n", json!({ "vertexes": [vertex] }))
    }
}
