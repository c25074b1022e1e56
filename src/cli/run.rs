//! `rbuild run`

mod mounts;
mod values;

use std::path::PathBuf;
use std::process::ExitCode;

use super::CliError;
use super::commands::Global;
use super::image_info;
use crate::container::{self, Attached, ContainerError, ContainerOptions, Containers, HostConfig, Image};
use crate::image::Platform;
use crate::io_error::AtPath;
use crate::sandbox::CapabilitySet;
use crate::snapshot::Stack;
use crate::store::{FindImageError, Store};

/// docker's exit code for a container that could not be run.
const NOT_RUN: u8 = 125;

/// Run a program in a new container
// `-h` is the host name, as with docker.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// The image to make it from
    #[arg(value_name = "IMAGE")]
    image: String,
    /// The program and its arguments, instead of the image's
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// Pass the input on
    #[arg(short, long)]
    interactive: bool,
    /// Give the program a terminal
    #[arg(short, long)]
    tty: bool,
    /// Remove the container when it has ended
    #[arg(long)]
    rm: bool,
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Mount a file or folder: SOURCE:TARGET[:ro]
    #[arg(short, long, value_name = "SOURCE:TARGET[:OPTIONS]")]
    volume: Vec<String>,
    /// Mount something: type=bind|tmpfs,source=...,target=...,readonly
    #[arg(long, value_name = "KEY=VALUE,...")]
    mount: Vec<String>,
    /// Mount a folder in memory: TARGET[:size=64m,mode=1777,exec]
    #[arg(long, value_name = "TARGET[:OPTIONS]")]
    tmpfs: Vec<String>,
    /// Set a variable; with the name alone, to what it is here
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Set the variables of a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// The program's folder
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// The program's user, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// More groups of the user's, by name or number
    #[arg(long, value_name = "GROUP")]
    group_add: Vec<String>,
    /// Instead of the image's entrypoint; an empty one takes it away
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    #[arg(short = 'h', long, value_name = "NAME")]
    hostname: Option<String>,
    #[arg(long, value_name = "NAME")]
    domainname: Option<String>,
    #[arg(short, long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Write the container's ID to a file
    #[arg(long, value_name = "FILE")]
    cidfile: Option<PathBuf>,
    /// Make the root filesystem read-only
    #[arg(long)]
    read_only: bool,
    /// default, none or host
    #[arg(long, visible_alias = "net", value_name = "NETWORK", default_value = "default")]
    network: String,
    #[arg(long, value_name = "NAME:IP")]
    add_host: Vec<String>,
    #[arg(long, value_name = "IP")]
    dns: Vec<String>,
    #[arg(long, value_name = "DOMAIN")]
    dns_search: Vec<String>,
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION")]
    dns_option: Vec<String>,
    /// Put a small init before the program, which reaps zombies and passes signals on
    #[arg(long)]
    init: bool,
    /// The image's platform must be this one
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// When to ask the registry for the image
    #[arg(long, value_name = "WHEN", default_value = "missing")]
    pull: Pull,
    #[command(flatten)]
    security: Security,
    #[command(flatten)]
    resources: Resources,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Pull {
    Always,
    Missing,
    Never,
}

