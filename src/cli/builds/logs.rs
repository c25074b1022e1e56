//! `builds logs`, and `buildx history logs`

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::cli::progress::raw_json;
use crate::cli::{CliError, output};
use crate::engine::history::{self, BuildRecord, Entry, Happening, LogState};
use crate::store::Store;

/// Print what the steps of a build printed
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `plain`, or `rawjson` for programs; `tty` is the same as `plain`
    #[arg(long, value_name = "MODE", default_value = "plain", value_parser = ["auto", "plain", "tty", "rawjson"])]
    progress: String,
    /// Only this step: its number as `plain` shows it, or a part of its text
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    /// Nothing but the bytes that steps printed
    #[arg(long, conflicts_with_all = ["progress", "timestamps"])]
    raw: bool,
    /// With the time of each line, instead of seconds since its step began
    #[arg(short, long)]
    timestamps: bool,
    /// What the build is known by, or `^N` for the N-th before the last [default: the last]
    #[arg(value_name = "BUILD")]
    build: Option<String>,
}

pub fn run(args: &Args, store: &Store) -> Result<(), CliError> {
    let record = super::one(store, args.build.as_deref())?;
    let form = match args.progress.as_str() {
        _ if args.raw => Form::Bytes,
        "rawjson" => Form::Json,
        _ => Form::Plain { timestamps: args.timestamps },
    };
    let mut printer = Printer::new(&record, form, args.step.as_deref());
    match history::log_of(store, &record)? {
        Some(log) => {
            for entry in log {
                printer.entry(&entry)?;
            }
        }
        None => print_steps(&mut printer, store)?,
    }
    if args.step.is_some() && printer.chosen.is_empty() {
        let step = args.step.as_deref().unwrap_or_default();
        let error = CliError::new(format!("no step `{step}` of the build {} is in its log", record.id));
        return Err(error.hint(format!("`rbuild builds show {}` lists its steps", record.id)));
    }
    if form == (Form::Plain { timestamps: args.timestamps }) && record.status == history::Status::Killed {
        output::print("\nthe build was killed: its log ends here\n")?;
    }
    Ok(())
}

