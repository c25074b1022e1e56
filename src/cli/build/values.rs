//! The values of build flags.

use std::path::PathBuf;

use crate::build::{NamedContextSource, Output, OutputKind};
use crate::cli::CliError;
use crate::plan::NetworkMode;
use crate::sandbox::ResourceLimit;
use crate::solve::Secret;

pub(super) fn network(text: &str) -> Result<NetworkMode, String> {
    match text {
        "default" | "bridge" => Ok(NetworkMode::Default),
        "none" => Ok(NetworkMode::None),
        "host" => Ok(NetworkMode::Host),
        _ => Err("there are default, none and host".to_owned()),
    }
}

/// A number of bytes: `64m`, `1.5g`, `512kb`, `1048576`.
pub(in crate::cli) fn bytes(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(lower.len());
    let factor: f64 = match lower[digits..].trim().trim_end_matches("ib").trim_end_matches('b') {
        "" => 1.0,
        "k" => 1024.0,
        "m" => 1048576.0,
        "g" => 1073741824.0,
        "t" => 1099511627776.0,
        _ => return Err("a size is a number with b, k, m, g or t behind it".to_owned()),
    };
    let number: f64 = lower[..digits].parse().map_err(|_| "a size begins with a number".to_owned())?;
    Ok((number * factor) as u64)
}

/// The fields of `key=value,key=value`. A value may be put in double quotes.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => parts.push(String::new()),
            letter => parts.last_mut().into_iter().for_each(|part| part.push(letter)),
        }
    }
    let split = |part: String| match part.split_once('=') {
        Some((key, value)) => (key.trim().to_ascii_lowercase(), value.to_owned()),
        None => (part.trim().to_ascii_lowercase(), String::new()),
    };
    parts.into_iter().map(split).collect()
}

pub(super) fn output(text: &str) -> Result<Output, CliError> {
    let wrong = |message: String| CliError::new(format!("invalid --output `{text}`: {message}"));
    if text == "-" {
        return Ok(Output { kind: OutputKind::Tar, destination: PathBuf::from("-") });
    }
    if !text.contains('=') {
        return Ok(Output { kind: OutputKind::Local, destination: PathBuf::from(text) });
    }
    let (mut kind, mut destination, mut is_tar) = (None, None, true);
    for (key, value) in fields(text) {
        match key.as_str() {
            "type" => kind = Some(value),
            "dest" => destination = Some(PathBuf::from(value)),
            "tar" => is_tar = value != "false",
            other => return Err(wrong(format!("there is no `{other}`; it takes type, dest and tar"))),
        }
    }
    let kind = match kind.as_deref() {
        Some("docker") => OutputKind::Docker,
        Some("oci") if is_tar => OutputKind::Oci,
        Some("oci") => OutputKind::OciFolder,
        Some("tar") => OutputKind::Tar,
        Some("local") => OutputKind::Local,
        Some(other) => return Err(wrong(format!("there is no type `{other}`; there are docker, oci, tar and local"))),
        None => return Err(wrong("it needs a type: docker, oci, tar or local".to_owned())),
    };
    let is_folder = matches!(kind, OutputKind::Local | OutputKind::OciFolder);
    match destination {
        Some(destination) => Ok(Output { kind, destination }),
        None if is_folder => Err(wrong("it needs a folder: dest=PATH".to_owned())),
        None => Ok(Output { kind, destination: PathBuf::from("-") }),
    }
}

