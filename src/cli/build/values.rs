//! The values of build flags.

use std::path::{Path, PathBuf};

pub(super) use super::outputs::Outputs;

use crate::base::{self, CsvError, urls};
use crate::build::NamedContextSource;
use crate::build::solve::{Secret, SshSource};
use crate::cli::CliError;
use crate::container::sandbox::ResourceLimit;
use crate::container::sandbox::{IsolationChoice, UnknownIsolation};
use crate::image::{InvalidPlatform, Platform, host_platform};
use crate::language::plan::NetworkMode;

pub(super) fn network(text: &str) -> Result<NetworkMode, String> {
    match text {
        "default" | "bridge" => Ok(NetworkMode::Default),
        "none" => Ok(NetworkMode::None),
        "host" => Ok(NetworkMode::Host),
        _ => Err("there are default, none and host".to_owned()),
    }
}

/// The address in the text, if it is one. Like docker, takes `github.com/OWNER/NAME` for a repository.
pub(super) fn remote(text: &str) -> Option<String> {
    if urls::is_git_url(text) || urls::is_http_url(text) {
        return Some(text.to_owned());
    }
    let end = text.find(['#', '?']).unwrap_or(text.len());
    let (path, rest) = text.split_at(end);
    let names = path.strip_prefix("github.com/")?.trim_end_matches('/');
    let suffix = if names.ends_with(".git") { "" } else { ".git" };
    (names.split('/').filter(|name| !name.is_empty()).count() == 2)
        .then(|| format!("https://github.com/{names}{suffix}{rest}"))
}

/// A platform with normalized names; `local` is this machine's.
pub(in crate::cli) fn platform(text: &str) -> Result<Platform, InvalidPlatform> {
    if text == "local" { Ok(host_platform()) } else { text.parse::<Platform>().map(|platform| platform.normalized()) }
}