/// Prints the steps of a build without a log: they were cached, or their output is gone.
fn print_steps(printer: &mut Printer<'_>, store: &Store) -> Result<(), CliError> {
    let record = printer.record;
    match history::remains(store, record)?.log {
        LogState::Gone => output::say(format_args!("the log of the build {} was removed since", record.id)),
        LogState::Failed(why) => output::say(format_args!("the log of the build could not be written: {why}")),
        LogState::There | LogState::Never => {}
    }
    for (index, step) in history::report(store, record)?.into_iter().flat_map(|report| report.steps).enumerate() {
        use crate::build::explain::Outcome;
        let what = match step.outcome {
            Outcome::Cached => Happening::Cached,
            Outcome::Executed => Happening::Done,
            Outcome::Failed => Happening::Failed,
            Outcome::NotReached => continue,
        };
        if !step.name.is_empty() {
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            let named = |what, bytes| Entry { what, step: number, microseconds: 0, bytes };
            printer.entry(&named(Happening::Name, step.name.into_bytes()))?;
            printer.entry(&named(what, Vec::new()))?;
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain { timestamps: bool },
    Json,
    Bytes,
}

struct Printer<'a> {
    record: &'a BuildRecord,
    form: Form,
    wanted: Option<&'a str>,
    /// The steps to print.
    chosen: Vec<u32>,
    names: HashMap<u32, String>,
    /// The numbers of steps in the order of their first message, and when they began.
    numbers: HashMap<u32, usize>,
    begun: HashMap<u32, u64>,
    /// The step of the last message.
    last: Option<u32>,
    /// Steps whose last line is incomplete.
    open: HashMap<u32, bool>,
}

impl<'a> Printer<'a> {
    fn new(record: &'a BuildRecord, form: Form, wanted: Option<&'a str>) -> Self {
        let (names, numbers, begun, open) = Default::default();
        Self { record, form, wanted, chosen: Vec::new(), names, numbers, begun, last: None, open }
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), CliError> {
        match entry.what {
            Happening::Name => {
                self.names.insert(entry.step, String::from_utf8_lossy(&entry.bytes).replace('\n', " "));
                return Ok(());
            }
            Happening::Started => drop(self.begun.insert(entry.step, entry.microseconds)),
            Happening::Build | Happening::Plan => return Ok(()),
            _ => {}
        }
        if !self.names.contains_key(&entry.step) && entry.what != Happening::Full {
            return Ok(());
        }
        let next = self.numbers.len() + 1;
        let number = *self.numbers.entry(entry.step).or_insert(next);
        if !self.is_wanted(entry.step, number) {
            return Ok(());
        }
        let bytes = match self.form {
            Form::Bytes => {
                if entry.what == Happening::Output {
                    entry.bytes.clone()
                } else {
                    Vec::new()
                }
            }
            Form::Json => self.raw(entry).into_bytes(),
            Form::Plain { timestamps } => self.plain(entry, number, timestamps),
        };
        if !bytes.is_empty() {
            output::print_bytes(&bytes)?;
        }
        Ok(())
    }

    fn is_wanted(&mut self, step: u32, number: usize) -> bool {
        let name = self.names.get(&step).map_or("", String::as_str);
        let is_meant = |wanted: &str| wanted.trim_start_matches('#') == number.to_string() || name.contains(wanted);
        let is_wanted = self.wanted.is_none_or(is_meant);
        if is_wanted && !self.chosen.contains(&step) {
            self.chosen.push(step);
        }
        is_wanted
    }

    fn plain(&mut self, entry: &Entry, number: usize, timestamps: bool) -> Vec<u8> {
        let mut text = Vec::new();
        let is_other = self.last.is_some_and(|last| last != entry.step);
        // Ends an incomplete line if another step follows, or this one ends.
        if self.last.is_some_and(|last| self.open.get(&last) == Some(&true))
            && (is_other || entry.what != Happening::Output)
        {
            text.push(b'\n');
            self.open.clear();
        }
        if is_other {
            text.push(b'\n');
        }
        if self.last.replace(entry.step) != Some(entry.step) {
            let name = self.names.get(&entry.step).map_or("", String::as_str);
            text.extend_from_slice(format!("#{number} {name}\n").as_bytes());
        }
        let took = entry.microseconds - self.begun.get(&entry.step).copied().unwrap_or(entry.microseconds);
        let seconds = took as f64 / 1e6;
        let time = if timestamps { self.at(entry.microseconds).to_string() } else { format!("{seconds:.3}") };
        let line = match entry.what {
            Happening::Output => {
                self.add_lines(&mut text, entry, &format!("#{number} {time} "));
                String::new()
            }
            Happening::Used => {
                let used = serde_json::from_slice::<crate::build::explain::Resources>(&entry.bytes);
                used.map_or_else(|_| String::new(), |used| format!("#{number} USED {}\n", used.in_words()))
            }
            Happening::Cached => format!("#{number} CACHED\n"),
            Happening::Done => format!("#{number} DONE {seconds:.1}s\n"),
            Happening::Failed => {
                let why = self.record.failure.as_ref().map_or("", |failure| failure.message.as_str());
                format!("#{number} ERROR: {why}\n")
            }
            Happening::Canceled => format!("#{number} CANCELED\n"),
            Happening::Full => format!("#{number} the log ends here: {}\n", String::from_utf8_lossy(&entry.bytes)),
            Happening::Name | Happening::Started | Happening::Build | Happening::Plan => String::new(),
        };
        text.extend_from_slice(line.as_bytes());
        text
    }

    /// Adds the raw bytes, with a prefix before each line.
    fn add_lines(&mut self, text: &mut Vec<u8>, entry: &Entry, before: &str) {
        let mut is_open = self.open.get(&entry.step).copied().unwrap_or(false);
        for line in entry.bytes.split_inclusive(|byte| *byte == b'\n') {
            if !is_open {
                text.extend_from_slice(before.as_bytes());
            }
            text.extend_from_slice(line);
            is_open = !line.ends_with(b"\n");
        }
        self.open.insert(entry.step, is_open);
    }

    fn at(&self, microseconds: u64) -> Timestamp {
        let passed = SignedDuration::from_micros(i64::try_from(microseconds).unwrap_or(i64::MAX));
        self.record.started.checked_add(passed).unwrap_or(self.record.started)
    }

    fn raw(&self, entry: &Entry) -> String {
        let name = self.names.get(&entry.step).map_or("", String::as_str);
        let digest = raw_json::digest(&format!("{} {name}", entry.step));
        let now = self.at(entry.microseconds);
        match entry.what {
            Happening::Output => {
                let data = BASE64.encode(&entry.bytes);
                let log = json!({"vertex": digest, "stream": 1, "data": data, "timestamp": now});
                return format!("{}\n", json!({ "logs": [log] }));
            }
            Happening::Full | Happening::Used => return String::new(),
            _ => {}
        }
        let began = self.begun.get(&entry.step).map_or(now, |began| self.at(*began));
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
