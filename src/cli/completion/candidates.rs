//! What may come next on the command line, by the definitions that also parse it.

use clap::{Arg, ArgAction, Command};

/// Candidates, each with a tab and what it is.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    pub(super) words: Vec<String>,
    /// What things have names that will do: `CONTAINER`, `IMAGE`, and so on.
    pub(super) names: Vec<String>,
    pub(super) files: bool,
}

/// `words` are all up to the cursor; the last one is being typed.
pub(super) fn candidates(definition: &Command, words: &[String]) -> Candidates {
    let Some((typed, before)) = words.split_last() else { return Candidates::default() };
    let mut command = definition;
    let mut positionals = 0;
    let mut awaited: Option<&Arg> = None;
    for word in before {
        if awaited.take().is_some() {
            continue;
        }
        if let Some(option) = option_of(command, word) {
            awaited = Some(option).filter(|option| takes_value(option) && !word.contains('='));
        } else if let Some(inner) = command.find_subcommand(word) {
            (command, positionals) = (inner, 0);
        } else if !word.starts_with('-') {
            positionals += 1;
        }
    }
    if let Some(option) = awaited {
        return values_of(option);
    }
    if typed.starts_with('-') {
        return Candidates { words: options(command), ..Candidates::default() };
    }
    let mut found = Candidates::default();
    if positionals == 0 {
        let shown = command.get_subcommands().filter(|inner| !inner.is_hide_set());
        found.words = shown.map(|inner| described(inner.get_name(), inner.get_about())).collect();
    }
    let all: Vec<&Arg> = command.get_positionals().collect();
    if let Some(argument) = all.get(positionals).or(all.last().filter(|last| takes_many(last))) {
        let values = values_of(argument);
        found.words.extend(values.words);
        found.names.extend(values.names);
        found.files = values.files;
    }
    found
}

fn option_of<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    if let Some(long) = word.strip_prefix("--") {
        let name = long.split('=').next().unwrap_or(long);
        let has_name = |arg: &&Arg| {
            arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
        };
        return command.get_arguments().find(has_name);
    }
    let short = word.strip_prefix('-')?.chars().last()?;
    command.get_arguments().find(|arg| arg.get_short() == Some(short))
}

fn takes_value(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Set | ArgAction::Append)
        && option.get_num_args().is_none_or(|count| count.min_values() > 0)
}

fn takes_many(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Append)
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

fn values_of(argument: &Arg) -> Candidates {
    let possible = argument.get_possible_values();
    let mut found = Candidates {
        words: possible.iter().map(|value| described(value.get_name(), value.get_help())).collect(),
        ..Candidates::default()
    };
    let kind =
        argument.get_value_names().and_then(|names| names.first()).map(|name| name.to_string()).unwrap_or_default();
    match kind.split(['[', ':', '|']).find(|part| !part.is_empty()).unwrap_or_default() {
        name @ ("CONTAINER" | "IMAGE" | "NETWORK" | "VOLUME" | "NAME")
            if kind.starts_with("NAME|ID") || name != "NAME" =>
        {
            found.names.push(if name == "NAME" { "ANY".to_owned() } else { name.to_owned() });
        }
        "FILE" | "DIR" | "PATH" | "FOLDER" | "CONTEXT" | "ARCHIVE" => found.files = true,
        _ => {}
    }
    found
}

fn described(word: &str, help: Option<&clap::builder::StyledStr>) -> String {
    let help = help.map(ToString::to_string).unwrap_or_default();
    format!("{word}\t{}", help.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(words: &[&str]) -> Candidates {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        candidates(&crate::cli::commands::definition(), &words)
    }

    fn has(found: &Candidates, word: &str) -> bool {
        found.words.iter().any(|line| line.split('\t').next() == Some(word))
    }

    #[test]
    fn what_may_come_next() {
        let first = ask(&[""]);
        assert!(has(&first, "run") && has(&first, "network") && !has(&first, "__complete"));
        assert!(has(&ask(&["network", ""]), "connect"));
        let options = ask(&["run", "--"]);
        assert!(has(&options, "--publish") && has(&options, "--network-alias") && !has(&options, "--isolation"));
        assert_eq!(ask(&["run", "--rm", ""]).names, ["IMAGE"]);
        assert_eq!(ask(&["run", "--network", ""]).names, ["NETWORK"]);
        assert!(has(&ask(&["run", "--pull", ""]), "never"));
        assert!(ask(&["run", "--env-file", ""]).files);
        assert_eq!(ask(&["network", "disconnect", "net", ""]).names, ["CONTAINER"]);
        assert_eq!(ask(&["volume", "rm", "a", "b", ""]).names, ["VOLUME"]);
        assert!(ask(&["run", "-p", ""]).names.is_empty());
    }
}
