//! The conditions for building or printing a target.

use std::path::Path;

use super::entries::{Output, parse_bool};
use super::error::BakeError;
use super::files::is_remote;
use super::functions::clean_path as clean;
use super::remote::Remote;
use super::resolve::Selection;
use super::target::Target;

/// The environment of the builds.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    pub folder: &'a Path,
    pub environment: &'a std::collections::BTreeMap<String, String>,
    /// Whether a text is a platform.
    pub is_platform: TextCheck,
    /// The location of the definition, if it is remote.
    pub remote: Option<&'a Remote>,
}

/// A check of a text whose rules belong to another module.
pub type TextCheck = fn(&str) -> Result<(), String>;

/// Checks all targets, and cleans the paths of their contexts.
///
/// # Errors
/// If a target cannot be built as it is.
pub fn check(selection: &mut Selection, ground: &Ground<'_>) -> Result<(), BakeError> {
    for target in selection.targets.values_mut() {
        check_target(target, ground).map_err(BakeError::Invalid)?;
    }
    Ok(())
}

fn check_target(target: &mut Target, ground: &Ground<'_>) -> Result<(), String> {
    let Ground { folder, environment, is_platform, remote } = *ground;
    if target.context.as_deref() == Some("-") {
        return Err("context from stdin not allowed in bake".to_owned());
    }
    if target.dockerfile.as_deref() == Some("-") {
        return Err("dockerfile from stdin not allowed in bake".to_owned());
    }
    if let Some(remote) = remote {
        remote.settle(target)?;
    }
    let context = target.local_context();
    if !is_remote(context) {
        target.context = Some(clean(context.strip_prefix("cwd://").unwrap_or(context)));
    }
    if let Some(size) = &target.shm_size {
        check_size(size)?;
    }
    target.platforms.iter().flatten().try_for_each(|platform| is_platform(platform))?;
    check_secrets(target, ground)?;
    check_ssh(target, folder, environment.get("SSH_AUTH_SOCK"))?;
    check_outputs(target.outputs.as_deref().unwrap_or_default(), folder)?;
    target.annotations.iter().flatten().try_for_each(|annotation| check_annotation(annotation))?;
    target.ulimits.iter().flatten().try_for_each(|limit| check_ulimit(limit))
}

/// A number of bytes with a unit, as go-units reads it.
fn check_size(text: &str) -> Result<(), String> {
    let trimmed = text.trim();
    let end = trimmed.rfind(|letter: char| letter.is_ascii_digit() || letter == '.').map_or(0, |last| last + 1);
    let (number, unit) = trimmed.split_at(end);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let unit = unit.trim().to_lowercase();
    let is_unit = matches!(
        unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit),
        "" | "k" | "m" | "g" | "t" | "p"
    );
    let is_number = number.parse::<f64>().is_ok_and(|number| number >= 0.0) && !number.starts_with('+');
    if is_number && is_unit { Ok(()) } else { Err(format!("invalid value {text} for membytes key shm-size")) }
}

/// BuildKit's size limit for a secret.
const MAX_SECRET: u64 = 500 * 1024;

fn check_secrets(target: &Target, ground: &Ground<'_>) -> Result<(), String> {
    for secret in target.secrets.iter().flatten() {
        if secret.id.is_empty() {
            return Err("secret missing ID".to_owned());
        }
        // With neither, it is the variable or else the file of that name.
        let has_source = !secret.source.is_empty() || !secret.variable.is_empty();
        let source = if has_source { &secret.source } else { &secret.id };
        if source.is_empty() || (!has_source && ground.environment.contains_key(&secret.id)) {
            continue;
        }
        let size = std::fs::metadata(ground.folder.join(source))
            .map_err(|error| format!("failed to stat {source}: {error}"))?
            .len();
        if size > MAX_SECRET {
            return Err(format!("secret {} too big. max size 500KB", secret.id));
        }
    }
    Ok(())
}

fn check_ssh(target: &Target, folder: &Path, agent: Option<&String>) -> Result<(), String> {
    let is_over_ssh = target.ssh.as_ref().is_none_or(Vec::is_empty) && is_ssh(target.local_context());
    let default = super::entries::Ssh { id: "default".to_owned(), paths: Vec::new() };
    let mut agents: Vec<&super::entries::Ssh> = target.ssh.iter().flatten().collect();
    if is_over_ssh {
        agents.push(&default);
    }
    for entry in agents {
        let id = if entry.id.is_empty() { "default" } else { &entry.id };
        let failed =
            |what: String| format!("failed to convert agent config {{{id} [{}] false}}: {what}", entry.paths.join(" "));
        let socket = match entry.paths.as_slice() {
            [] => {
                let socket = agent.cloned().filter(|socket| !socket.is_empty());
                socket.ok_or_else(|| {
                    failed("invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set".to_owned())
                })?
            }
            [path] => path.clone(),
            paths => {
                for path in paths {
                    let kind =
                        std::fs::metadata(folder.join(path)).map_err(|error| failed(format!("{path}: {error}")))?;
                    if is_socket(&kind) {
                        return Err(failed("only single socket allowed".to_owned()));
                    }
                    check_key(&folder.join(path)).map_err(failed)?;
                }
                continue;
            }
        };
        let path = folder.join(&socket);
        let kind = std::fs::metadata(&path).map_err(|error| failed(format!("failed to open {socket}: {error}")))?;
        if !is_socket(&kind) {
            check_key(&path).map_err(failed)?;
        }
    }
    Ok(())
}

