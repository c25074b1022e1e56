//! When a container's program is restarted, and how its log is stored.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::error::HostConfigError;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub enum RestartPolicy {
    #[default]
    No,
    Always,
    UnlessStopped,
    OnFailure {
        /// Zero for no limit.
        maximum_retries: u32,
    },
}

impl RestartPolicy {
    /// Parses docker's name of a policy and its number. An empty name means unset.
    pub fn of(name: &str, maximum_retries: u32) -> Result<Self, HostConfigError> {
        let policy = match name {
            "" | "no" => Self::No,
            "always" => Self::Always,
            "unless-stopped" => Self::UnlessStopped,
            "on-failure" => return Ok(Self::OnFailure { maximum_retries }),
            other => return Err(HostConfigError::RestartPolicy { name: other.to_owned() }),
        };
        if maximum_retries > 0 { Err(HostConfigError::RetryCount) } else { Ok(policy) }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
            Self::OnFailure { .. } => "on-failure",
        }
    }

    pub(super) fn maximum_retries(self) -> u32 {
        match self {
            Self::OnFailure { maximum_retries } => maximum_retries,
            Self::No | Self::Always | Self::UnlessStopped => 0,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub struct LogConfig {
    pub driver: LogDriver,
    /// The driver's options.
    pub config: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub enum LogDriver {
    #[default]
    JsonFile,
    Local,
    None,
}

impl LogDriver {
    /// Docker's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JsonFile => "json-file",
            Self::Local => "local",
            Self::None => "none",
        }
    }
}

impl FromStr for LogDriver {
    type Err = HostConfigError;

    fn from_str(name: &str) -> Result<Self, HostConfigError> {
        match name {
            "" | "json-file" => Ok(Self::JsonFile),
            "local" => Ok(Self::Local),
            "none" => Ok(Self::None),
            other => Err(HostConfigError::LogDriver { name: other.to_owned() }),
        }
    }
}