#[derive(Debug, clap::Args)]
struct Security {
    /// Allow what is not allowed by default, such as NET_ADMIN, or ALL
    #[arg(long, value_name = "CAPABILITY")]
    cap_add: Vec<String>,
    #[arg(long, value_name = "CAPABILITY")]
    cap_drop: Vec<String>,
    /// Give the program all rights and all devices
    #[arg(long)]
    privileged: bool,
    /// no-new-privileges, seccomp=unconfined or seccomp=FILE
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<String>,
    /// Set a kernel parameter of the container
    #[arg(long, value_name = "NAME=VALUE")]
    sysctl: Vec<String>,
    /// The signal that asks the program to stop
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Resources {
    #[arg(short, long, value_name = "BYTES", value_parser = values::bytes)]
    memory: Option<u64>,
    /// Memory and swap together; -1 for unlimited swap
    #[arg(long, value_name = "BYTES", value_parser = values::bytes_or_unlimited, allow_hyphen_values = true)]
    memory_swap: Option<i64>,
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    memory_reservation: Option<u64>,
    /// How many processors, such as 1.5
    #[arg(long, value_name = "NUMBER", value_parser = values::processors)]
    cpus: Option<u64>,
    /// Microseconds
    #[arg(long, value_name = "NUMBER", conflicts_with = "cpus")]
    cpu_period: Option<u64>,
    /// Microseconds
    #[arg(long, value_name = "NUMBER", conflicts_with = "cpus")]
    cpu_quota: Option<u64>,
    #[arg(short, long, value_name = "NUMBER")]
    cpu_shares: Option<u64>,
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// -1 for unlimited
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pids_limit: Option<i64>,
    #[arg(long, value_name = "10-1000", value_parser = clap::value_parser!(u16).range(10..=1000))]
    blkio_weight: Option<u16>,
    #[arg(long, value_name = "CGROUP")]
    cgroup_parent: Option<String>,
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    ulimit: Vec<String>,
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    shm_size: Option<u64>,
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    oom_score_adj: Option<i32>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let prepared = prepare(&args, global).map_err(|error| error.exit_code(NOT_RUN))?;
    let Prepared { options, image, containers } = prepared;
    let entry = container::create(&containers, &image, &options).map_err(container_error)?;
    if let Some(path) = &args.cidfile {
        let written = std::fs::write(path, &entry.record.id).at("write", path);
        written.map_err(|error| CliError::from(error).exit_code(NOT_RUN))?;
    }
    let ended = container::run(&containers, entry).map_err(container_error)?;
    if let Some(warning) = &ended.warning {
        eprintln!("rbuild: warning: {warning}");
    }
    if ended.outcome.out_of_memory {
        eprintln!("rbuild: the container reached its memory limit, and a process of it was killed");
    }
    Ok(ExitCode::from(ended.outcome.status.code()))
}

/// All that a container needs before it is made.
struct Prepared {
    options: ContainerOptions,
    image: Image,
    containers: Containers,
}

fn prepare(args: &Args, global: &Global) -> Result<Prepared, CliError> {
    let options = args.options()?;
    if let Some(path) = args.cidfile.as_ref().filter(|path| path.exists()) {
        let text = format!("the file `{}` of --cidfile is already there", path.display());
        return Err(CliError::new(text).hint("remove it, or name another"));
    }
    let store = global.open_store()?;
    let image = find_image(&store, args)?;
    Ok(Prepared { options, image, containers: Containers::of(store.root()) })
}

fn container_error(error: ContainerError) -> CliError {
    let (code, hint) = (error.exit_code(), error.hint());
    let cli = CliError::from(error).exit_code(code);
    match hint {
        Some(hint) => cli.hint(hint),
        None => cli,
    }
}

fn find_image(store: &Store, args: &Args) -> Result<Image, CliError> {
    if args.pull == Pull::Always {
        fetch(store, args)?;
    }
    let found = match store.find_image(&args.image) {
        Err(FindImageError::NotFound { .. }) if args.pull == Pull::Missing => {
            eprintln!("Unable to find image '{}' locally", args.image);
            fetch(store, args)?;
            store.find_image(&args.image)?
        }
        Err(error @ FindImageError::NotFound { .. }) => {
            return Err(CliError::from(error).hint("build it, load it or pull it first"));
        }
        found => found?,
    };
    let config = image_info::read_config(store, &found.id)?.into_value();
    if let Some(wanted) = &args.platform
        && wanted.normalized() != config.platform.normalized()
    {
        let text = format!("image `{}` is for {}, not for {wanted}", args.image, config.platform);
        return Err(CliError::new(text));
    }
    Ok(Image {
        id: found.id.to_string(),
        name: args.image.clone(),
        platform: config.platform.os.clone(),
        layers: Stack::of_image(&config.rootfs.diff_ids).unpacked(store)?,
        config: config.config,
    })
}

fn fetch(store: &Store, args: &Args) -> Result<(), CliError> {
    super::pull::fetch(store, &args.image.parse()?, args.platform.as_ref())
}

impl Args {
    /// What was typed → what it means.
    fn options(&self) -> Result<ContainerOptions, CliError> {
        let mut environment = Vec::new();
        for file in &self.env_file {
            environment.extend(values::environment_file(file)?);
        }
        environment.extend(self.env.iter().map(|text| values::variable(text)));
        Ok(ContainerOptions {
            name: self.name.clone(),
            command: self.command.clone(),
            entrypoint: self.entrypoint.clone(),
            environment,
            user: self.user.clone(),
            directory: self.workdir.clone(),
            hostname: self.hostname.clone(),
            domainname: self.domainname.clone(),
            labels: values::pairs(&self.label).collect(),
            mounts: mounts::all(&self.volume, &self.mount, &self.tmpfs)?,
            terminal: self.tty,
            open_stdin: self.interactive,
            attach: Attached { stdin: self.interactive, stdout: true, stderr: true },
            stop_signal: self.security.stop_signal.clone(),
            host: self.host_config()?,
            ..ContainerOptions::default()
        })
    }

