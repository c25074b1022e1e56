//! Unknown commands: suggests the nearest ones, and replacements for docker's commands that rbuild lacks.

use clap::Command;

use crate::base::nearest;
use crate::cli::CliError;

const NO_CLUSTER: &str = "rbuild runs containers on one machine, without a swarm: `rbuild run`, and `--restart` for what \
                          has to come up again";

/// Commands of docker and its plugins, with their replacements.
const ELSEWHERE: &[(&str, &str)] = &[
    ("ai", "it is a service of Docker Desktop"),
    ("app", "it is a plugin of docker; images carry what is needed to run them"),
    ("buildkitd", "rbuild builds without a daemon: `rbuild build`"),
    ("checkpoint", "rbuild has no CRIU; `rbuild commit` keeps a container's files"),
    ("cloud", "it is a service of Docker's; rbuild builds on this machine"),
    ("compose", "docker's own works with `rbuild system service`, which answers docker's API (docs/service.md)"),
    ("config", NO_CLUSTER),
    ("daemon", "there is no daemon to start; `rbuild system service` answers docker's API"),
    ("desktop", "it is a part of Docker Desktop"),
    ("dev", "it is a plugin of Docker Desktop"),
    ("engine", "there is no daemon to manage; `rbuild info` shows what there is"),
    ("extension", "it is a part of Docker Desktop"),
    ("init", "it writes a first Dockerfile; rbuild builds the one that you write"),
    ("machine", "rbuild runs where it is started; nothing has to be made for it"),
    ("mcp", "it is a part of Docker Desktop"),
    ("model", "it is a plugin of Docker's; `rbuild run` runs an image that serves the model"),
    ("node", NO_CLUSTER),
    ("offload", "it is a service of Docker's; rbuild builds on this machine"),
    ("plugin", "rbuild has no plugins: volumes and networks are its own"),
    ("sandbox", "`rbuild run` isolates each container; `rbuild info` says how"),
    ("sbom", "`syft` reads what `rbuild save` writes"),
    ("scan", "`trivy` and `grype` read what `rbuild save` writes"),
    ("scout", "`trivy` and `grype` read what `rbuild save` writes"),
    ("secret", NO_CLUSTER),
    ("service", NO_CLUSTER),
    ("stack", NO_CLUSTER),
    ("swarm", NO_CLUSTER),
    ("trust", "`cosign` signs images in registries; name an image by its digest to have that one and no other"),
];

const NO_CONTEXTS: &str = "rbuild works on this machine, in the context `default`";

/// The same within groups.
const ELSEWHERE_IN_GROUPS: &[(&str, &str, &str)] = &[
    ("history", "import", "it is for Docker Desktop, which rbuild does not support"),
    ("buildx", "dial-stdio", "there is no builder behind a socket: every command builds itself"),
    ("builder", "dial-stdio", "there is no builder behind a socket: every command builds itself"),
    ("context", "create", NO_CONTEXTS),
    ("context", "export", NO_CONTEXTS),
    ("context", "import", NO_CONTEXTS),
    ("context", "rm", NO_CONTEXTS),
    ("context", "update", NO_CONTEXTS),
    ("volume", "update", "only volumes of a swarm's cluster can be changed"),
    ("system", "dial-stdio", "there is no daemon behind a socket"),
];

/// `group` are the words before it, without the program's name.
pub fn no_such_command(group: &[String], word: &str, command: &Command) -> CliError {
    let all: Vec<&str> = group.iter().map(String::as_str).chain([word]).collect();
    CliError::new(format!("no such command: {}", all.join(" "))).hint(hint(group, word, command))
}

fn hint(group: &[String], word: &str, command: &Command) -> String {
    let elsewhere = match group {
        [] => ELSEWHERE.iter().find(|(name, _)| *name == word).map(|(_, text)| *text),
        [.., last] => {
            ELSEWHERE_IN_GROUPS.iter().find(|(group, name, _)| group == last && *name == word).map(|(_, _, text)| *text)
        }
    };
    if let Some(text) = elsewhere {
        return text.to_owned();
    }
    let near = nearest_commands(word, command);
    let before = if group.is_empty() { String::new() } else { format!("{} ", group.join(" ")) };
    match near.as_slice() {
        [] => format!("`rbuild {before}--help` lists the commands"),
        names => {
            let names: Vec<String> = names.iter().map(|name| format!("`{before}{name}`")).collect();
            format!("there {} {}", if names.len() == 1 { "is" } else { "are" }, names.join(" and "))
        }
    }
}

/// The nearest command, equally near ones with a different ending, and those with this prefix.
fn nearest_commands(word: &str, command: &Command) -> Vec<String> {
    const SHOWN: usize = 3;
    let mut names: Vec<&str> = command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
        .flat_map(|inner| std::iter::once(inner.get_name()).chain(inner.get_visible_aliases()))
        .collect();
    let mut near: Vec<String> = Vec::new();
    while let Some(name) = nearest(word, &names).filter(|_| near.len() < SHOWN) {
        near.push(name.to_owned());
        names.retain(|other| *other != name);
    }
    let begins_so = |name: &&&str| word.len() > 1 && name.starts_with(word);
    near.extend(names.iter().filter(begins_so).map(|name| (*name).to_owned()));
    near.truncate(SHOWN);
    near
}
