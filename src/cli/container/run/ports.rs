//! `-p` and `--expose`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::cli::CliError;
use crate::container::PortBinding;
use crate::container::network::Protocol;

/// From `80/tcp` to its bindings.
pub(super) fn bindings(texts: &[String]) -> Result<BTreeMap<String, Vec<PortBinding>>, CliError> {
    let mut all: BTreeMap<String, Vec<PortBinding>> = BTreeMap::new();
    for text in texts {
        let parsed = if text.contains('=') { long_form(text)? } else { text.clone() };
        for (port, binding) in one(&parsed)? {
            let bindings = all.entry(port).or_default();
            if !bindings.contains(&binding) {
                bindings.push(binding);
            }
        }
    }
    Ok(all)
}

/// `80`, `80/udp`, `8000-8010/tcp`.
pub(super) fn exposed(texts: &[String]) -> Result<BTreeSet<String>, CliError> {
    let mut all = BTreeSet::new();
    for text in texts {
        if text.contains(':') {
            let message = format!("invalid port format for --expose: {text}");
            return Err(CliError::new(message).hint("ports are published with -p"));
        }
        let (ports, protocol) = split_protocol(text)?;
        let (first, last) = range(ports, text)?;
        all.extend((first..=last).map(|port| format!("{port}/{protocol}")));
    }
    Ok(all)
}

/// `target=80,published=8080,protocol=tcp,mode=host` → the short form.
fn long_form(text: &str) -> Result<String, CliError> {
    let wrong = |message: &str| CliError::new(format!("invalid field in --publish {text}: {message}"));
    let (mut target, mut published, mut protocol) = ("", "", "tcp");
    for field in text.split(',') {
        let (key, value) = field.split_once('=').ok_or_else(|| wrong(field))?;
        match key {
            "target" => target = value,
            "published" => published = value,
            "protocol" => protocol = value,
            "mode" if matches!(value, "host" | "ingress") => {}
            other => return Err(wrong(other)),
        }
    }
    if target.is_empty() {
        return Err(wrong("it needs a target"));
    }
    Ok(format!("{published}:{target}/{protocol}"))
}

fn one(text: &str) -> Result<Vec<(String, PortBinding)>, CliError> {
    let (rest, protocol) = split_protocol(text)?;
    let (ip, rest) = split_address(rest, text)?;
    let (host, container) = rest.rsplit_once(':').unwrap_or(("", rest));
    if container.is_empty() {
        return Err(CliError::new(format!("no port specified: {text}")));
    }
    if !ip.is_empty() && ip.parse::<IpAddr>().is_err() {
        return Err(CliError::new(format!("invalid IP address: {ip}")));
    }
    let (first, last) =
        range(container, text).map_err(|_| CliError::new(format!("invalid containerPort: {container}")))?;
    let hosts = match host {
        "" => None,
        host => Some(range(host, text).map_err(|_| CliError::new(format!("invalid hostPort: {host}")))?),
    };
    let count = last - first;
    let binding = |host_port: String| PortBinding { host_ip: ip.clone(), host_port };
    let key = |port: u16| format!("{port}/{protocol}");
    Ok(match hosts {
        None => (first..=last).map(|port| (key(port), binding(String::new()))).collect(),
        // One port of the container, on any of several ports of the host.
        Some((from, to)) if count == 0 && to > from => vec![(key(first), binding(format!("{from}-{to}")))],
        Some((from, to)) if to - from == count => {
            (0..=count).map(|offset| (key(first + offset), binding((from + offset).to_string()))).collect()
        }
        Some(_) => {
            return Err(CliError::new(format!(
                "invalid ranges specified for container and host ports: {container} and {host}"
            )));
        }
    })
}

fn split_protocol(text: &str) -> Result<(&str, Protocol), CliError> {
    let (rest, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    Ok((rest, protocol.parse()?))
}

/// Splits `IP:` off the ports; IPv6 is in brackets.
fn split_address<'a>(rest: &'a str, text: &str) -> Result<(String, &'a str), CliError> {
    if let Some(rest) = rest.strip_prefix('[') {
        let wrong = || CliError::new(format!("invalid IP address: {text}"));
        let (ip, rest) = rest.split_once(']').ok_or_else(wrong)?;
        return Ok((ip.to_owned(), rest.strip_prefix(':').ok_or_else(wrong)?));
    }
    Ok(match rest.match_indices(':').map(|(at, _)| at).collect::<Vec<_>>().as_slice() {
        [.., second_last, _] if rest[..*second_last].contains(':') => {
            let address = &rest[..*second_last];
            let error = CliError::new(format!("invalid ip address {address}: too many colons in address"));
            return Err(error.hint(format!("write an address of IPv6 in brackets: [{address}]")));
        }
        [.., second_last, _] => (rest[..*second_last].to_owned(), &rest[second_last + 1..]),
        _ => (String::new(), rest),
    })
}

fn range(text: &str, whole: &str) -> Result<(u16, u16), CliError> {
    let wrong = || CliError::new(format!("invalid range format for {whole}"));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u16, u16) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
    if first > last { Err(wrong()) } else { Ok((first, last)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Result<Vec<String>, String> {
        let all = bindings(&[text.to_owned()]).map_err(|error| format!("{error:?}"))?;
        let line = |port: &String, one: &PortBinding| format!("{}:{}:{port}", one.host_ip, one.host_port);
        Ok(all.iter().flat_map(|(port, list)| list.iter().map(move |one| line(port, one))).collect())
    }

    #[test]
    fn all_forms() {
        for (text, expected) in [
            ("80", vec!["::80/tcp"]),
            ("8080:80", vec![":8080:80/tcp"]),
            ("127.0.0.1:8080:80/udp", vec!["127.0.0.1:8080:80/udp"]),
            ("127.0.0.1::80", vec!["127.0.0.1::80/tcp"]),
            ("[::1]:8080:80", vec!["::1:8080:80/tcp"]),
            ("8000-8001:9000-9001", vec![":8000:9000/tcp", ":8001:9001/tcp"]),
            ("8000-8010:80", vec![":8000-8010:80/tcp"]),
            ("9000-9001", vec!["::9000/tcp", "::9001/tcp"]),
            ("target=80,published=8080,protocol=udp", vec![":8080:80/udp"]),
        ] {
            assert_eq!(lines(text).unwrap(), expected, "{text}");
        }
        let wrong =
            ["", "a", "80:a", "a:80", "8000-8001:9000-9003", "1.2.3:80:80", "80/sctp", "80/x", "70000", "9-8", ":"];
        for text in wrong {
            assert!(lines(text).is_err(), "{text}");
        }
    }

    #[test]
    fn exposed_ports() {
        let ports = exposed(&["80".to_owned(), "53-54/udp".to_owned()]).unwrap();
        assert_eq!(ports.into_iter().collect::<Vec<_>>(), ["53/udp", "54/udp", "80/tcp"]);
        assert!(exposed(&["8080:80".to_owned()]).is_err());
    }
}
