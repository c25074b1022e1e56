//! The values of `run`'s flags.

use std::path::Path;
use std::sync::Arc;

use crate::cli::CliError;
use crate::cli::run::CPU_PERIOD;
use crate::io_error::AtPath;
use crate::sandbox::{Profile, Seccomp};

pub(super) use crate::cli::build::values::{bytes, ulimit};

pub(super) fn bytes_or_unlimited(text: &str) -> Result<u64, String> {
    if text == "-1" { Ok(u64::MAX) } else { bytes(text) }
}

/// A number of processors, as microseconds in each period.
pub(super) fn processors(text: &str) -> Result<u64, String> {
    let number: f64 = text.parse().map_err(|_| "it is a number such as 1.5".to_owned())?;
    // The kernel's smallest quota is a millisecond.
    if !number.is_finite() || number < 0.01 {
        return Err("the smallest number of processors is 0.01".to_owned());
    }
    Ok((number * CPU_PERIOD as f64).round() as u64)
}

/// `NAME=VALUE` as it is; `NAME` with what it is here, or alone when it is not set.
pub(super) fn variable(text: &str) -> String {
    match std::env::var(text) {
        Ok(value) if !text.contains('=') => format!("{text}={value}"),
        _ => text.to_owned(),
    }
}

/// Lines of `NAME=VALUE` or `NAME`; empty ones and those that begin with `#` don't count. Nothing is unquoted.
pub(super) fn environment_file(path: &Path) -> Result<Vec<String>, CliError> {
    let text = std::fs::read_to_string(path).at("read", path)?;
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let name = line.split('=').next().unwrap_or_default();
            if name.is_empty() || name.contains(char::is_whitespace) {
                return Err(CliError::new(format!("`{}`: `{name}` is no name of a variable", path.display())));
            }
            Ok(variable(line))
        })
        .collect()
}

/// `KEY=VALUE`, or `KEY` with nothing.
pub(super) fn pairs(texts: &[String]) -> impl Iterator<Item = (String, String)> {
    texts.iter().map(|text| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        (key.to_owned(), value.to_owned())
    })
}

#[derive(Debug, Default)]
pub(super) struct SecurityOptions {
    pub(super) seccomp: Seccomp,
    pub(super) no_new_privileges: bool,
}

/// docker writes `KEY=VALUE`, and once wrote `KEY:VALUE`.
pub(super) fn security(texts: &[String]) -> Result<SecurityOptions, CliError> {
    let mut options = SecurityOptions::default();
    for text in texts {
        let (key, value) = text.split_once('=').or_else(|| text.split_once(':')).unwrap_or((text, ""));
        match (key, value) {
            ("no-new-privileges", "" | "true") => options.no_new_privileges = true,
            ("no-new-privileges", "false") => options.no_new_privileges = false,
            ("seccomp", "unconfined") => options.seccomp = Seccomp::Unconfined,
            ("seccomp", "builtin") => options.seccomp = Seccomp::Default,
            ("seccomp", path) => options.seccomp = Seccomp::Profile(Arc::new(Profile::read(Path::new(path))?)),
            // rbuild sets neither, so there is nothing to switch off.
            ("apparmor", "unconfined") | ("label", "disable") => {}
            ("apparmor" | "label", _) => {
                return Err(CliError::new(format!("--security-opt {text}: rbuild sets no {key} profile"))
                    .hint("an external runtime that does is the way to it"));
            }
            _ => {
                return Err(CliError::new(format!("--security-opt {text}: there is no such option"))
                    .hint("there are no-new-privileges, seccomp=unconfined and seccomp=FILE"));
            }
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_and_sizes() {
        assert_eq!(processors("1.5"), Ok(150_000));
        assert_eq!(processors("0.01"), Ok(1000));
        assert!(processors("0").is_err() && processors("x").is_err());
        assert_eq!(bytes_or_unlimited("-1"), Ok(u64::MAX));
        assert_eq!(bytes_or_unlimited("1k"), Ok(1024));
    }

    #[test]
    fn files_of_variables() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# comment\n\n A=1 \nB=\"x\"\nRBUILD_NOT_SET\n").unwrap();
        assert_eq!(environment_file(file.path()).unwrap(), ["A=1 ", "B=\"x\"", "RBUILD_NOT_SET"]);
        std::fs::write(file.path(), "A B=1\n").unwrap();
        assert!(environment_file(file.path()).is_err());
    }

    #[test]
    fn security_options() {
        let parse = |text: &str| security(&[text.to_owned()]);
        assert!(parse("no-new-privileges").unwrap().no_new_privileges);
        assert!(matches!(parse("seccomp=unconfined").unwrap().seccomp, Seccomp::Unconfined));
        assert!(parse("apparmor=unconfined").is_ok());
        assert!(parse("apparmor=mine").is_err());
        assert!(parse("seccomp=/no/such/file").is_err());
        assert!(parse("nonsense").is_err());
    }
}
