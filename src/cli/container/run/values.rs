//! The values of `run`'s flags.

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::bytes;
use crate::base::input;
use crate::cli::CliError;
use crate::cli::build::values::ulimit;
use crate::container::sandbox::{self, Profile};
use crate::container::{SecurityOption, SecurityRequest, Ulimit};

pub(in crate::cli) fn bytes_or_unlimited(text: &str) -> Result<i64, String> {
    if text == "-1" { Ok(-1) } else { bytes(text).map(|number| number as i64) }
}

/// `NAME=SOFT[:HARD]`, as docker's numbers.
pub(in crate::cli) fn ulimits(text: &str) -> Result<Ulimit, CliError> {
    let limit = ulimit(text)?;
    let number = |bound: u64| i64::try_from(bound).unwrap_or(-1);
    Ok(Ulimit { name: limit.name, hard: number(limit.hard), soft: number(limit.soft) })
}

/// `NAME=VALUE` or `NAME`, as typed.
pub(in crate::cli) fn variable_form(text: &str) -> Result<String, String> {
    match text.split('=').next() {
        None | Some("") => Err(format!("invalid environment variable: {text}")),
        Some(_) => Ok(text.to_owned()),
    }
}

/// `KEY=VALUE` or `KEY`, as typed.
pub(in crate::cli) fn label_form(text: &str) -> Result<String, String> {
    let key = text.split('=').next().unwrap_or_default().trim_start();
    if key.is_empty() {
        return Err(format!("invalid label '{text}': empty name"));
    }
    if key.contains(char::is_whitespace) {
        return Err(format!("label '{key}' contains whitespaces"));
    }
    Ok(text.to_owned())
}

/// `NAME=SOFT[:HARD]`, as typed.
pub(in crate::cli) fn ulimit_form(text: &str) -> Result<String, String> {
    let limit = crate::cli::build::values::ulimit(text).map_err(|error| error.message().to_owned())?;
    if limit.soft > limit.hard {
        return Err(format!(
            "ulimit soft limit must be less than or equal to hard limit: {} > {}",
            limit.soft, limit.hard
        ));
    }
    Ok(text.to_owned())
}

/// `NAME=VALUE` of a namespaced kernel parameter, as typed.
pub(in crate::cli) fn sysctl_form(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if sandbox::is_namespaced_sysctl(name) => Ok(text.to_owned()),
        _ => Err(format!("sysctl '{text}' is not allowed")),
    }
}

/// One of the standard streams, as typed.
pub(in crate::cli) fn stream_form(text: &str) -> Result<String, String> {
    match text.to_ascii_lowercase().as_str() {
        "stdin" | "stdout" | "stderr" => Ok(text.to_owned()),
        _ => Err("valid streams are STDIN, STDOUT and STDERR".to_owned()),
    }
}

/// The address of a DNS server, as typed.
pub(in crate::cli) fn server_form(text: &str) -> Result<String, String> {
    let parsed = text.trim().parse::<std::net::IpAddr>();
    parsed.map(|_| text.trim().to_owned()).map_err(|_| format!("IP address is not correctly formatted: {text}"))
}

/// A search domain; a single dot means none.
pub(in crate::cli) fn domain_form(text: &str) -> Result<String, String> {
    const LONGEST: usize = 255;
    let domain = text.trim();
    let is_letter = |c: char| c.is_ascii_alphanumeric();
    let is_label = |label: &str| {
        label.starts_with(is_letter)
            && label.ends_with(is_letter)
            && label.chars().all(|letter| is_letter(letter) || letter == '-')
    };
    let is_right = domain.len() < LONGEST
        && domain.contains(|letter: char| letter.is_ascii_alphabetic())
        && domain.strip_suffix('.').unwrap_or(domain).split('.').all(is_label);
    if domain == "." || is_right { Ok(domain.to_owned()) } else { Err(format!("{text} is not a valid domain")) }
}

/// A number of CPUs, in billionths; zero means no limit.
pub(in crate::cli) fn processors(text: &str) -> Result<u64, String> {
    let number: f64 = text.parse().map_err(|_| "it is a number such as 1.5".to_owned())?;
    if number == 0.0 {
        return Ok(0);
    }
    // The kernel's smallest quota is a millisecond.
    if !number.is_finite() || number < 0.01 {
        return Err("the smallest number of processors is 0.01".to_owned());
    }
    Ok((number * 1e9).round() as u64)
}

/// `NAME=VALUE` unchanged; `NAME` with its value in the environment, or alone if it is not set.
pub(in crate::cli) fn variable(text: &str) -> String {
    match std::env::var(text) {
        Ok(value) if !text.contains('=') => format!("{text}={value}"),
        _ => text.to_owned(),
    }
}

