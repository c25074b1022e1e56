//! `rbuild events`

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::base::io_error::AtPath;
use crate::base::{Filters, point_in_time};
use crate::cli::format::{Missing, Template};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::image::Reference;
use crate::store::{Event, Events};

/// How often the file is looked at for new ones.
const PAUSE: Duration = Duration::from_millis(100);

/// Show what happens to containers, images, networks and volumes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// KEY=VALUE: type, event, container, image, network, volume, label, scope
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::base::form)]
    filter: Vec<String>,
    /// `json` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Also what has happened since then
    #[arg(long, value_name = "TIME", value_parser = point_in_time)]
    since: Option<Timestamp>,
    /// End at that time
    #[arg(long, value_name = "TIME", value_parser = point_in_time)]
    until: Option<Timestamp>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let filters = Filters::parse(&args.filter, &FILTERS)?;
    let format = args.format.as_deref();
    let template = format.filter(|format| *format != "json").map(Template::parse).transpose()?;
    // Without `--since`, what has been is passed over.
    let since = args.since.unwrap_or_else(Timestamp::now);
    let mut follower = Follower::open(&Events::of(&global.store_root()?))?;
    loop {
        let now = Timestamp::now();
        while let Some(line) = follower.next()? {
            let Ok(event) = serde_json::from_str::<Event>(&line) else { continue };
            let time = Timestamp::from_nanosecond(event.time_nano.into()).unwrap_or_default();
            if time < since || args.until.is_some_and(|until| time > until) || !keeps(&filters, &event) {
                continue;
            }
            let text = match (&template, format) {
                (Some(template), _) => template.render(&fields(&event, &line)?, Missing::Error)?,
                (None, Some(_)) => line.trim_end().to_owned(),
                (None, None) => plain(&event, time),
            };
            output::print(&(text + "\n"))?;
        }
        if args.until.is_some_and(|until| until <= now) {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(PAUSE);
    }
}

/// `TIME TYPE ACTION ID (KEY=VALUE, ...)`
fn plain(event: &Event, time: Timestamp) -> String {
    let time = time.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S.%9f%:z").to_string();
    let attributes: Vec<String> = event.actor.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let attributes = if attributes.is_empty() { String::new() } else { format!(" ({})", attributes.join(", ")) };
    format!("{time} {} {} {}{attributes}", event.kind, event.action, event.actor.id)
}

/// With the fields that old versions of docker had.
fn fields(event: &Event, line: &str) -> Result<Value, CliError> {
    let mut value: Value = serde_json::from_str(line)?;
    value["Status"] = event.action.clone().into();
    value["ID"] = event.actor.id.clone().into();
    value["From"] = event.actor.attributes.get("image").cloned().unwrap_or_default().into();
    value["Time"] = event.time.into();
    value["TimeNano"] = event.time_nano.into();
    value["Scope"] = event.scope.clone().into();
    Ok(value)
}

pub const FILTERS: [&str; 14] = [
    "type",
    "event",
    "container",
    "image",
    "network",
    "volume",
    "label",
    "scope",
    "daemon",
    "plugin",
    "node",
    "service",
    "secret",
    "config",
];

/// As docker's `events.Filter`: things go by the beginnings of their ID or name, images by either in full.
fn keeps(filters: &Filters, event: &Event) -> bool {
    let attributes = &event.actor.attributes;
    let attribute = |name: &str| attributes.get(name).map_or("", String::as_str);
    let of_image = attribute(if event.kind == "image" { "name" } else { "image" });
    let is_thing = |kind: &str| {
        filters.any(kind, |wanted| event.actor.id.starts_with(wanted) || attribute("name").starts_with(wanted))
    };
    let is_image = |wanted: &str| {
        let untagged = |name: &str| name.parse::<Reference>().is_ok_and(|name| name.familiar_repository() == wanted);
        wanted == event.actor.id || wanted == of_image || untagged(of_image)
    };
    // `health_status` stands for `health_status: healthy`, too.
    let is_event = |wanted: &str| event.action == wanted || event.action.split(':').next() == Some(wanted);
    let things = ["container", "network", "volume", "daemon", "plugin", "node", "service", "secret", "config"];
    filters.exactly("type", &event.kind)
        && filters.exactly("scope", &event.scope)
        && filters.any("event", is_event)
        && filters.any("image", is_image)
        && things.iter().all(|kind| is_thing(kind))
        && filters.labels(attributes)
}

/// Reads the file of events, and the one that takes its place when it is full.
struct Follower {
    events: Events,
    files: Vec<BufReader<File>>,
    inode: u64,
    begun: String,
}

impl Follower {
    fn open(events: &Events) -> Result<Self, CliError> {
        let mut follower = Self { events: events.clone(), files: Vec::new(), inode: 0, begun: String::new() };
        for path in events.paths() {
            if let Ok(file) = File::open(&path) {
                follower.inode = file.metadata().at("look at", &path)?.ino();
                follower.files.push(BufReader::new(file));
            }
        }
        Ok(follower)
    }

    /// The next line, if there is one by now.
    fn next(&mut self) -> Result<Option<String>, CliError> {
        let [_, path] = self.events.paths();
        loop {
            let Some(file) = self.files.first_mut() else {
                match File::open(&path) {
                    Ok(file) => {
                        self.inode = file.metadata().at("look at", &path)?.ino();
                        self.files.push(BufReader::new(file));
                        continue;
                    }
                    Err(_) => return Ok(None),
                }
            };
            file.read_line(&mut self.begun).at("read", &path)?;
            if self.begun.ends_with('\n') {
                return Ok(Some(std::mem::take(&mut self.begun)));
            }
            let current = std::fs::metadata(&path).map_or(self.inode, |metadata| metadata.ino());
            if self.files.len() == 1 && current == self.inode {
                return Ok(None);
            }
            self.files.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let attributes = [("name", "web"), ("image", "busybox"), ("l", "1")];
        let attributes = attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let event = Event::now("container", "health_status: healthy", "abcdef", attributes);
        let keeps = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            super::keeps(&Filters::parse(&words, &FILTERS).unwrap(), &event)
        };
        assert!(keeps(&["container=web", "event=start", "event=health_status", "type=container"]));
        assert!(keeps(&["container=abc", "image=busybox", "label=l=1", "label=l"]));
        assert!(!keeps(&["network=net"]) && !keeps(&["event=start"]) && !keeps(&["label=l=2"]));
        assert!(!keeps(&["label=l", "label=m"]), "all labels have to be there");
        assert!(keeps(&["container=we"]) && !keeps(&["image=busy"]) && keeps(&["image=x", "image=busybox"]));
        assert!(Filters::parse(&["x=y".to_owned()], &FILTERS).is_err());
    }
}
