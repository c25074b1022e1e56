//! Addresses of engines: `unix://PATH` or `tcp://HOST:PORT`, as in DOCKER_HOST and docker's contexts.

use std::path::PathBuf;

use super::{EngineError, contexts};

/// The default of docker's own programs.
const USUAL: &str = "unix:///var/run/docker.sock";
const PORT: u16 = 2375;
const TLS_PORT: u16 = 2376;

/// How an engine is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// As it was given, for messages.
    pub shown: String,
    /// docker's context by which it was found; `None` for the context `default`.
    pub context: Option<String>,
    pub(super) way: Way,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    Socket(PathBuf),
    /// Host and port, and with TLS the folder that has `ca.pem`, `cert.pem` and `key.pem`.
    Tcp {
        authority: String,
        tls: Option<Tls>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tls {
    pub folder: Option<PathBuf>,
    /// Whether the engine's certificate is verified.
    pub verify: bool,
}

impl Address {
    /// Selects the engine: by `host`, else by `context` (docker's `-H` and `-c`), else by DOCKER_HOST, DOCKER_CONTEXT
    /// and `currentContext` in docker's settings.
    pub fn meant(host: Option<&str>, context: Option<&str>) -> Result<Self, EngineError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let tls = || {
            let verify = variable("DOCKER_TLS_VERIFY").is_some();
            let folder = variable("DOCKER_CERT_PATH").map(PathBuf::from);
            (verify || variable("DOCKER_TLS").is_some()).then_some(Tls { folder, verify })
        };
        if let Some(host) = host.filter(|host| !host.is_empty()) {
            return Self::parse(host, tls());
        }
        let context = match context.filter(|context| !context.is_empty()) {
            Some(context) => Some(context.to_owned()),
            None => match variable("DOCKER_HOST") {
                Some(host) => return Self::parse(&host, tls()),
                None => variable("DOCKER_CONTEXT").or_else(contexts::current),
            },
        };
        match context.filter(|context| context != "default") {
            None => Self::parse(USUAL, None),
            Some(name) => {
                let found = contexts::find(&name)?;
                Ok(Self { context: Some(name), ..Self::parse(&found.host, found.tls)? })
            }
        }
    }

    fn parse(text: &str, tls: Option<Tls>) -> Result<Self, EngineError> {
        let refused = |reason| EngineError::Address { address: text.to_owned(), reason };
        let way = match text.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') => Way::Socket(PathBuf::from(path)),
            Some(("unix", _)) => return Err(refused("the path of a socket begins with `/`")),
            Some(("tcp" | "http" | "https", rest)) => {
                let authority = rest.trim_end_matches('/');
                if authority.is_empty() || authority.contains(['/', '@', '?', '#']) {
                    return Err(refused("it is tcp://HOST:PORT"));
                }
                let tls = tls.or_else(|| text.starts_with("https").then_some(Tls { folder: None, verify: true }));
                let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
                let port = if tls.is_some() { TLS_PORT } else { PORT };
                let authority = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
                Way::Tcp { authority, tls }
            }
            Some(("ssh", _)) => return Err(refused("rbuild does not speak to engines over ssh")),
            _ => return Err(refused("it is unix://PATH or tcp://HOST:PORT")),
        };
        Ok(Self { shown: text.to_owned(), context: None, way })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_docker_has_them() {
        let way = |text: &str| Address::parse(text, None).map(|address| address.way).ok();
        let tcp = |authority: &str, tls| Some(Way::Tcp { authority: authority.to_owned(), tls });
        assert_eq!(way("unix:///run/docker.sock"), Some(Way::Socket("/run/docker.sock".into())));
        assert_eq!(way("tcp://engine"), tcp("engine:2375", None));
        assert_eq!(way("tcp://[::1]:99/"), tcp("[::1]:99", None));
        let tls = Some(Tls { folder: None, verify: true });
        assert_eq!(way("https://engine"), tcp("engine:2376", tls));
        for wrong in
            ["", "engine", "unix://socket", "tcp://", "tcp://user@engine", "tcp://a/b", "ssh://a", "npipe:////./p"]
        {
            assert_eq!(way(wrong), None, "{wrong}");
        }
    }
}
