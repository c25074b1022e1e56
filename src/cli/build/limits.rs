//! The limits of RUN steps: docker's options, and the same as `--resource`.

use std::path::Path;
use std::sync::Arc;

use crate::base::bytes;
use crate::base::input;
use crate::cli::CliError;
use crate::container::SecurityRequest;
use crate::container::sandbox::{Limits, Profile, Seccomp};
use crate::engine::build::check_limits;

#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(super) struct LimitArgs {
    /// Memory limit of each RUN step
    #[arg(short, long, value_name = "BYTES", value_parser = bytes)]
    memory: Option<u64>,
    /// Memory plus swap limit of each RUN step; -1 for unlimited swap
    #[arg(long, value_name = "BYTES", value_parser = bytes_or_unlimited)]
    memory_swap: Option<u64>,
    /// Relative CPU weight of each RUN step
    #[arg(short, long, value_name = "NUMBER")]
    cpu_shares: Option<i64>,
    /// Period of --cpu-quota in microseconds
    #[arg(long, value_name = "NUMBER")]
    cpu_period: Option<i64>,
    /// CPU time of each RUN step in a --cpu-period, in microseconds
    #[arg(long, value_name = "NUMBER")]
    cpu_quota: Option<i64>,
    /// Processors that RUN steps may use, such as 0-2,4
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Memory nodes that RUN steps may use, such as 0,1
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// The same: memory=2g, memory-swap=, cpu-shares=, cpu-period=, cpu-quota=, cpuset-cpus= or cpuset-mems=
    #[arg(long, value_name = "KEY=VALUE")]
    resource: Vec<String>,
}

impl LimitArgs {
    /// All limits. An option overrides the `--resource` of the same name, and the last of two wins.
    pub(super) fn limits(&self) -> Result<Limits, CliError> {
        let mut limits = Limits {
            memory: self.memory,
            memory_and_swap: self.memory_swap,
            cpu_shares: positive("cpu-shares", self.cpu_shares)?,
            cpu_period: positive("cpu-period", self.cpu_period)?,
            cpu_quota: positive("cpu-quota", self.cpu_quota.filter(|quota| *quota != -1))?,
            cpuset_cpus: self.cpuset_cpus.clone(),
            cpuset_mems: self.cpuset_mems.clone(),
            ..Limits::default()
        };
        for text in &self.resource {
            let wrong = |message: String| CliError::new(format!("invalid --resource `{text}`: {message}"));
            let (key, value) = text.split_once('=').ok_or_else(|| wrong("it is KEY=VALUE".to_owned()))?;
            set(&mut limits, key.trim(), value.trim()).map_err(wrong)?;
        }
        limits.cpuset_cpus = limits.cpuset_cpus.filter(|list| !list.is_empty());
        limits.cpuset_mems = limits.cpuset_mems.filter(|list| !list.is_empty());
        check_limits(&limits)?;
        Ok(limits)
    }
}

fn set(limits: &mut Limits, key: &str, value: &str) -> Result<(), String> {
    let number = || value.parse::<i64>().map_err(|_| format!("`{value}` is not a number"));
    let counted = |number: i64| u64::try_from(number).map(|number| Some(number).filter(|number| *number != 0));
    let negative = |_| format!("`{value}` is negative");
    match key {
        "memory" => limits.memory = Some(bytes(value)?),
        "memory-swap" => limits.memory_and_swap = Some(bytes_or_unlimited(value)?),
        "cpu-shares" => limits.cpu_shares = counted(number()?).map_err(negative)?,
        "cpu-period" => limits.cpu_period = counted(number()?).map_err(negative)?,
        "cpu-quota" if value == "-1" => limits.cpu_quota = None,
        "cpu-quota" => limits.cpu_quota = counted(number()?).map_err(negative)?,
        "cpuset-cpus" => limits.cpuset_cpus = Some(value.to_owned()),
        "cpuset-mems" => limits.cpuset_mems = Some(value.to_owned()),
        other => return Err(format!("there is no resource `{other}`")),
    }
    Ok(())
}

/// Zero means no limit.
fn positive(option: &str, number: Option<i64>) -> Result<Option<u64>, CliError> {
    match number {
        None | Some(0) => Ok(None),
        Some(number) => u64::try_from(number).map(Some).map_err(|_| CliError::new(format!("--{option} is negative"))),
    }
}

fn bytes_or_unlimited(text: &str) -> Result<u64, String> {
    if text == "-1" { Ok(u64::MAX) } else { bytes(text) }
}

/// `--security-opt`, as far as it applies to a step.
pub(super) fn security(texts: &[String]) -> Result<(Seccomp, bool), CliError> {
    let (mut seccomp, mut no_new_privileges) = (Seccomp::Default, false);
    for text in texts {
        match SecurityRequest::of(text) {
            Some(SecurityRequest::NoNewPrivileges(is_set)) => no_new_privileges = is_set,
            Some(SecurityRequest::SeccompUnconfined) => seccomp = Seccomp::Unconfined,
            Some(SecurityRequest::SeccompUsual) => seccomp = Seccomp::Default,
            Some(SecurityRequest::SeccompProfile(path)) if !path.is_empty() => {
                let profile = Profile::of_file(Path::new(path), input::text(Path::new(path))?.as_bytes())?;
                seccomp = Seccomp::Profile(Arc::new(profile));
            }
            // RUN steps have neither, so there is nothing to disable.
            Some(SecurityRequest::AppArmorUnconfined | SecurityRequest::LabelsDisabled) => {}
            _ => {
                return Err(CliError::new(format!("--security-opt {text}: RUN steps have no such option"))
                    .hint("there are no-new-privileges and seccomp=unconfined|FILE"));
            }
        }
    }
    Ok((seccomp, no_new_privileges))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(texts: &[&str]) -> Result<Limits, CliError> {
        LimitArgs { resource: texts.iter().map(|text| (*text).to_owned()).collect(), ..LimitArgs::default() }.limits()
    }

    #[test]
    fn resources_are_limits() {
        let limits = resources(&["memory=64m", "memory-swap=-1", "cpu-quota=50000", "cpuset-cpus=0", "memory=32m"]);
        let limits = limits.unwrap();
        assert_eq!((limits.memory, limits.memory_and_swap), (Some(32 << 20), Some(u64::MAX)));
        assert_eq!((limits.cpu_quota, limits.cpuset_cpus.as_deref()), (Some(50000), Some("0")));
        for wrong in ["memory", "colour=red", "cpu-shares=many", "memory=1m", "memory-swap=1g", "cpu-period=5"] {
            assert!(resources(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn security_options_of_steps() {
        let of = |text: &str| security(&[text.to_owned()]);
        assert!(of("no-new-privileges").is_ok_and(|(_, is_set)| is_set));
        assert!(matches!(of("seccomp=unconfined"), Ok((Seccomp::Unconfined, false))));
        assert!(of("seccomp=/no/such/file").is_err() && of("label=user:x").is_err());
    }
}
