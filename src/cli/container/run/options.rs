//! Converts what was typed to options of the container, and refuses what is not supported. Has no effects yet.

use std::collections::BTreeMap;

use super::arguments::{ContainerArgs, Health, Resources};
use super::{devices, modes, mounts, network, ports, values};
use crate::base::nanoseconds;
use crate::cli::build::values as build_values;
use crate::cli::docker_config::DockerConfig;
use crate::cli::{CliError, output};
use crate::container::runtime::Runtime;
use crate::container::sandbox::{AskedIsolation, CapabilitySet};
use crate::container::{
    self, Attached, ContainerOptions, HostConfig, HostConfigError, LogConfig, LogDriver, NetworkMode, RestartPolicy,
    SecurityRequest,
};
use crate::engine::container::{check_log, check_resources};
use crate::image::Healthcheck;

/// Nanoseconds.
const LEAST_HEALTH_DURATION: i64 = 1_000_000;

impl ContainerArgs {
    /// `detached`: nothing is attached to it.
    pub fn options(&self, detached: bool) -> Result<ContainerOptions, CliError> {
        self.refuse()?;
        let program = &self.program;
        let environment = self.environment()?;
        let mut labels = BTreeMap::new();
        for file in &program.label_file {
            labels.extend(values::pairs(&values::label_file(file).map_err(typed)?));
        }
        labels.extend(values::pairs(&program.label));
        let host = self.host_config()?;
        let mut exposed = ports::exposed(&self.network.expose).map_err(typed)?;
        exposed.extend(host.port_bindings.keys().cloned());
        if let Some(folder) = program.workdir.as_deref().filter(|folder| !folder.is_empty() && !folder.starts_with('/'))
        {
            let text = format!("the working directory '{folder}' is invalid, it needs to be an absolute path");
            return Err(CliError::new(text));
        }
        if let Some(signal) = program.stop_signal.as_deref().filter(|signal| !crate::base::signal::is_accepted(signal))
        {
            return Err(CliError::new(format!("invalid signal: {signal}")));
        }
        if has_names_of_the_host(self) {
            return Err(CliError::new("conflicting options: hostname and the UTS mode"));
        }
        if program.stop_timeout.is_some_and(|seconds| seconds < -1) {
            return Err(CliError::new("invalid --stop-timeout: it is a number of seconds, or -1 for no end"));
        }
        let attach = self.attached(detached).map_err(typed)?;
        Ok(ContainerOptions {
            name: program.name.clone().filter(|name| !name.is_empty()),
            command: self.command.clone(),
            entrypoint: program
                .entrypoint
                .as_ref()
                .map(|word| Some(word.clone()).filter(|word| !word.is_empty()).into_iter().collect()),
            environment,
            user: program.user.clone(),
            directory: program.workdir.clone(),
            hostname: self.network.hostname.clone().filter(|name| !name.is_empty()),
            domainname: self.network.domainname.clone(),
            labels,
            exposed_ports: exposed,
            terminal: program.tty,
            open_stdin: program.interactive,
            attach,
            stdin_once: program.interactive && attach.stdin,
            stop_signal: program.stop_signal.clone(),
            stop_timeout: program.stop_timeout,
            healthcheck: self.health.healthcheck()?,
            networks: network::endpoints(&self.network).map_err(typed)?,
            mounts: mounts::all(&self.storage)?,
            volumes: mounts::without_name(&self.storage.volume)?,
            host,
        })
    }

    fn environment(&self) -> Result<Vec<String>, CliError> {
        let mut environment = Vec::new();
        for file in &self.program.env_file {
            environment.extend(values::environment_file(file).map_err(typed)?);
        }
        environment.extend(self.program.env.iter().map(|text| values::variable(text)));
        let is_set = |name: &str| environment.iter().any(|text| text.split('=').next() == Some(name));
        let proxies = DockerConfig::read().proxies(is_set);
        environment.extend(proxies.into_iter().map(|(name, value)| format!("{name}={value}")));
        Ok(environment)
    }

