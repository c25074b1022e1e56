//! `rbuild events`

use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::base::{Filters, point_in_time};
use crate::cli::format::{self, Missing};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::system::events::{BETWEEN_LOOKS, EventStream, EventsRequest, FILTERS, ToldEvent};
use crate::store::Event;

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
    let template = format.filter(|format| *format != "json").map(format::of_document).transpose()?;
    let request = EventsRequest::between(filters, args.since, args.until);
    let request = request.map_err(|error| CliError::new(error.to_string()))?;
    let mut events = EventStream::open(&global.store_root()?, request)?;
    loop {
        let now = Timestamp::now();
        while let Some(ToldEvent { event, time, line }) = events.next_told()? {
            let text = match (&template, format) {
                (Some(template), _) => template.render(&fields(&event, &line)?, Missing::Error)?,
                (None, Some(_)) => line.trim_end().to_owned(),
                (None, None) => plain(&event, time),
            };
            output::print(&(text + "\n"))?;
        }
        if events.is_over(now) {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// `TIME TYPE ACTION ID (KEY=VALUE, ...)`
fn plain(event: &Event, time: Timestamp) -> String {
    let time = time.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S.%9f%:z").to_string();
    let attributes: Vec<String> = event.actor.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let attributes = if attributes.is_empty() { String::new() } else { format!(" ({})", attributes.join(", ")) };
    format!("{time} {} {} {}{attributes}", event.kind, event.action, event.actor.id)
}

/// With the fields of docker's older versions.
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