fn is_socket(kind: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    kind.file_type().is_socket()
}

/// Whether a file looks like a private key.
fn check_key(path: &Path) -> Result<(), String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| format!("failed to open {}: {error}", path.display()))?;
    let read = file.take(100 * 1024).read_to_string(&mut text);
    if read.is_err() || !text.contains("PRIVATE KEY-----") {
        return Err(format!("failed to parse {}: ssh: no key found", path.display()));
    }
    Ok(())
}

fn is_ssh(context: &str) -> bool {
    context.starts_with("ssh://") || (is_remote(context) && !context.contains("://") && context.contains('@'))
}

/// Outputs whose destination must be valid. Nothing is created or truncated.
fn check_outputs(outputs: &[Output], folder: &Path) -> Result<(), String> {
    let mut uses_stdout = false;
    for output in outputs {
        let kind = output.kind.as_str();
        let is_archive = !matches!(output.attributes.get("tar").map(|text| parse_bool(text)), Some(Some(false)));
        let (is_file, is_folder) = match kind {
            "local" => (false, true),
            "tar" => (true, false),
            "oci" | "docker" => (is_archive, !is_archive),
            _ => continue,
        };
        let destination = output.destination.as_str();
        let metadata = || match std::fs::metadata(folder.join(destination)) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        if is_folder {
            match destination {
                "" => return Err(format!("dest is required for {kind} exporter")),
                "-" => return Err(format!("dest cannot be stdout for {kind} exporter")),
                _ => {}
            }
            let found = metadata().map_err(|error| format!("invalid destination directory: {destination}: {error}"))?;
            if found.is_some_and(|found| !found.is_dir()) {
                return Err(format!("destination directory {destination} is a file"));
            }
        }
        if is_file {
            if destination == "-" || (destination.is_empty() && kind != "docker") {
                if std::mem::replace(&mut uses_stdout, true) {
                    return Err("multiple outputs configured to write to stdout".to_owned());
                }
            } else if !destination.is_empty() {
                let found = metadata().map_err(|error| format!("invalid destination file: {destination}: {error}"))?;
                if found.is_some_and(|found| found.is_dir()) {
                    return Err(format!("destination file {destination} is a directory"));
                }
                let parent = folder.join(destination);
                if parent.parent().is_some_and(|parent| !parent.is_dir()) {
                    return Err(format!("failed to open open {destination}: no such file or directory"));
                }
            }
        }
    }
    Ok(())
}

fn check_annotation(text: &str) -> Result<(), String> {
    let Some((key, _)) = text.split_once('=') else {
        return Err(format!("invalid annotation {text:?}, expected key=value"));
    };
    let Some((kinds, _)) = key.split_once(':') else { return Ok(()) };
    for kind in kinds.split(',') {
        let (name, platform) = kind.split_once('[').map_or((kind, None), |(name, rest)| (name, Some(rest)));
        let is_name = !name.is_empty() && name.bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'-');
        let is_platform = platform.is_none_or(|rest| {
            rest.strip_suffix(']').is_some_and(|inner| {
                let is_allowed = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'_' | b'/' | b'-');
                !inner.is_empty() && inner.bytes().all(is_allowed)
            })
        });
        if !is_name || !is_platform {
            return Err(format!(
                "invalid annotation type {kind:?}, expected type and optional platform in square brackets"
            ));
        }
        if !matches!(name, "index" | "index-descriptor" | "manifest" | "manifest-descriptor") {
            return Err(format!("unknown annotation type {name:?}"));
        }
    }
    Ok(())
}

const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

fn check_ulimit(text: &str) -> Result<(), String> {
    let invalid = || format!("invalid ulimit argument: {text}");
    let (name, limits) = text.split_once('=').ok_or_else(invalid)?;
    if !ULIMITS.contains(&name) {
        return Err(format!("invalid ulimit type: {name}"));
    }
    let number = |text: &str| text.parse::<i64>().map_err(|_| invalid());
    let (soft, hard) = limits.split_once(':').map_or((limits, None), |(soft, hard)| (soft, Some(hard)));
    let soft = number(soft)?;
    let hard = hard.map(number).transpose()?.unwrap_or(soft);
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err(format!("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"));
    }
    Ok(())
}