    fn refuse(&self) -> Result<(), CliError> {
        let refused = &self.refused;
        refused.trust.check()?;
        if refused.kernel_memory.is_some() {
            return Err(CliError::new("--kernel-memory: the kernel no longer limits its own memory")
                .hint("limit the memory as a whole, with --memory"));
        }
        if refused.use_api_socket {
            return Err(CliError::new("--use-api-socket: there is no engine's socket to give to a container"));
        }
        if !refused.storage_opt.is_empty() {
            let text = "--storage-opt: the size of a container's root filesystem can't be limited here";
            return Err(CliError::new(text).hint("put what grows into a tmpfs or volume with a size"));
        }
        Ok(())
    }

    /// The name or path of another runtime, which must exist before anything is created.
    fn runtime(&self) -> Result<String, CliError> {
        let found = Runtime::find(self.program.runtime.as_deref().unwrap_or_default());
        let found = found.map_err(|error| CliError::of_container(error.into()).exit_code(1))?;
        if let Some(warning) = found.as_ref().and_then(Runtime::warning) {
            output::say(format_args!("rbuild: warning: {warning}"));
        }
        Ok(found.map(|runtime| runtime.lasting_name()).unwrap_or_default())
    }

    /// All streams with `-i` alone; `-a` selects them.
    fn attached(&self, detached: bool) -> Result<Attached, CliError> {
        if detached {
            return Ok(Attached::default());
        }
        let mut attached = Attached::default();
        for stream in &self.program.attach {
            match stream.to_ascii_lowercase().as_str() {
                "stdin" => attached.stdin = true,
                "stdout" => attached.stdout = true,
                "stderr" => attached.stderr = true,
                other => {
                    return Err(CliError::new(format!(
                        "invalid argument \"{other}\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR"
                    )));
                }
            }
        }
        Ok(match self.program.attach.is_empty() {
            true => Attached { stdin: self.program.interactive, stdout: true, stderr: true },
            false => attached,
        })
    }

    fn oom_score_adjustment(&self) -> Result<i32, CliError> {
        let adjustment = self.resources.oom_score_adj.unwrap_or_default();
        if !(-1000..=1000).contains(&adjustment) {
            return Err(CliError::new(format!("invalid value {adjustment}, range for oom score adj is [-1000, 1000]")));
        }
        Ok(adjustment)
    }

    fn host_config(&self) -> Result<HostConfig, CliError> {
        let (program, security, network) = (&self.program, &self.security, &self.network);
        // Invalid names are errors before anything is created.
        CapabilitySet::adjusted(&security.cap_add, &security.cap_drop)?;
        let restart_policy = restart_policy(&program.restart)?;
        if program.rm && restart_policy != RestartPolicy::No {
            return Err(typed(CliError::new("conflicting options: cannot specify both --restart and --rm")));
        }
        let (resources, oom_score_adj) = (&self.resources, self.oom_score_adjustment()?);
        let unconfined = security
            .security_opt
            .iter()
            .any(|option| SecurityRequest::of(option) == Some(SecurityRequest::SystemPathsUnconfined));
        let mut host = HostConfig {
            binds: mounts::binds(&self.storage.volume),
            container_id_file: program.cidfile.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
            log_config: log_config(program.log_driver.as_deref(), &program.log_opt)?,
            network_mode: NetworkMode::of(&network::mode(network).map_err(typed)?),
            port_bindings: ports::bindings(&network.publish).map_err(typed)?,
            publish_all_ports: network.publish_all,
            restart_policy,
            auto_remove: program.rm,
            volume_driver: self.storage.volume_driver.clone().unwrap_or_default(),
            volumes_from: self.storage.volumes_from.clone(),
            annotations: annotations(&program.annotation)?,
            cap_add: security.cap_add.clone(),
            cap_drop: security.cap_drop.clone(),
            cgroupns_mode: modes::cgroup(security.cgroupns.as_deref()).map_err(typed)?,
            dns: network.dns.clone(),
            dns_options: network.dns_option.clone(),
            dns_search: network.dns_search.clone(),
            extra_hosts: network.add_host.clone(),
            group_add: program.group_add.clone(),
            ipc_mode: modes::ipc(security.ipc.as_deref())?,
            links: network.link.iter().map(|text| network::link(text)).collect::<Result<_, _>>().map_err(typed)?,
            oom_score_adj,
            pid_mode: modes::pid(security.pid.as_deref()).map_err(typed)?,
            privileged: security.privileged,
            readonly_rootfs: self.storage.read_only,
            security: values::security(&security.security_opt).map_err(typed)?,
            tmpfs: values::tmpfs(&self.storage.tmpfs),
            uts_mode: modes::uts(security.uts.as_deref()).map_err(typed)?,
            users: modes::users(security.userns.as_deref()).map_err(typed)?,
            shm_size: self.storage.shm_size.unwrap_or_default(),
            sysctls: values::pairs(&security.sysctl).collect(),
            isolation: isolation(security.isolation.as_deref())?,
            runtime: self.runtime()?,
            resources: resources.as_docker_has_them()?,
            mounts: mounts::typed(&self.storage.mount)?,
            masked_paths: unconfined.then(Vec::new),
            readonly_paths: unconfined.then(Vec::new),
            init: program.init,
            ..HostConfig::default()
        };
        devices::add(&self.devices, &mut host.resources).map_err(typed)?;
        network::check(network, &host)?;
        modes::check_users(&host)?;
        Ok(host)
    }
}

