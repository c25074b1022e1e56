//! Finds what may come next on a command line.

use clap::{Arg, Command};

use super::filters;
use super::line::{Line, Typed};
use super::wanted::{self, Wanted};

/// Candidate words, each with a tab and a description.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    pub(super) words: Vec<String>,
    /// The kinds of objects that are also candidates.
    pub(super) wanted: Vec<Wanted>,
    /// The prefix of each of them: `--option=`, or a filter's key.
    pub(super) before: String,
    /// What they must begin with, after the prefix.
    pub(super) typed: String,
}

pub(super) fn candidates(line: &Line<'_>) -> Candidates {
    match line.typed {
        Typed::Value { option, before, value } => values(line, option, before, value),
        Typed::Option(typed) => {
            Candidates { words: options(line.command), typed: typed.to_owned(), ..Candidates::default() }
        }
        Typed::Word(typed) => Candidates { typed: typed.to_owned(), ..arguments(line) },
    }
}

fn arguments(line: &Line<'_>) -> Candidates {
    let mut found = Candidates::default();
    if line.is_for_program() {
        found.wanted.push(Wanted::Files);
        return found;
    }
    if line.positionals.is_empty() {
        let shown = line.command.get_subcommands().filter(|inner| !inner.is_hide_set());
        let names = |inner: &Command| {
            let about = inner.get_about().cloned();
            let all = std::iter::once(inner.get_name()).chain(inner.get_visible_aliases());
            all.map(|name| described(name, about.as_ref())).collect::<Vec<_>>()
        };
        found.words = shown.flat_map(names).collect();
    }
    if let Some(argument) = line.argument() {
        found.words.extend(possible(argument));
        found.wanted = wanted::of_argument(&line.path, line.positionals.len(), argument);
    }
    found
}

fn values(line: &Line<'_>, option: &Arg, before: &str, value: &str) -> Candidates {
    let mut wanted = wanted::of_option(&line.path, option);
    let (mut before, mut typed) = (before.to_owned(), value);
    let mut words = possible(option);
    if wanted.contains(&Wanted::Filters) {
        wanted.clear();
        match value.split_once('=') {
            Some((key, rest)) => {
                before += &format!("{key}=");
                wanted = filters::values(&line.path, key);
                typed = rest;
            }
            None => words.extend(filters::keys(&line.path).iter().map(|key| format!("{key}=\t"))),
        }
    }
    Candidates { words, wanted, before, typed: typed.to_owned() }
}

fn options(command: &Command) -> Vec<String> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set() && !arg.is_positional());
    shown
        .flat_map(|arg| {
            let long = arg.get_long().map(|long| described(&format!("--{long}"), arg.get_help()));
            let short = arg.get_short().map(|short| described(&format!("-{short}"), arg.get_help()));
            long.into_iter().chain(short)
        })
        .collect()
}

fn possible(argument: &Arg) -> Vec<String> {
    argument.get_possible_values().iter().map(|value| described(value.get_name(), value.get_help())).collect()
}

fn described(word: &str, help: Option<&clap::builder::StyledStr>) -> String {
    let help = help.map(ToString::to_string).unwrap_or_default();
    format!("{word}\t{}", help.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::wanted::State;
    use super::*;

    fn ask(words: &[&str]) -> Candidates {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        candidates(&Line::understand(&crate::cli::commands::definition(), &words).unwrap())
    }

    fn has(found: &Candidates, word: &str) -> bool {
        found.words.iter().any(|line| line.split('\t').next() == Some(word))
    }

    #[test]
    fn commands_and_options() {
        let first = ask(&[""]);
        assert!(has(&first, "run") && has(&first, "network") && !has(&first, "__complete"));
        assert!(has(&ask(&["network", ""]), "connect") && has(&ask(&["--root", "/x", "network", ""]), "connect"));
        let options = ask(&["run", "--"]);
        assert!(has(&options, "--publish") && has(&options, "--network-alias") && !has(&options, "--use-api-socket"));
        assert!(has(&ask(&["run", "--pull", ""]), "never"));
        assert_eq!(ask(&["run", "--pull=ne"]).before, "--pull=");
        assert!(has(&ask(&["run", "--pull=ne"]), "never"));
        let of_program = ask(&["run", "--rm", "busybox", "-"]);
        assert!(of_program.words.is_empty() && of_program.wanted == [Wanted::Files]);
    }

    #[test]
    fn things_by_their_kind() {
        for (words, wanted) in [
            (&["run", "--rm", ""][..], Wanted::Images),
            (&["tag", ""], Wanted::Images),
            (&["push", ""], Wanted::Images),
            (&["rmi", "a", ""], Wanted::Images),
            (&["run", "--network", ""], Wanted::Networks),
            (&["run", "--network="], Wanted::Networks),
            (&["run", "-v", ""], Wanted::Volumes),
            (&["run", "--cap-add", ""], Wanted::Capabilities),
            (&["run", "--env-file", ""], Wanted::Files),
            (&["stop", ""], Wanted::Containers(State::Running)),
            (&["container", "start", ""], Wanted::Containers(State::Stopped)),
            (&["unpause", "a", ""], Wanted::Containers(State::Paused)),
            (&["exec", "-it", ""], Wanted::Containers(State::Running)),
            (&["rm", ""], Wanted::Containers(State::Any)),
            (&["cp", "x", ""], Wanted::CopyPlaces),
            (&["build", "--target", ""], Wanted::Stages),
            (&["network", "disconnect", "net", ""], Wanted::Containers(State::Any)),
            (&["volume", "rm", "a", "b", ""], Wanted::Volumes),
            (&["inspect", ""], Wanted::Things),
            (&["ps", "-f", "network="], Wanted::Networks),
            (&["images", "--filter=before="], Wanted::Images),
        ] {
            assert!(ask(words).wanted.contains(&wanted), "{words:?}: {:?}", ask(words));
        }
        assert!(ask(&["run", "-p", ""]).wanted.is_empty());
        assert!(has(&ask(&["ps", "--filter", ""]), "status=") && ask(&["ps", "-f", "status="]).before == "status=");
    }
}