/// `KEY=VALUE` or `KEY`, as typed.
pub(super) fn pair(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('=') { Err("the key is empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// A value of `--allow`.
pub(super) fn entitlement(text: &str) -> Result<String, String> {
    let is_device = text.strip_prefix("device=").is_some_and(|name| !name.is_empty());
    match text {
        "network.host" | "security.insecure" | "device" | "buildx.local.delete" => Ok(text.to_owned()),
        _ if is_device => Ok(text.to_owned()),
        _ => Err("there are network.host, security.insecure, device, device=NAME and buildx.local.delete".to_owned()),
    }
}

/// The fields of `key=value,key=value` in a line of CSV. A key alone has an empty value.
pub(in crate::cli) fn fields(text: &str) -> Result<Vec<(String, String)>, CsvError> {
    let split = |field: String| match field.split_once('=') {
        Some((key, value)) => (key.trim().to_ascii_lowercase(), value.to_owned()),
        None => (field.trim().to_ascii_lowercase(), String::new()),
    };
    Ok(base::fields(text)?.into_iter().map(split).collect())
}

pub(super) fn named_context(text: &str) -> Result<(String, NamedContextSource), CliError> {
    let wrong = |message: &str| CliError::new(format!("invalid --build-context `{text}`: {message}"));
    let (name, value) = text.split_once('=').ok_or_else(|| wrong("it is NAME=SOURCE"))?;
    name.parse::<crate::image::Reference>().map_err(|error| wrong(&error.to_string()))?;
    let source = if value == "docker-image://scratch" {
        NamedContextSource::Nothing
    } else if let Some(image) = value.strip_prefix("docker-image://") {
        let reference = image.parse().map_err(|error: crate::image::InvalidReference| wrong(&error.to_string()))?;
        NamedContextSource::Image(reference)
    } else if let Some(layout) = value.strip_prefix("oci-layout://") {
        let after_folder = layout.rfind('/').map_or(0, |slash| slash + 1);
        let cut = layout[after_folder..].find(['@', ':']).map(|position| after_folder + position);
        let (path, reference) = match cut {
            Some(cut) => (&layout[..cut], Some(layout[cut + 1..].to_owned())),
            None => (layout, None),
        };
        NamedContextSource::OciLayout { path: PathBuf::from(path), reference }
    } else if let Some(url) = remote(value) {
        NamedContextSource::Remote(url)
    } else {
        let path = PathBuf::from(value);
        if !path.is_dir() {
            return Err(wrong("there is no such folder"));
        }
        NamedContextSource::Directory(path)
    };
    Ok((name.to_owned(), source))
}

/// `KEY=VALUE`, or `KEY` for an empty value.
pub(in crate::cli) fn label(text: &str) -> (String, String) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (key.to_owned(), value.to_owned())
}

/// `HOST:IP` or `HOST=IP`.
pub(in crate::cli) fn host(text: &str) -> Result<(String, String), CliError> {
    let split = text.split_once('=').or_else(|| text.split_once(':'));
    let split = split.filter(|(name, _)| !name.is_empty());
    let (name, address) = split.ok_or_else(|| CliError::new(format!("invalid --add-host `{text}`: it is HOST:IP")))?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    if address != "host-gateway" && address.parse::<std::net::IpAddr>().is_err() {
        return Err(CliError::new(format!("invalid --add-host `{text}`: `{address}` is not an IP address")));
    }
    Ok((name.to_owned(), address.to_owned()))
}

/// What can be limited.
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

/// `NAME=SOFT[:HARD]`; -1 is unlimited.
pub(in crate::cli) fn ulimit(text: &str) -> Result<ResourceLimit, CliError> {
    let wrong = || CliError::new(format!("invalid --ulimit `{text}`: it is NAME=SOFT[:HARD]"));
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    if !ULIMITS.contains(&name) {
        let hint = format!("there are {}", ULIMITS.join(", "));
        return Err(CliError::new(format!("invalid ulimit type: {name}")).hint(hint));
    }
    let (soft, hard) = value.split_once(':').unwrap_or((value, value));
    let number = |text: &str| match text {
        "-1" | "unlimited" => Ok(u64::MAX),
        text => text.parse::<u64>().map_err(|_| wrong()),
    };
    Ok(ResourceLimit { name: name.to_owned(), soft: number(soft)?, hard: number(hard)? })
}

/// `id=ID,src=FILE`, `id=ID,env=NAME`; an ID alone is the variable of that name, or else the file.
pub(super) fn secret(text: &str) -> Result<(String, Secret), CliError> {
    let wrong = |message: &str| CliError::new(format!("invalid --secret `{text}`: {message}"));
    let (mut id, mut file, mut variable, mut kind) = (None, None, None, None);
    for (key, value) in fields(text).map_err(|error| wrong(&error.to_string()))? {
        match key.as_str() {
            "id" => id = Some(value),
            "src" | "source" => file = Some(value),
            "env" => variable = Some(value),
            "type" if value == "file" || value == "env" => kind = Some(value),
            _ => return Err(wrong("it takes id, src, env and type=file|env")),
        }
    }
    let id = id.filter(|id| !id.is_empty()).ok_or_else(|| wrong("it needs an id"))?;
    let secret = match (file, variable, kind.as_deref()) {
        (Some(_), Some(_), _) => return Err(wrong("it takes src or env, not both")),
        (Some(name), None, Some("env")) => Secret::Environment(name),
        (Some(file), None, _) => Secret::File(PathBuf::from(file)),
        (None, Some(name), _) => Secret::Environment(name),
        (None, None, Some("file")) => Secret::File(PathBuf::from(&id)),
        (None, None, _) if std::env::var_os(&id).is_some() => Secret::Environment(id.clone()),
        (None, None, _) => Secret::File(PathBuf::from(&id)),
    };
    if let Secret::File(path) = &secret
        && (!path.exists() || path.is_dir())
    {
        return Err(wrong(&format!("there is no file `{}`", path.display())));
    }
    Ok((id, secret))
}

/// `ID` for the agent of SSH_AUTH_SOCK, `ID=SOCKET` for another one, `ID=KEY,KEY` for a new one with these keys.
pub(super) fn ssh(text: &str) -> Result<(String, SshSource), CliError> {
    let (id, paths) = match text.split_once('=') {
        Some((id, paths)) => (id, paths.split(',').map(PathBuf::from).collect::<Vec<_>>()),
        None => {
            let socket = std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty()).ok_or_else(|| {
                CliError::new(format!("--ssh {text}: SSH_AUTH_SOCK is not set"))
                    .hint(format!("start an ssh-agent, or name a key: --ssh {text}=FILE"))
            })?;
            (text, vec![PathBuf::from(socket)])
        }
    };
    use std::os::unix::fs::FileTypeExt as _;
    let wrong = |path: &Path, what: &str| CliError::new(format!("--ssh {id}: `{}` {what}", path.display()));
    let mut keys = Vec::new();
    for path in &paths {
        let kind =
            std::fs::metadata(path).map_err(|error| wrong(path, &format!("cannot be read: {error}")))?.file_type();
        match (kind.is_socket(), kind.is_file()) {
            (true, _) if paths.len() == 1 => return Ok((id.to_owned(), SshSource::Socket(path.clone()))),
            (true, _) => return Err(wrong(path, "is a socket, which cannot be had beside other agents or keys")),
            (_, true) => keys.push(path.clone()),
            _ => return Err(wrong(path, "is neither the socket of an agent nor a key file")),
        }
    }
    Ok((id.to_owned(), SshSource::Keys(keys)))
}

pub(in crate::cli) fn isolation(word: Option<&str>) -> Result<IsolationChoice, CliError> {
    word.unwrap_or_default().parse().map_err(unknown_isolation)
}

pub(in crate::cli) fn unknown_isolation(error: UnknownIsolation) -> CliError {
    CliError::new(error.to_string()).hint("there are auto, full and chroot")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_contexts_and_keys_are_checked() {
        assert!(named_context("st=docker-image://busybox").is_ok());
        for wrong in ["sT=docker-image://busybox", "=docker-image://busybox", "st"] {
            assert!(named_context(wrong).is_err(), "{wrong}");
        }
        assert_eq!((pair("a="), pair("a")), (Ok("a=".to_owned()), Ok("a".to_owned())));
        assert!(pair("=x").is_err() && pair("").is_err());
    }

    #[test]
    fn platforms_are_normalised() {
        for (text, wanted) in
            [("linux/arm", "linux/arm/v7"), ("linux/arm64/v8", "linux/arm64"), ("linux/x86_64", "linux/amd64")]
        {
            assert_eq!(platform(text).unwrap().to_string(), wanted);
        }
    }

    #[test]
    fn repositories_of_github_need_no_scheme() {
        let of = |text| remote(text);
        for (text, wanted) in [
            ("github.com/owner/name", "https://github.com/owner/name.git"),
            ("github.com/owner/name#main:sub", "https://github.com/owner/name.git#main:sub"),
            ("github.com/owner/name.git?ref=v1", "https://github.com/owner/name.git?ref=v1"),
            ("git@example.com:a/b", "git@example.com:a/b"),
            ("https://example.com/a.tar", "https://example.com/a.tar"),
        ] {
            assert_eq!(of(text).as_deref(), Some(wanted), "{text}");
        }
        for text in ["github.com", "github.com/owner", "folder", "github.community/a/b", "github.com/a/b/c"] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