/// Marks an error that docker's CLI itself reports, not its daemon: `create` distinguishes them by exit code.
fn typed(error: CliError) -> CliError {
    error.exit_code(super::NOT_RUN)
}

/// Like docker's own, with different words.
fn isolation(word: Option<&str>) -> Result<AskedIsolation, CliError> {
    word.unwrap_or_default().parse().map_err(build_values::unknown_isolation)
}

/// In the host's UTS namespace names are the host's.
fn has_names_of_the_host(args: &ContainerArgs) -> bool {
    let has_name = args.network.hostname.is_some() || args.network.domainname.is_some();
    has_name && args.security.uts.as_deref() == Some("host")
}

pub(in crate::cli) fn restart_policy(text: &str) -> Result<RestartPolicy, CliError> {
    let (name, count) = match text.split_once(':') {
        Some((name, count)) => (name, Some(count)),
        None => (text, None),
    };
    let maximum_retry_count = match count {
        None => 0,
        Some(_) if name != "on-failure" => {
            return Err(CliError::new(
                "invalid restart policy: maximum retry count can only be used with 'on-failure'",
            ));
        }
        Some(count) => {
            let text = "invalid restart policy format: maximum retry count must be an integer";
            let number: i64 = count.parse().map_err(|_| typed(CliError::new(text)))?;
            let negative = |_| CliError::new("invalid restart policy: maximum retry count cannot be negative");
            u32::try_from(number).map_err(negative)?
        }
    };
    RestartPolicy::of(name, maximum_retry_count).map_err(|error| CliError::new(error.to_string()))
}

fn annotations(texts: &[String]) -> Result<BTreeMap<String, String>, CliError> {
    let all: BTreeMap<String, String> = values::pairs(texts).collect();
    if all.contains_key("") {
        return Err(CliError::new("invalid --annotation: the empty string is not permitted as an annotation key"));
    }
    Ok(all)
}

/// Unknown options are refused, not ignored: each driver has its own.
fn log_config(driver: Option<&str>, options: &[String]) -> Result<LogConfig, CliError> {
    let driver = driver.unwrap_or_default().parse();
    let driver = driver.map_err(|error: HostConfigError| CliError::new(error.to_string()))?;
    let config = LogConfig { driver, config: values::pairs(options).collect() };
    if config.driver == LogDriver::None && !config.config.is_empty() {
        return Err(typed(CliError::new("invalid logging opts for driver none")));
    }
    check_log(&config).map_err(CliError::of_request)?;
    Ok(config)
}

