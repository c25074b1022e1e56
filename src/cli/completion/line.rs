//! Parses what was typed so far, with the same definitions as the command line.

use clap::{Arg, ArgAction, Command};

/// The words up to the cursor.
pub(super) struct Line<'a> {
    pub(super) command: &'a Command,
    /// The command's words, such as `network` and `connect`.
    pub(super) path: Vec<&'a str>,
    /// Options with a value, by name.
    pub(super) options: Vec<(String, String)>,
    pub(super) positionals: Vec<&'a str>,
    pub(super) typed: Typed<'a>,
}

/// The word at the cursor.
#[derive(Debug, Clone, Copy)]
pub(super) enum Typed<'a> {
    /// Not an option: a command or an argument.
    Word(&'a str),
    Option(&'a str),
    /// An option's value, as a separate word or after `--option=`.
    Value {
        option: &'a Arg,
        before: &'a str,
        value: &'a str,
    },
}

impl<'a> Line<'a> {
    /// The last word is the one at the cursor.
    pub(super) fn understand(definition: &'a Command, words: &'a [String]) -> Option<Self> {
        let (typed, before) = words.split_last()?;
        let mut line = Self {
            command: definition,
            path: Vec::new(),
            options: Vec::new(),
            positionals: Vec::new(),
            typed: Typed::Word(typed),
        };
        let mut awaited: Option<&'a Arg> = None;
        for word in before {
            if let Some(option) = awaited.take() {
                line.options.push((name_of(option), word.clone()));
            } else if let Some(option) = option_of(line.command, word).filter(|_| !line.is_for_program()) {
                match word.split_once('=').filter(|_| word.starts_with("--")) {
                    Some((_, value)) => line.options.push((name_of(option), value.to_owned())),
                    None => awaited = Some(option).filter(|option| takes_value(option)),
                }
            } else if let Some(inner) = line.command.find_subcommand(word).filter(|_| line.positionals.is_empty()) {
                line.command = inner;
                line.path.push(inner.get_name());
            } else if !word.starts_with('-') || line.is_for_program() {
                line.positionals.push(word);
            }
        }
        line.typed = line.what_is_typed(typed, awaited);
        Some(line)
    }

    fn what_is_typed(&self, typed: &'a str, awaited: Option<&'a Arg>) -> Typed<'a> {
        if let Some(option) = awaited {
            return Typed::Value { option, before: "", value: typed };
        }
        if !typed.starts_with('-') || self.is_for_program() {
            return Typed::Word(typed);
        }
        let with_value = typed.find('=').filter(|_| typed.starts_with("--"));
        let option = option_of(self.command, typed).filter(|option| !option.is_positional());
        match with_value.zip(option) {
            Some((at, option)) => Typed::Value { option, before: &typed[..=at], value: &typed[at + 1..] },
            None => Typed::Option(typed),
        }
    }

    /// Whether a program's own command line follows: after the image of `run`, or the container of `exec`.
    pub(super) fn is_for_program(&self) -> bool {
        let first = self.command.get_positionals().position(Arg::is_trailing_var_arg_set);
        first.is_some_and(|first| first > 0 && self.positionals.len() >= first)
    }

    /// The last value of an option.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The argument at the cursor, with its position; the last one may be repeated.
    pub(super) fn argument(&self) -> Option<&'a Arg> {
        let all: Vec<&Arg> = self.command.get_positionals().collect();
        let takes_many = |argument: &&&Arg| matches!(argument.get_action(), ArgAction::Append);
        all.get(self.positionals.len()).or(all.last().filter(takes_many)).copied()
    }
}

fn name_of(option: &Arg) -> String {
    option.get_long().map_or_else(|| option.get_id().to_string(), str::to_owned)
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

pub(super) fn takes_value(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Set | ArgAction::Append)
        && option.get_num_args().is_none_or(|count| count.min_values() > 0)
}
