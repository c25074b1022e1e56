//! The options of `run` and `create`, as typed.

use std::path::PathBuf;

use super::values;
use crate::image::Platform;

#[derive(Debug, clap::Args)]
pub struct ContainerArgs {
    /// Print help
    // `-h` is the hostname, as in docker.
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// The image to make it from
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// The program and its arguments, instead of the image's
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    #[command(flatten)]
    pub program: Program,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub storage: Storage,
    #[command(flatten)]
    pub security: Security,
    #[command(flatten)]
    pub resources: Resources,
    #[command(flatten)]
    pub devices: Devices,
    #[command(flatten)]
    pub health: Health,
    #[command(flatten)]
    pub refused: Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Pull {
    Always,
    Missing,
    Never,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Program")]
pub struct Program {
    /// Keep the input open and pass it on
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the program a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Attach to stdin, stdout or stderr only
    #[arg(short, long, value_name = "STREAM", value_parser = values::stream_form)]
    pub attach: Vec<String>,
    /// Remove the container when it has ended
    #[arg(long)]
    pub rm: bool,
    /// Its name; without one, it gets one that nobody else has
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Set a variable; with the name alone, to what it is here
    #[arg(short, long, value_name = "NAME[=VALUE]", value_parser = values::variable_form)]
    pub env: Vec<String>,
    /// Set the variables of a file
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// The program's folder
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// The program's user, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// More groups of the user's, by name or number
    #[arg(long, value_name = "GROUP")]
    pub group_add: Vec<String>,
    /// Instead of the image's entrypoint; an empty one takes it away
    #[arg(long, value_name = "PROGRAM")]
    pub entrypoint: Option<String>,
    /// Note something about the container
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = values::label_form)]
    pub label: Vec<String>,
    /// Set the labels of a file
    #[arg(long, value_name = "FILE")]
    pub label_file: Vec<PathBuf>,
    /// Notes for an external runtime, kept with the container
    #[arg(long, value_name = "KEY=VALUE")]
    pub annotation: Vec<String>,
    /// Write the container's ID to a file
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<PathBuf>,
    /// Put a small init before the program, which reaps zombies and passes signals on
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub init: Option<bool>,
    /// no, always, unless-stopped or on-failure[:MAX]
    #[arg(long, value_name = "POLICY", default_value = "no", hide_default_value = true)]
    pub restart: String,
    /// The signal that asks the program to stop
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Seconds from that signal to the one that kills
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub stop_timeout: Option<i64>,
    /// json-file, local or none
    #[arg(long, value_name = "DRIVER")]
    pub log_driver: Option<String>,
    /// An option of the log driver, such as max-size=10m
    #[arg(long, value_name = "KEY=VALUE")]
    pub log_opt: Vec<String>,
    /// The image's platform must be this one [default: $DOCKER_DEFAULT_PLATFORM, or any]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<Platform>,
    /// When to ask the registry for the image
    #[arg(long, value_name = "WHEN", default_value = "missing")]
    pub pull: Pull,
    /// Don't print what is pulled
    #[arg(short, long)]
    pub quiet: bool,
    /// Another OCI runtime than rbuild's own: runc, crun, or a program's path
    #[arg(long, value_name = "NAME")]
    pub runtime: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// The host name inside
    #[arg(short = 'h', long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// The domain name inside
    #[arg(long, value_name = "NAME")]
    pub domainname: Option<String>,
    /// bridge, host, none, container:NAME, a network's name, or name=NETWORK,alias=NAME,ip=ADDRESS,...
    #[arg(long, visible_alias = "net", value_name = "NETWORK")]
    pub network: Vec<String>,
    /// Another name of the container in its network
    #[arg(long, visible_alias = "net-alias", value_name = "NAME")]
    pub network_alias: Vec<String>,
    /// Publish a port: [[IP:][HOST]:]CONTAINER[/PROTOCOL]
    #[arg(short, long, value_name = "PORTS")]
    pub publish: Vec<String>,
    /// Publish all exposed ports, each on any port of the host
    #[arg(short = 'P', long)]
    pub publish_all: bool,
    /// Say that the program listens there
    #[arg(long, value_name = "PORT[/PROTOCOL]")]
    pub expose: Vec<String>,
    /// Its IPv4 address in the network
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<String>,
    /// Its IPv6 address in the network
    #[arg(long, value_name = "ADDRESS")]
    pub ip6: Option<String>,
    /// A link-local address in the network
    #[arg(long, value_name = "ADDRESS")]
    pub link_local_ip: Vec<String>,
    /// The MAC address of its interface
    #[arg(long, value_name = "ADDRESS")]
    pub mac_address: Option<String>,
    /// Let it know another container by name
    #[arg(long, value_name = "CONTAINER[:ALIAS]")]
    pub link: Vec<String>,
    /// A line for the hosts file; the address may be host-gateway
    #[arg(long, value_name = "NAME:IP")]
    pub add_host: Vec<String>,
    /// A name server to ask
    #[arg(long, value_name = "IP", value_parser = values::server_form)]
    pub dns: Vec<String>,
    /// A domain to search names in
    #[arg(long, value_name = "DOMAIN", value_parser = values::domain_form)]
    pub dns_search: Vec<String>,
    /// An option of resolv.conf
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION")]
    pub dns_option: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Files")]
pub struct Storage {
    /// Mount a volume, file or folder: [SOURCE:]TARGET[:OPTIONS]
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]")]
    pub volume: Vec<String>,
    /// Mount something: type=bind|volume|tmpfs|image,source=...,target=...,readonly
    #[arg(long, value_name = "KEY=VALUE,...")]
    pub mount: Vec<String>,
    /// Mount a folder in memory: TARGET[:size=64m,mode=1777,exec]
    #[arg(long, value_name = "TARGET[:OPTIONS]")]
    pub tmpfs: Vec<String>,
    /// Mount what another container has mounted
    #[arg(long, value_name = "CONTAINER[:ro]")]
    pub volumes_from: Vec<String>,
    /// Of volumes that are made; there is `local`
    #[arg(long, value_name = "DRIVER")]
    pub volume_driver: Option<String>,
    /// Make the root filesystem read-only
    #[arg(long)]
    pub read_only: bool,
    /// Of /dev/shm
    #[arg(long, value_name = "BYTES", value_parser = crate::base::bytes)]
    pub shm_size: Option<u64>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Security")]
pub struct Security {
    /// Allow what is not allowed by default, such as NET_ADMIN, or ALL
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Take a capability away, or ALL
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// Give the program all rights and all devices
    #[arg(long)]
    pub privileged: bool,
    /// no-new-privileges, seccomp=unconfined|FILE, apparmor=PROFILE, landlock=unconfined,
    /// systempaths=unconfined
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// How it is isolated: `auto`, as strongly as it can be had; `full`, or not at all; `chroot`
    #[arg(long, value_name = "auto|full|chroot|emulated")]
    pub isolation: Option<String>,
    /// Set a kernel parameter of the container
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::sysctl_form)]
    pub sysctl: Vec<String>,
    /// private, shareable, host, none or container:NAME
    #[arg(long, value_name = "MODE")]
    pub ipc: Option<String>,
    /// host or container:NAME
    #[arg(long, value_name = "MODE")]
    pub pid: Option<String>,
    /// host
    #[arg(long, value_name = "MODE")]
    pub uts: Option<String>,
    /// host, or remap[:FIRST:COUNT]: root of the container is an ordinary user on the host (for root)
    #[arg(long, value_name = "MODE")]
    pub userns: Option<String>,
    /// private or host
    #[arg(long, value_name = "MODE")]
    pub cgroupns: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct Resources {
    /// The most memory it may take
    #[arg(short, long, value_name = "BYTES", value_parser = crate::base::bytes)]
    pub memory: Option<u64>,
    /// Memory and swap together; -1 for unlimited swap
    #[arg(long, value_name = "BYTES", value_parser = values::bytes_or_unlimited, allow_hyphen_values = true)]
    pub memory_swap: Option<i64>,
    /// How much memory it is left with when memory is short
    #[arg(long, value_name = "BYTES", value_parser = crate::base::bytes)]
    pub memory_reservation: Option<u64>,
    /// How readily its memory is swapped out
    #[arg(long, value_name = "0-100", allow_hyphen_values = true)]
    pub memory_swappiness: Option<i64>,
    /// Don't kill it when it has no memory left
    #[arg(long)]
    pub oom_kill_disable: bool,
    /// How soon the kernel ends it when memory is short: -1000 is last
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub oom_score_adj: Option<i32>,
    /// How many processors, such as 1.5
    #[arg(long, value_name = "NUMBER", value_parser = values::processors)]
    pub cpus: Option<u64>,
    /// Microseconds
    #[arg(long, value_name = "NUMBER", conflicts_with = "cpus")]
    pub cpu_period: Option<u64>,
    /// Microseconds
    #[arg(long, value_name = "NUMBER", conflicts_with = "cpus", allow_hyphen_values = true)]
    pub cpu_quota: Option<i64>,
    /// Microseconds
    #[arg(long, value_name = "NUMBER")]
    pub cpu_rt_period: Option<u64>,
    /// Microseconds
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub cpu_rt_runtime: Option<i64>,
    /// Its share of the processors where they are short: 1024 is usual
    #[arg(short, long, value_name = "NUMBER")]
    pub cpu_shares: Option<u64>,
    /// The processors it may run on, such as 0-3 or 0,1
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// The memory nodes it may use, such as 0-3 or 0,1
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
    /// -1 for unlimited
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub pids_limit: Option<i64>,
    /// Its share of the disks where they are short
    #[arg(long, value_name = "10-1000")]
    pub blkio_weight: Option<u16>,
    /// The same for one device
    #[arg(long, value_name = "DEVICE:WEIGHT")]
    pub blkio_weight_device: Vec<String>,
    /// How many bytes a second it may read from a device
    #[arg(long, value_name = "DEVICE:BYTES")]
    pub device_read_bps: Vec<String>,
    /// How many bytes a second it may write to a device
    #[arg(long, value_name = "DEVICE:BYTES")]
    pub device_write_bps: Vec<String>,
    /// How often a second it may read from a device
    #[arg(long, value_name = "DEVICE:NUMBER")]
    pub device_read_iops: Vec<String>,
    /// How often a second it may write to a device
    #[arg(long, value_name = "DEVICE:NUMBER")]
    pub device_write_iops: Vec<String>,
    /// The cgroup that its own is made in
    #[arg(long, value_name = "CGROUP")]
    pub cgroup_parent: Option<String>,
    /// What a process of it may take, such as nofile=1024:4096
    #[arg(long, value_name = "NAME=SOFT[:HARD]", value_parser = values::ulimit_form)]
    pub ulimit: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Devices")]
pub struct Devices {
    /// A device of the host, or one that CDI knows: HOST[:CONTAINER[:rwm]], or vendor.com/class=name
    #[arg(long, value_name = "DEVICE")]
    pub device: Vec<String>,
    /// Allow devices by kind and number, such as "c 42:* rmw"
    #[arg(long, value_name = "RULE")]
    pub device_cgroup_rule: Vec<String>,
    /// Graphics processors: all, a number, or device=...
    #[arg(long, value_name = "REQUEST")]
    pub gpus: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Health")]
pub struct Health {
    /// A command that tells whether the program is well
    #[arg(long, value_name = "COMMAND")]
    pub health_cmd: Option<String>,
    /// How long to wait between two checks
    #[arg(long, value_name = "DURATION")]
    pub health_interval: Option<String>,
    /// How long a check may take
    #[arg(long, value_name = "DURATION")]
    pub health_timeout: Option<String>,
    /// How long it may take to start: failures count for nothing meanwhile
    #[arg(long, value_name = "DURATION")]
    pub health_start_period: Option<String>,
    /// How long to wait between two checks while it starts
    #[arg(long, value_name = "DURATION")]
    pub health_start_interval: Option<String>,
    /// How many checks in a row have to fail until it is unhealthy
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub health_retries: Option<i64>,
    /// Don't look after the program's health, whatever the image says
    #[arg(long)]
    pub no_healthcheck: bool,
}

/// What docker has and rbuild has not: known, to be refused in words.
#[derive(Debug, clap::Args)]
pub struct Refused {
    #[command(flatten)]
    pub trust: crate::cli::image::pull::ContentTrust,
    #[arg(long, hide = true)]
    pub kernel_memory: Option<String>,
    #[arg(long, hide = true)]
    pub storage_opt: Vec<String>,
    #[arg(long, hide = true)]
    pub use_api_socket: bool,
}