impl Health {
    fn healthcheck(&self) -> Result<Option<Healthcheck>, CliError> {
        let durations = [
            ("--health-interval", &self.health_interval),
            ("--health-timeout", &self.health_timeout),
            ("--health-start-period", &self.health_start_period),
            ("--health-start-interval", &self.health_start_interval),
        ];
        let any = self.health_cmd.is_some() || self.health_retries.is_some();
        if self.no_healthcheck {
            if any || durations.iter().any(|(_, value)| value.is_some()) {
                return Err(typed(CliError::new("--no-healthcheck conflicts with --health-* options")));
            }
            return Ok(Some(Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() }));
        }
        let mut numbers = [0; 4];
        for (number, (name, value)) in numbers.iter_mut().zip(durations) {
            let Some(text) = value else { continue };
            *number = nanoseconds(text).ok_or_else(|| {
                CliError::new(format!("invalid argument \"{text}\" for \"{name}\": it is a duration such as 30s"))
            })?;
            if *number < 0 {
                return Err(typed(CliError::new(format!("{name} cannot be negative"))));
            }
            if *number != 0 && *number < LEAST_HEALTH_DURATION {
                return Err(CliError::new(format!("{name} cannot be less than 1ms")));
            }
        }
        let retries = self.health_retries.unwrap_or_default();
        if retries < 0 {
            return Err(typed(CliError::new("--health-retries cannot be negative")));
        }
        if !any && numbers == [0; 4] {
            return Ok(None);
        }
        let test = self.health_cmd.as_ref().map(|command| vec!["CMD-SHELL".to_owned(), command.clone()]);
        Ok(Some(Healthcheck {
            test: test.unwrap_or_default(),
            interval: numbers[0],
            timeout: numbers[1],
            start_period: numbers[2],
            start_interval: numbers[3],
            retries,
            extra: BTreeMap::new(),
        }))
    }
}

impl Resources {
    fn as_docker_has_them(&self) -> Result<container::Resources, CliError> {
        self.check()?;
        let resources = container::Resources {
            memory: self.memory.unwrap_or_default(),
            memory_swap: self.memory_swap.unwrap_or_default(),
            memory_reservation: self.memory_reservation.unwrap_or_default(),
            memory_swappiness: self.memory_swappiness.filter(|number| *number != -1),
            oom_kill_disable: self.oom_kill_disable.then_some(true),
            nano_cpus: self.cpus.unwrap_or_default(),
            cpu_quota: self.cpu_quota.unwrap_or_default(),
            cpu_period: self.cpu_period.unwrap_or_default(),
            cpu_realtime_period: self.cpu_rt_period.unwrap_or_default(),
            cpu_realtime_runtime: self.cpu_rt_runtime.unwrap_or_default(),
            cpu_shares: self.cpu_shares.unwrap_or_default(),
            cpuset_cpus: self.cpuset_cpus.clone().unwrap_or_default(),
            cpuset_mems: self.cpuset_mems.clone().unwrap_or_default(),
            pids_limit: self.pids_limit,
            blkio_weight: self.blkio_weight.unwrap_or_default(),
            blkio_weight_device: devices::weights(&self.blkio_weight_device).map_err(typed)?,
            blkio_device_read_bps: devices::throttles(&self.device_read_bps, true).map_err(typed)?,
            blkio_device_write_bps: devices::throttles(&self.device_write_bps, true).map_err(typed)?,
            blkio_device_read_iops: devices::throttles(&self.device_read_iops, false).map_err(typed)?,
            blkio_device_write_iops: devices::throttles(&self.device_write_iops, false).map_err(typed)?,
            cgroup_parent: self.cgroup_parent.clone().unwrap_or_default(),
            ulimits: self.ulimit.iter().map(|text| values::ulimits(text)).collect::<Result<_, _>>()?,
            ..container::Resources::default()
        };
        check_resources(&resources).map_err(CliError::of_request)?;
        Ok(resources)
    }

    /// Checks what docker's CLI already refuses, and not only its daemon.
    fn check(&self) -> Result<(), CliError> {
        if let Some(number) = self.memory_swappiness.filter(|number| !(-1..=100).contains(number)) {
            let text = format!("invalid value for memory swappiness: {number}, valid range is 0-100");
            return Err(typed(CliError::new(text)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restart_policies() {
        assert_eq!(restart_policy("on-failure:3").unwrap(), RestartPolicy::OnFailure { maximum_retries: 3 });
        assert_eq!(restart_policy("always").unwrap(), RestartPolicy::Always);
        assert_eq!(restart_policy("").unwrap(), RestartPolicy::No);
        for wrong in ["always:3", "never", "on-failure:x"] {
            assert!(restart_policy(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn log_options() {
        let config = |driver: &str, option: &str| log_config(Some(driver), &[option.to_owned()]);
        assert_eq!(config("local", "max-size=10m").unwrap().config["max-size"], "10m");
        for (driver, option) in
            [("none", "max-size=1m"), ("local", "tag=x"), ("syslog", "tag=x"), ("json-file", "max-file=0")]
        {
            assert!(config(driver, option).is_err(), "{driver} {option}");
        }
    }
}
