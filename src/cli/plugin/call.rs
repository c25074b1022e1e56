//! docker's protocol for plugins: the metadata request, the arguments, and how a plugin learns that docker has ended.

use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;

use serde_json::json;

/// The name under which docker finds the plugin.
pub(super) const NAME: &str = "docker-buildx";

/// The name of buildx without docker.
const STANDALONE: &str = "buildx";

/// The same after a restart: see `crate::cli::anew`.
pub const ANEW: &str = "docker-buildx-anew";

/// docker's argument that requests a plugin's metadata.
const METADATA: &str = "docker-cli-plugin-metadata";

/// The variable with docker's socket, which is open as long as docker runs.
const SOCKET: &str = "DOCKER_CLI_PLUGIN_SOCKET";

/// Whether this process was started as docker's plugin.
pub fn is_called() -> bool {
    std::env::args_os().next().is_some_and(|name| is_name(&name))
}

fn is_name(name: &OsStr) -> bool {
    Path::new(name).file_name().is_some_and(|name| name == NAME || name == ANEW || name == STANDALONE)
}

/// The metadata, if docker requests it.
pub fn metadata(typed: &[OsString]) -> Option<String> {
    let asked = typed.len() == 2 && typed[1] == METADATA;
    asked.then(|| {
        let facts = json!({
            "SchemaVersion": "0.1.0",
            "Vendor": "rbuild",
            "Version": format!("v{}", crate::engine::version::BUILDX),
            "ShortDescription": "Docker Buildx by rbuild",
        });
        format!("{facts}\n")
    })
}

/// docker's options that take the next word as value.
const WITH_VALUE: &[&str] =
    &["-c", "-H", "-l", "--config", "--context", "--host", "--log-level", "--tlscacert", "--tlscert", "--tlskey"];

/// Converts the arguments to rbuild's: docker puts its own options before `buildx`; without docker, `buildx` may be
/// omitted.
pub fn are_words_of(mut typed: Vec<OsString>) -> Vec<OsString> {
    let mut is_value = false;
    let first = typed.iter().skip(1).position(|word| {
        let text = word.to_string_lossy();
        let is_word = !is_value && !text.starts_with('-');
        is_value = !is_value && WITH_VALUE.contains(&&*text);
        is_word
    });
    let place = first.map_or(1, |place| place + 1);
    // `docker help buildx ls` is passed on as typed.
    let command = if typed.get(place).is_some_and(|word| word == "help") { place + 1 } else { place };
    if typed.get(command).is_none_or(|word| word != "buildx") {
        typed.insert(place, OsString::from("buildx"));
    }
    typed
}

/// Ends this process cleanly, as a signal would, when docker has ended and closed its socket.
pub fn begin_with_docker() {
    let Some(name) = std::env::var_os(SOCKET).filter(|name| !name.is_empty()) else { return };
    let Ok(mut docker) = connect(&name) else { return };
    // Without a thread nothing is watched; docker's signals still reach the process group.
    let _ = std::thread::Builder::new().name("docker".to_owned()).spawn(move || {
        while docker.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
    });
}

/// A name with a leading `@` is in the abstract namespace, not in the file system.
fn connect(name: &OsStr) -> std::io::Result<UnixStream> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?),
        None => UnixStream::connect(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> String {
        let typed = line.split(' ').map(OsString::from).collect();
        let words = are_words_of(typed);
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn docker_names_the_plugin_and_others_need_not() {
        for (typed, meant) in [
            ("docker-buildx buildx build .", "docker-buildx buildx build ."),
            ("docker-buildx build .", "docker-buildx buildx build ."),
            ("docker-buildx --context far buildx ls", "docker-buildx --context far buildx ls"),
            ("docker-buildx -H tcp://a ls", "docker-buildx -H tcp://a buildx ls"),
            ("docker-buildx --host=tcp://a -D ls", "docker-buildx --host=tcp://a -D buildx ls"),
            ("docker-buildx help buildx ls", "docker-buildx help buildx ls"),
            ("docker-buildx help ls", "docker-buildx buildx help ls"),
            ("docker-buildx --help", "docker-buildx buildx --help"),
        ] {
            assert_eq!(words(typed), meant);
        }
    }

    #[test]
    fn metadata_is_told_when_it_is_asked_for_alone() {
        let asked = |line: &str| metadata(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        let told = asked("docker-buildx docker-cli-plugin-metadata").unwrap();
        assert!(told.contains(r#""SchemaVersion":"0.1.0""#) && told.contains(r#""Version":"v0."#));
        assert_eq!(asked("docker-buildx buildx docker-cli-plugin-metadata"), None);
    }
}
