//! docker's commands and options: rbuild has each of them, or it is in the table of differences with a reason.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Arg, ArgAction, Command};

const COMMANDS: &str = include_str!("../../fixtures/docker/commands.txt");
const OPTIONS: &str = include_str!("../../fixtures/docker/options.tsv");
/// `command`, `--option` (or `-` for the whole command), who has it, why: separated by tabs.
const DIFFERENCES: &str = include_str!("differences.tsv");

#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    short: Option<char>,
    takes_value: bool,
}

type Options = BTreeMap<(String, String), Shape>;

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

fn dockers_options() -> Options {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [command, name, short, kind] = fields[..] else { panic!("{line}") };
        // They may be used without a value, which clap shows and docker does not.
        let alone = matches!(name, "provenance" | "sbom") && !command.ends_with("bake");
        let shape = Shape { short: short.chars().next(), takes_value: kind != "bool" && !alone };
        ((command.to_owned(), name.to_owned()), shape)
    };
    lines(OPTIONS).map(row).collect()
}

/// All commands, under all of their names.
fn own_commands(command: &Command, path: &str, all: &mut BTreeMap<String, Command>) {
    all.insert(path.to_owned(), command.clone());
    for inner in command.get_subcommands() {
        for name in std::iter::once(inner.get_name()).chain(inner.get_all_aliases()) {
            let path = if path.is_empty() { name.to_owned() } else { format!("{path} {name}") };
            own_commands(inner, &path, all);
        }
    }
}

fn own_options(commands: &BTreeMap<String, Command>, hidden: bool) -> Options {
    let mut options = Options::new();
    for (path, command) in commands {
        for option in command.get_arguments().filter(|arg| !arg.is_positional() && (hidden || !arg.is_hide_set())) {
            let names = option.get_long().into_iter().chain(option.get_all_aliases().unwrap_or_default());
            for name in names {
                let shape = Shape { short: option.get_short(), takes_value: takes_value(option) };
                options.insert((path.clone(), name.to_owned()), shape);
            }
        }
    }
    options
}

fn takes_value(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Set | ArgAction::Append)
        && option.get_num_args().is_none_or(|count| count.min_values() > 0)
}

/// The differences: `command`, `--option`, who has it.
fn found() -> BTreeSet<String> {
    let mut commands = BTreeMap::new();
    own_commands(&rbuild::definition(), "", &mut commands);
    let (all, shown) = (own_options(&commands, true), own_options(&commands, false));
    let dockers = dockers_options();
    let known: BTreeSet<&str> = std::iter::once("").chain(lines(COMMANDS)).collect();
    let mut found = BTreeSet::new();
    for command in &known {
        if !commands.contains_key(*command) {
            found.insert(format!("{command}\t-\tdocker"));
        }
    }
    for ((command, name), shape) in &dockers {
        if !commands.contains_key(command) {
            continue;
        }
        match all.get(&(command.clone(), name.clone())) {
            _ if name == "help" => {}
            None => drop(found.insert(format!("{command}\t--{name}\tdocker"))),
            Some(own) if own != shape && !(shape.short.is_none() && own.takes_value == shape.takes_value) => {
                found.insert(format!("{command}\t--{name}\tboth, {shape:?} and {own:?}"));
            }
            Some(_) => {}
        }
    }
    for (command, name) in shown.keys() {
        if known.contains(command.as_str()) && !dockers.contains_key(&(command.clone(), name.clone())) {
            found.insert(format!("{command}\t--{name}\trbuild"));
        }
    }
    found
}

#[test]
fn each_difference_from_docker_has_its_reason() {
    let mut listed = BTreeMap::new();
    for line in lines(DIFFERENCES) {
        let (what, why) = line.rsplit_once('\t').unwrap_or_else(|| panic!("no reason: {line}"));
        assert!(!why.trim().is_empty() && listed.insert(what.to_owned(), why).is_none(), "{line}");
    }
    let found = found();
    let unlisted: Vec<&String> = found.iter().filter(|what| !listed.contains_key(*what)).collect();
    assert!(unlisted.is_empty(), "without a reason in differences.tsv:\n{unlisted:#?}");
    let gone: Vec<&String> = listed.keys().filter(|what| !found.contains(*what)).collect();
    assert!(gone.is_empty(), "in differences.tsv, and no difference:\n{gone:#?}");
}

/// The help describes each command, option and argument.
#[test]
fn nothing_is_without_a_description() {
    let mut commands = BTreeMap::new();
    own_commands(&rbuild::definition(), "", &mut commands);
    let mut wrong = Vec::new();
    for (path, command) in &commands {
        if command.is_hide_set() {
            continue;
        }
        if command.get_about().is_none() && !path.is_empty() {
            wrong.push(path.clone());
        }
        let is_plain = |arg: &&Arg| !arg.is_hide_set() && !arg.is_positional();
        for arg in command.get_arguments().filter(is_plain) {
            if arg.get_help().is_none_or(|help| help.to_string().trim().is_empty()) {
                wrong.push(format!("{path} --{}", arg.get_long().unwrap_or_default()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
