//! `resolv.conf` and `hosts` of a container (resolv.conf(5), hosts(5)).

use std::net::IpAddr;
use std::path::Path;

use super::error::NetworkError;
use crate::base::io_error::AtPath;

const HOST_FILE: &str = "/etc/resolv.conf";
/// Where systemd-resolved lists its upstream servers, if `/etc/resolv.conf` names only itself.
const SYSTEMD_FILE: &str = "/run/systemd/resolve/resolv.conf";

/// Used if the host has no server that a container can reach, as in docker.
const FALLBACK: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// The address of rbuild's name server in a container.
const OWN: &str = "127.0.0.11";

/// The servers that the host itself uses.
pub(super) fn host_servers() -> Vec<String> {
    let file = read(Path::new(HOST_FILE)).unwrap_or_default();
    let lines = file.lines().map(words).filter(|words| words.first() == Some(&"nameserver"));
    let servers: Vec<String> = lines.filter_map(|words| words.get(1).map(|server| (*server).to_owned())).collect();
    if servers.is_empty() { FALLBACK.map(str::to_owned).to_vec() } else { servers }
}

/// The user's name server settings. Whatever is empty comes from the host.
#[derive(Debug, Clone, Default)]
pub struct NameServers {
    pub servers: Vec<String>,
    /// A single `.` means no search domains.
    pub search: Vec<String>,
    pub options: Vec<String>,
}

impl NameServers {
    /// The container's `resolv.conf`. A container in the host's network gets the host's own servers.
    pub fn file(&self, host_network: bool) -> Result<String, NetworkError> {
        let mut host = read(Path::new(HOST_FILE))?;
        if !host_network && !host.lines().any(is_reachable_server) {
            let systemd = read(Path::new(SYSTEMD_FILE))?;
            if systemd.lines().any(is_reachable_server) {
                host = systemd;
            }
        }
        Ok(self.adjust(&host, host_network))
    }

    /// The file for a container that asks rbuild's own name server: a name without a dot is first tried unchanged.
    pub(super) fn own_resolver_file(&self) -> Result<String, NetworkError> {
        let own = Self { servers: vec![OWN.to_owned()], ..self.clone() };
        let file = own.file(false)?;
        let says_dots = file.lines().any(|line| line.starts_with("options ") && line.contains("ndots:"));
        if says_dots {
            return Ok(file);
        }
        let with_dots = file.replace("options ", "options ndots:0 ");
        Ok(if with_dots == file { file + "options ndots:0\n" } else { with_dots })
    }

    fn adjust(&self, host: &str, host_network: bool) -> String {
        let of_host = |keyword: &str| -> Vec<String> {
            let lines = host.lines().filter(|line| words(line).first() == Some(&keyword));
            lines.flat_map(|line| words(line).into_iter().skip(1).map(str::to_owned)).collect()
        };
        let chosen = |own: &Vec<String>, keyword: &str| if own.is_empty() { of_host(keyword) } else { own.clone() };
        let mut servers = chosen(&self.servers, "nameserver");
        if self.servers.is_empty() && !host_network {
            servers.retain(|server| !is_loopback(server));
        }
        if servers.is_empty() {
            servers = FALLBACK.map(str::to_owned).to_vec();
        }
        let mut file: String = servers.iter().map(|server| format!("nameserver {server}\n")).collect();
        let search = chosen(&self.search, "search");
        if !search.is_empty() && search != ["."] {
            file.push_str(&format!("search {}\n", search.join(" ")));
        }
        let options = chosen(&self.options, "options");
        if !options.is_empty() {
            file.push_str(&format!("options {}\n", options.join(" ")));
        }
        file
    }
}

/// The container's `hosts`.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    /// The container's own addresses and names, and those of linked containers.
    pub own: Vec<(IpAddr, String)>,
    /// `NAME:IP` or `NAME=IP`; the IP may be `host-gateway`.
    pub added: Vec<String>,
    pub host_gateway: Option<IpAddr>,
}

impl Hosts {
    pub fn file(&self) -> Result<String, NetworkError> {
        let names = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
             ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";
        Ok(format!("{names}{}", self.lines()?))
    }

    /// The file as BuildKit writes it for RUN: the machine's name is one of the loopback address.
    pub fn file_of_run(&self, hostname: &str) -> Result<String, NetworkError> {
        let names = format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
        Ok(format!("{names}{}", self.lines()?))
    }

    fn lines(&self) -> Result<String, NetworkError> {
        let mut file = String::new();
        for text in &self.added {
            let wrong = || NetworkError::AddHost { text: text.clone() };
            let (name, address) = text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(wrong)?;
            let address = match address {
                "host-gateway" => {
                    let missing = || NetworkError::NoHostGateway { text: text.clone() };
                    self.host_gateway.ok_or_else(missing)?
                }
                other => other.trim_start_matches('[').trim_end_matches(']').parse().map_err(|_| wrong())?,
            };
            file.push_str(&format!("{address}\t{name}\n"));
        }
        for (address, names) in &self.own {
            file.push_str(&format!("{address}\t{names}\n"));
        }
        Ok(file)
    }
}

/// Without the file, the machine has no servers.
fn read(path: &Path) -> Result<String, NetworkError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error).at("read", path).map_err(NetworkError::from),
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().take_while(|word| !word.starts_with(['#', ';'])).collect()
}

fn is_reachable_server(line: &str) -> bool {
    matches!(words(line).as_slice(), ["nameserver", server, ..] if !is_loopback(server))
}

fn is_loopback(server: &str) -> bool {
    let address = server.split('%').next().unwrap_or(server);
    address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_servers_stay_on_the_host() {
        let host = "# made by x\nnameserver 127.0.0.53\nnameserver 10.0.0.1 # router\nsearch a b\noptions edns0\n";
        let own = NameServers::default();
        assert_eq!(own.adjust(host, false), "nameserver 10.0.0.1\nsearch a b\noptions edns0\n");
        assert_eq!(own.adjust("nameserver ::1\n", false), "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
        assert_eq!(own.adjust("nameserver ::1\n", true), "nameserver ::1\n");
    }

    #[test]
    fn the_own_resolver() {
        let own = NameServers { search: vec!["a".into()], options: vec!["rotate".into()], ..NameServers::default() };
        let expected = "nameserver 127.0.0.11\nsearch a\noptions ndots:0 rotate\n";
        assert_eq!(own.own_resolver_file().unwrap(), expected);
    }

    #[test]
    fn what_the_user_says_counts() {
        let own = NameServers {
            servers: vec!["1.1.1.1".into()],
            search: vec![".".into()],
            options: vec!["ndots:2".into(), "rotate".into()],
        };
        assert_eq!(
            own.adjust("nameserver 10.0.0.1\nsearch a\n", false),
            "nameserver 1.1.1.1\noptions ndots:2 rotate\n"
        );
    }

    #[test]
    fn added_hosts() {
        let mut hosts = Hosts {
            own: vec![([10, 1, 0, 2].into(), "box".into())],
            added: vec!["db:10.0.0.7".into(), "six=[::2]".into(), "gate:host-gateway".into()],
            host_gateway: Some([10, 1, 0, 1].into()),
        };
        let file = hosts.file().unwrap();
        assert!(file.ends_with("10.0.0.7\tdb\n::2\tsix\n10.1.0.1\tgate\n10.1.0.2\tbox\n"), "{file}");
        hosts.added = vec!["nothing".into()];
        assert!(hosts.file().is_err());
    }
}
