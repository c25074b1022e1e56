//! The resource use of containers, once or continuously.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::logs::waited_in_vain;
use super::named;
use crate::api::ApiError;
use crate::api::request::Request;
use crate::api::response::{JSON, Response};
use crate::api::service::Service;
use crate::container::sandbox;
use crate::container::{Containers, Entry};

/// The interval between two samples, from which clients compute the CPU usage.
const PAUSE: Duration = Duration::from_secs(1);

/// docker's time of a sample that was never taken.
const NEVER: &str = "0001-01-01T00:00:00Z";

pub fn stats(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let entry = named(service, request)?;
    let containers = service.containers();
    let (is_stream, once) = (request.query.flag_or("stream", true), request.query.flag("one-shot"));
    if is_stream && once {
        return Err(ApiError::bad_request("cannot have stream=true and one-shot=true"));
    }
    Ok(Response::stream(JSON, move |output| {
        let gone = output.gone.descriptor()?;
        let mut before = Look::none();
        let mut is_first = true;
        loop {
            let Some(now) = Look::at(&containers, &entry) else { return Ok(()) };
            // Without a stream the second sample is the response, so that it can be compared with the first.
            if is_stream || once || !is_first || !now.runs {
                output.json(&now.document(&entry, &before), "\n")?;
                if !is_stream {
                    return Ok(());
                }
            }
            (before, is_first) = (now, false);
            if waited_in_vain(&gone, PAUSE) {
                return Ok(());
            }
        }
    }))
}

struct Look {
    time: String,
    processors: Value,
    memory: Value,
    rest: Value,
    runs: bool,
}

impl Look {
    fn none() -> Self {
        let processors = processors(0, 0);
        Self { time: NEVER.to_owned(), processors, memory: json!({}), rest: json!({}), runs: false }
    }

    /// `None` if the container is gone.
    fn at(containers: &Containers, entry: &Entry) -> Option<Self> {
        let now = containers.find(&entry.record.id).ok()?;
        if now.state.pid == 0 {
            let processors = json!({
                "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
                "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
            });
            return Some(Self { processors, time: NEVER.to_owned(), ..Self::none() });
        }
        let usage = sandbox::usage(&now.state.cgroups, now.state.pid);
        let entry_of = |op: &str, value: u64| json!({"major": 0, "minor": 0, "op": op, "value": value});
        let network = json!({
            "rx_bytes": usage.received, "rx_packets": 0, "rx_errors": 0, "rx_dropped": 0,
            "tx_bytes": usage.sent, "tx_packets": 0, "tx_errors": 0, "tx_dropped": 0,
        });
        Some(Self {
            time: Timestamp::now().to_string(),
            processors: processors(usage.processor, machine_time()),
            // docker's clients take away by themselves what the kernel only keeps.
            memory: json!({
                "usage": usage.memory + usage.memory_kept,
                "stats": usage.memory_details,
                "limit": usage.most_memory(),
            }),
            rest: json!({
                "networks": {"eth0": network},
                "pids_stats": {"current": usage.processes},
                "blkio_stats": {
                    "io_service_bytes_recursive":
                        [entry_of("read", usage.block_read), entry_of("write", usage.block_written)],
                    "io_serviced_recursive": null, "io_queue_recursive": null, "io_service_time_recursive": null,
                    "io_wait_time_recursive": null, "io_merged_recursive": null, "io_time_recursive": null,
                    "sectors_recursive": null,
                },
            }),
            runs: true,
        })
    }

    fn document(&self, entry: &Entry, before: &Self) -> Value {
        let mut document = json!({
            "name": entry.record.name,
            "id": entry.record.id,
            "read": self.time,
            "preread": before.time,
            "num_procs": 0,
            "storage_stats": {},
            "pids_stats": {},
            "blkio_stats": {
                "io_service_bytes_recursive": null, "io_serviced_recursive": null, "io_queue_recursive": null,
                "io_service_time_recursive": null, "io_wait_time_recursive": null, "io_merged_recursive": null,
                "io_time_recursive": null, "sectors_recursive": null,
            },
            "cpu_stats": self.processors,
            "precpu_stats": before.processors,
            "memory_stats": self.memory,
        });
        for (key, value) in self.rest.as_object().into_iter().flatten() {
            document[key] = value.clone();
        }
        document
    }
}

/// Both times are in nanoseconds.
fn processors(own: u64, machine: u64) -> Value {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    json!({
        "cpu_usage": {"total_usage": own, "usage_in_kernelmode": 0, "usage_in_usermode": own},
        "system_cpu_usage": machine,
        "online_cpus": count,
        "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
    })
}

/// The time of all CPUs, including idle: the first line of proc_stat(5).
fn machine_time() -> u64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks: u64 = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .take(7)
        .filter_map(|word| word.parse::<u64>().ok())
        .sum();
    ticks * (1_000_000_000 / rustix::param::clock_ticks_per_second().max(1))
}
