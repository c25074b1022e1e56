//! `rbuild update`

use std::process::ExitCode;

use crate::base::bytes;
use crate::cli::CliError;
use crate::cli::container::each;
use crate::cli::container::run::{bytes_or_unlimited, processors, restart_policy};
use crate::cli::global::Global;
use crate::container::{Resources, RestartPolicy};
use crate::engine::container::{UpdateRequest, update};

/// Change the limits and the restart policy of containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names, IDs or beginnings of IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Its share of the disks where they are short
    #[arg(long, value_name = "10-1000", value_parser = clap::value_parser!(u16).range(10..=1000))]
    blkio_weight: Option<u16>,
    /// Microseconds
    #[arg(long, value_name = "NUMBER", conflicts_with = "cpus")]
    cpu_period: Option<u64>,
    /// Microseconds
    #[arg(long, value_name = "NUMBER", conflicts_with = "cpus", allow_hyphen_values = true)]
    cpu_quota: Option<i64>,
    /// Its share of the processors where they are short: 1024 is usual
    #[arg(short, long, value_name = "NUMBER")]
    cpu_shares: Option<u64>,
    /// How many processors, such as 1.5
    #[arg(long, value_name = "NUMBER", value_parser = processors)]
    cpus: Option<u64>,
    /// Microseconds
    #[arg(long, value_name = "NUMBER")]
    cpu_rt_period: Option<u64>,
    /// Microseconds
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    cpu_rt_runtime: Option<i64>,
    /// The processors that it may use, such as 0-2,4
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// The memory nodes it may use, such as 0-3 or 0,1
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// The most memory it may take
    #[arg(short, long, value_name = "BYTES", value_parser = bytes)]
    memory: Option<u64>,
    /// How much memory it is left with when memory is short
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    memory_reservation: Option<u64>,
    /// Memory and swap together; -1 for unlimited swap
    #[arg(long, value_name = "BYTES", value_parser = bytes_or_unlimited, allow_hyphen_values = true)]
    memory_swap: Option<i64>,
    /// -1 for unlimited
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pids_limit: Option<i64>,
    /// no, always, unless-stopped or on-failure[:N]
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    #[arg(long, hide = true)]
    kernel_memory: Option<String>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    if args.kernel_memory.is_some() {
        return Err(CliError::new("--kernel-memory: the kernel no longer limits its own memory")
            .hint("limit the memory as a whole, with --memory"));
    }
    if args.changes_nothing() {
        return Err(CliError::new("you must provide one or more flags when using this command"));
    }
    let restart_policy: Option<RestartPolicy> =
        args.restart.as_deref().map(restart_policy).transpose().map_err(|error| error.exit_code(1))?;
    let containers = each::open(global)?;
    let request = UpdateRequest { apply: &|resources: &mut Resources| args.apply(resources), restart_policy };
    each::each(&containers, &args.containers, |entry| {
        update(&containers, &entry, &request).map_err(CliError::of_request)
    })?;
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn changes_nothing(&self) -> bool {
        let mut none = Resources::default();
        self.apply(&mut none);
        none == Resources::default() && self.restart.is_none() && !self.gives_a_zero()
    }

    /// Zero removes a limit, but is also the default value.
    fn gives_a_zero(&self) -> bool {
        let numbers =
            [self.cpu_period, self.cpu_rt_period, self.cpu_shares, self.cpus, self.memory, self.memory_reservation];
        let signed = [self.cpu_quota, self.cpu_rt_runtime, self.memory_swap];
        let texts = [&self.cpuset_cpus, &self.cpuset_mems];
        numbers.iter().any(Option::is_some)
            || signed.iter().any(Option::is_some)
            || texts.iter().any(|text| text.is_some())
    }

    fn apply(&self, resources: &mut Resources) {
        fn set<T: Clone>(place: &mut T, value: &Option<T>) {
            if let Some(value) = value {
                *place = value.clone();
            }
        }
        set(&mut resources.blkio_weight, &self.blkio_weight);
        set(&mut resources.cpu_period, &self.cpu_period);
        set(&mut resources.cpu_quota, &self.cpu_quota);
        set(&mut resources.cpu_realtime_period, &self.cpu_rt_period);
        set(&mut resources.cpu_realtime_runtime, &self.cpu_rt_runtime);
        set(&mut resources.cpu_shares, &self.cpu_shares);
        set(&mut resources.nano_cpus, &self.cpus);
        set(&mut resources.cpuset_cpus, &self.cpuset_cpus);
        set(&mut resources.cpuset_mems, &self.cpuset_mems);
        set(&mut resources.memory, &self.memory);
        set(&mut resources.memory_reservation, &self.memory_reservation);
        set(&mut resources.memory_swap, &self.memory_swap);
        if let Some(limit) = self.pids_limit {
            resources.pids_limit = Some(limit.max(0));
        }
    }
}