    fn host_config(&self) -> Result<HostConfig, CliError> {
        let security = &self.security;
        // Wrong names are said before anything is made.
        CapabilitySet::adjusted(&security.cap_add, &security.cap_drop)?;
        Ok(HostConfig {
            network_mode: match self.network.as_str() {
                "default" => "bridge".to_owned(),
                name @ ("bridge" | "host" | "none") => name.to_owned(),
                name => return Err(CliError::new(format!("network {name} not found"))),
            },
            dns: self.dns.clone(),
            dns_search: self.dns_search.clone(),
            dns_options: self.dns_option.clone(),
            extra_hosts: self.add_host.clone(),
            group_add: self.group_add.clone(),
            auto_remove: self.rm,
            init: self.init.then_some(true),
            readonly_rootfs: self.read_only,
            privileged: security.privileged,
            cap_add: security.cap_add.clone(),
            cap_drop: security.cap_drop.clone(),
            security_opt: values::security(&security.security_opt)?,
            sysctls: values::pairs(&security.sysctl).collect(),
            shm_size: self.resources.shm_size.unwrap_or_default(),
            oom_score_adj: self.resources.oom_score_adj.unwrap_or_default(),
            resources: self.resources.as_docker_has_them()?,
            ..HostConfig::default()
        })
    }
}

impl Resources {
    fn as_docker_has_them(&self) -> Result<container::Resources, CliError> {
        Ok(container::Resources {
            memory: self.memory.unwrap_or_default(),
            memory_swap: self.memory_swap.unwrap_or_default(),
            memory_reservation: self.memory_reservation.unwrap_or_default(),
            nano_cpus: self.cpus.unwrap_or_default(),
            cpu_quota: self.cpu_quota.unwrap_or_default() as i64,
            cpu_period: self.cpu_period.unwrap_or_default(),
            cpu_shares: self.cpu_shares.unwrap_or_default(),
            cpuset_cpus: self.cpuset_cpus.clone().unwrap_or_default(),
            cpuset_mems: self.cpuset_mems.clone().unwrap_or_default(),
            pids_limit: self.pids_limit,
            blkio_weight: self.blkio_weight.unwrap_or_default(),
            cgroup_parent: self.cgroup_parent.clone().unwrap_or_default(),
            ulimits: self.ulimit.iter().map(|text| values::ulimits(text)).collect::<Result<_, _>>()?,
            ..container::Resources::default()
        })
    }
}