/// Lines of `NAME=VALUE` or `NAME`; ignores empty ones and those that begin with `#`. Quotes are kept. A name alone is
/// ignored if it is not set in the environment.
pub(in crate::cli) fn environment_file(path: &Path) -> Result<Vec<String>, CliError> {
    let text = input::text(path)?;
    let lines =
        without_mark(&text).lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let name = line.split('=').next().unwrap_or_default();
            if name.is_empty() || name.contains(char::is_whitespace) {
                return Err(CliError::new(format!("`{}`: `{name}` is not a valid variable name", path.display())));
            }
            Ok(variable(line))
        })
        .filter(|line| !line.as_ref().is_ok_and(|line| !line.contains('=')))
        .collect()
}

/// Lines of `KEY=VALUE` or `KEY`; ignores empty ones and those that begin with `#`.
pub(in crate::cli) fn label_file(path: &Path) -> Result<Vec<String>, CliError> {
    let text = input::text(path)?;
    let lines =
        without_mark(&text).lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

/// Removes the byte order mark that editors on Windows write.
fn without_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

/// docker's `Tmpfs`: from the target to its options.
pub(in crate::cli) fn tmpfs(texts: &[String]) -> BTreeMap<String, String> {
    let split =
        |text: &String| text.split_once(':').map_or((text.clone(), String::new()), |(a, b)| (a.into(), b.into()));
    texts.iter().map(split).collect()
}

/// `KEY=VALUE`, or `KEY` with an empty value.
pub(in crate::cli) fn pairs(texts: &[String]) -> impl Iterator<Item = (String, String)> {
    texts.iter().map(|text| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        (key.to_owned(), value.to_owned())
    })
}

/// docker writes `KEY=VALUE`, formerly `KEY:VALUE`. A profile is stored with its content, as in docker.
pub(in crate::cli) fn security(texts: &[String]) -> Result<Vec<SecurityOption>, CliError> {
    let mut options = Vec::new();
    for text in texts {
        let request = SecurityRequest::of(text);
        let option = match request {
            Some(SecurityRequest::SeccompProfile(path)) => {
                let profile = input::text(Path::new(path))?;
                Profile::of_file(Path::new(path), profile.as_bytes())?;
                format!("seccomp={profile}")
            }
            Some(SecurityRequest::AppArmorProfile(_)) if !sandbox::has_apparmor() => {
                let text = format!("--security-opt {text}: AppArmor is not enabled on this machine");
                return Err(CliError::new(text));
            }
            Some(SecurityRequest::AppArmorProfile(profile)) => format!("apparmor={profile}"),
            Some(SecurityRequest::AppArmorUnconfined) => "apparmor=unconfined".to_owned(),
            // Expressed by the masked and read-only paths.
            Some(SecurityRequest::SystemPathsUnconfined) => continue,
            Some(_) => text.clone(),
            None if text.starts_with("label") => {
                return Err(CliError::new(format!("--security-opt {text}: rbuild sets no SELinux labels")));
            }
            None => String::new(),
        };
        options.push(option.parse().map_err(|_| {
            CliError::new(format!("--security-opt {text}: there is no such option")).hint(
                "there are no-new-privileges, seccomp, apparmor, label=disable, landlock=unconfined and \
                 systempaths=unconfined",
            )
        })?);
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_and_sizes() {
        assert_eq!(processors("1.5"), Ok(1_500_000_000));
        assert_eq!(processors("0.01"), Ok(10_000_000));
        assert_eq!(processors("0"), Ok(0));
        assert!(processors("0.001").is_err() && processors("-1").is_err() && processors("x").is_err());
        assert_eq!(bytes_or_unlimited("-1"), Ok(-1));
        assert_eq!(bytes_or_unlimited("1k"), Ok(1024));
    }

    #[test]
    fn files_of_variables() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\u{feff}# comment\n\n A=1 \nB=\"x\"\nRBUILD_NOT_SET\n").unwrap();
        assert_eq!(environment_file(file.path()).unwrap(), ["A=1 ", "B=\"x\""]);
        std::fs::write(file.path(), "A B=1\n").unwrap();
        assert!(environment_file(file.path()).is_err());
    }

    #[test]
    fn security_options() {
        let parse = |text: &str| {
            let options = security(&[text.to_owned()])?;
            Ok::<_, CliError>(options.iter().map(|option| option.as_str().to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(parse("no-new-privileges").unwrap(), ["no-new-privileges"]);
        assert_eq!(parse("seccomp=unconfined").unwrap(), ["seccomp=unconfined"]);
        assert_eq!(parse("apparmor=unconfined").unwrap(), ["apparmor=unconfined"]);
        assert!(parse("label=user:x").is_err());
        assert!(parse("seccomp=/no/such/file").is_err());
        assert!(parse("nonsense").is_err());
    }
}
