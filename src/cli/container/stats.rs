//! `rbuild stats`

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::container::each;
use crate::cli::docker_config::format_or;
use crate::cli::format::{Column, Listing, human_size};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::sandbox::{self, Usage};
use crate::container::{Containers, Entry};

/// The interval between two samples, from which the CPU usage is computed.
const PAUSE: Duration = Duration::from_millis(1000);
/// The same if there is only one answer.
const SHORT_PAUSE: Duration = Duration::from_millis(250);

/// Show the resources that containers use
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names, IDs or beginnings of IDs; all that run without any
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Also those that don't run
    #[arg(short, long)]
    all: bool,
    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show it once, and end
    #[arg(long)]
    no_stream: bool,
    /// Show whole IDs and names
    #[arg(long)]
    no_trunc: bool,
}

const COLUMNS: &[Column] = &[
    Column { field: "Container", heading: "CONTAINER" },
    Column { field: "ID", heading: "CONTAINER ID" },
    Column { field: "Name", heading: "NAME" },
    Column { field: "CPUPerc", heading: "CPU %" },
    Column { field: "MemUsage", heading: "MEM USAGE / LIMIT" },
    Column { field: "MemPerc", heading: "MEM %" },
    Column { field: "NetIO", heading: "NET I/O" },
    Column { field: "BlockIO", heading: "BLOCK I/O" },
    Column { field: "PIDs", heading: "PIDS" },
];

const DEFAULT: &str =
    "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let containers = each::open(global)?;
    let format = format_or(args.format.as_deref(), false, |config| config.stats_format);
    let listing = Listing::parse(format.as_deref(), DEFAULT)?;
    let mut before = look(&containers, &args)?;
    loop {
        std::thread::sleep(if args.no_stream { SHORT_PAUSE } else { PAUSE });
        let now = match look(&containers, &args) {
            // The named containers are gone.
            Err(_) if !args.no_stream && !args.containers.is_empty() => return Ok(ExitCode::SUCCESS),
            looked => looked?,
        };
        let rows: Vec<Value> = now
            .iter()
            .map(|sample| row(sample, before.iter().find(|old| old.entry.record.id == sample.entry.record.id), &args))
            .collect();
        let text = listing.render(COLUMNS, &rows)?;
        let clears = !args.no_stream && format.is_none();
        if clears {
            output::print_over(&text)?
        } else {
            output::print(&text)?
        }
        if args.no_stream {
            return Ok(ExitCode::SUCCESS);
        }
        before = now;
    }
}

struct Sample {
    entry: Entry,
    usage: Option<Usage>,
    time: Instant,
}

fn look(containers: &Containers, args: &Args) -> Result<Vec<Sample>, CliError> {
    let entries: Vec<Entry> = match args.containers.is_empty() {
        true => containers.list()?.into_iter().filter(|entry| args.all || entry.state.pid != 0).collect(),
        false => args.containers.iter().map(|word| each::find(containers, word)).collect::<Result<_, _>>()?,
    };
    let sample = |entry: Entry| {
        let usage = (entry.state.pid != 0).then(|| sandbox::usage(&entry.state.cgroups, entry.state.pid));
        Sample { entry, usage, time: Instant::now() }
    };
    Ok(entries.into_iter().map(sample).collect())
}

fn row(sample: &Sample, before: Option<&Sample>, args: &Args) -> Value {
    let record = &sample.entry.record;
    let id = if args.no_trunc { record.id.as_str() } else { record.short_id() };
    let Some(usage) = &sample.usage else {
        return json!({
            "Container": record.id, "ID": id, "Name": record.plain_name(), "CPUPerc": "--", "MemUsage": "-- / --",
            "MemPerc": "--", "NetIO": "--", "BlockIO": "--", "PIDs": "--",
        });
    };
    let share = before.and_then(|before| {
        let spent = usage.processor.saturating_sub(before.usage.as_ref()?.processor) as f64;
        let passed = sample.time.duration_since(before.time).as_nanos() as f64;
        Some(100.0 * spent / passed)
    });
    let limit = usage.most_memory();
    json!({
        "Container": record.id,
        "ID": id,
        "Name": record.plain_name(),
        "CPUPerc": format!("{:.2}%", share.unwrap_or(0.0)),
        "MemUsage": format!("{} / {}", binary_size(usage.memory), binary_size(limit)),
        "MemPerc": format!("{:.2}%", 100.0 * usage.memory as f64 / limit.max(1) as f64),
        "NetIO": format!("{} / {}", human_size(usage.received, 3), human_size(usage.sent, 3)),
        "BlockIO": format!("{} / {}", human_size(usage.block_read, 3), human_size(usage.block_written, 3)),
        "PIDs": usage.processes.to_string(),
    })
}

/// `1.5MiB`
fn binary_size(bytes: u64) -> String {
    const UNITS: &[&str] = &["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let digits = if size < 10.0 {
        3
    } else if size < 100.0 {
        2
    } else {
        usize::from(size < 1000.0)
    };
    let text = format!("{size:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, text) in [(0, "0B"), (1536, "1.5KiB"), (23 << 30, "23GiB"), (1_234_567, "1.177MiB")] {
            assert_eq!(binary_size(bytes), text);
        }
    }
}