pub(super) fn named_context(text: &str) -> Result<(String, NamedContextSource), CliError> {
    let wrong = |message: &str| CliError::new(format!("invalid --build-context `{text}`: {message}"));
    let (name, value) = text.split_once('=').ok_or_else(|| wrong("it is NAME=SOURCE"))?;
    let source = if let Some(image) = value.strip_prefix("docker-image://") {
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
    } else if super::arguments::is_remote(value) {
        NamedContextSource::Remote(value.to_owned())
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
pub(super) fn label(text: &str) -> (String, String) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (key.to_owned(), value.to_owned())
}

/// `HOST:IP` or `HOST=IP`.
pub(super) fn host(text: &str) -> Result<(String, String), CliError> {
    let split = text.split_once('=').or_else(|| text.split_once(':'));
    let (name, address) = split.ok_or_else(|| CliError::new(format!("invalid --add-host `{text}`: it is HOST:IP")))?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    if address != "host-gateway" && address.parse::<std::net::IpAddr>().is_err() {
        return Err(CliError::new(format!("invalid --add-host `{text}`: `{address}` is no IP address")));
    }
    Ok((name.to_owned(), address.to_owned()))
}

/// `NAME=SOFT[:HARD]`, where -1 is unlimited.
pub(in crate::cli) fn ulimit(text: &str) -> Result<ResourceLimit, CliError> {
    let wrong = || CliError::new(format!("invalid --ulimit `{text}`: it is NAME=SOFT[:HARD]"));
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let (soft, hard) = value.split_once(':').unwrap_or((value, value));
    let number = |text: &str| match text {
        "-1" | "unlimited" => Ok(u64::MAX),
        text => text.parse::<u64>().map_err(|_| wrong()),
    };
    Ok(ResourceLimit { name: name.to_owned(), soft: number(soft)?, hard: number(hard)? })
}

/// `id=ID,src=FILE`, `id=ID,env=NAME`; the ID alone means the variable of that name, or else the file.
pub(super) fn secret(text: &str) -> Result<(String, Secret), CliError> {
    let wrong = |message: &str| CliError::new(format!("invalid --secret `{text}`: {message}"));
    let (mut id, mut file, mut variable, mut kind) = (None, None, None, None);
    for (key, value) in fields(text) {
        match key.as_str() {
            "id" => id = Some(value),
            "src" | "source" => file = Some(value),
            "env" => variable = Some(value),
            "type" if value == "file" || value == "env" => kind = Some(value),
            _ => return Err(wrong("it takes id, src, env and type=file|env")),
        }
    }
    let id = id.ok_or_else(|| wrong("it needs an id"))?;
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
        && !path.is_file()
    {
        return Err(wrong(&format!("there is no file `{}`", path.display())));
    }
    Ok((id, secret))
}

/// `default` for the agent of SSH_AUTH_SOCK, `ID=SOCKET` for another.
pub(super) fn ssh(text: &str) -> Result<(String, PathBuf), CliError> {
    let (id, socket) = match text.split_once('=') {
        Some((id, socket)) => (id, PathBuf::from(socket)),
        None => {
            let socket = std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty()).ok_or_else(|| {
                CliError::new(format!("--ssh {text}: SSH_AUTH_SOCK is not set")).hint("start an ssh-agent")
            })?;
            (text, PathBuf::from(socket))
        }
    };
    use std::os::unix::fs::FileTypeExt as _;
    let is_socket = std::fs::metadata(&socket).is_ok_and(|metadata| metadata.file_type().is_socket());
    if !is_socket {
        return Err(CliError::new(format!("--ssh {id}: `{}` is no socket of an SSH agent", socket.display()))
            .hint("add the key to an agent with ssh-add and pass the agent's socket"));
    }
    Ok((id.to_owned(), socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, wanted) in [("64m", 64 << 20), ("1.5g", 3 << 29), ("512KB", 512 << 10), ("7", 7), ("1GiB", 1 << 30)]
        {
            assert_eq!(bytes(text), Ok(wanted), "{text}");
        }
        assert!(bytes("x").is_err());
        assert!(bytes("4q").is_err());
    }

    #[test]
    fn outputs() {
        let of = |text| output(text).unwrap();
        assert_eq!(of("out"), Output { kind: OutputKind::Local, destination: "out".into() });
        assert_eq!(of("-"), Output { kind: OutputKind::Tar, destination: "-".into() });
        assert_eq!(of("type=oci,dest=a.tar"), Output { kind: OutputKind::Oci, destination: "a.tar".into() });
        assert_eq!(of("type=oci,tar=false,dest=d"), Output { kind: OutputKind::OciFolder, destination: "d".into() });
        assert_eq!(of("type=local,\"dest=a,b\""), Output { kind: OutputKind::Local, destination: "a,b".into() });
        for wrong in ["type=local", "type=nope,dest=x", "dest=x", "type=oci,dst=x"] {
            assert!(output(wrong).is_err(), "{wrong}");
        }
    }
}
