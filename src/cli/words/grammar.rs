//! How options are parsed: the rules of Go's pflag, which docker uses.
//!
//! - `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`; a value may begin with `-`.
//! - An optional value is only possible after `=`. Short options of that kind can be combined: `-it`, `-it=false`.
//! - `--` ends the options. If a program's arguments follow, so does the first word that is not an option.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use crate::base;
use clap::{Arg, ArgAction, Command};

/// A word that can't be parsed.
#[derive(Debug, PartialEq, Eq)]
pub enum Flaw {
    UnknownLong {
        name: String,
    },
    /// `letter` in a word such as `-abc`.
    UnknownShort {
        letter: char,
        word: String,
    },
    NoValue {
        option: String,
    },
    BadSyntax {
        word: String,
    },
    NoBoolean {
        option: String,
        value: String,
    },
}

/// The kind of help that was requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Help {
    Short,
    Long,
}

/// The parsed options, in order.
#[derive(Debug, Default)]
pub struct Options<'a> {
    given: Vec<(&'a Arg, OsString)>,
    pub help: Option<Help>,
    /// The command that they are given to.
    command: &'a str,
}

impl<'a> Options<'a> {
    pub fn with_help(help: Option<Help>) -> Self {
        Self { help, ..Self::default() }
    }

    /// Each option in its only unambiguous form. A flag without a value is included if it was true in the end.
    pub fn spelled_out(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        for (index, (option, value)) in self.given.iter().enumerate() {
            if !matches!(option.get_action(), ArgAction::SetTrue) {
                words.push(with_value(option, value));
                continue;
            }
            let is_last = self.given[index + 1..].iter().all(|(later, _)| later.get_id() != option.get_id());
            if is_last && value == "true" {
                words.push(name_of(option));
            }
        }
        words
    }

    fn add(&mut self, option: Known<'a>, value: OsString) -> Result<(), Flaw> {
        match option {
            Known::Help(kind) => {
                let wanted = boolean(&value).ok_or_else(|| no_boolean("--help".to_owned(), &value))?;
                self.help = wanted.then_some(kind);
            }
            Known::Option(option) if is_boolean(option) => {
                let text = boolean(&value).ok_or_else(|| no_boolean(shown(option), &value))?.to_string();
                self.given.push((option, text.into()));
            }
            Known::Option(option) if value.is_empty() && is_nothing_when_empty(self.command, option) => {
                let is_list = matches!(option.get_action(), ArgAction::Append);
                self.given.retain(|(earlier, _)| is_list || earlier.get_id() != option.get_id());
            }
            Known::Option(option) => self.given.push((option, value)),
        }
        Ok(())
    }
}

/// An option of the commands in scope.
#[derive(Clone, Copy)]
enum Known<'a> {
    Option(&'a Arg),
    Help(Help),
}

impl Known<'_> {
    fn needs_value(&self) -> bool {
        match self {
            Self::Help(_) => false,
            Self::Option(option) => needs_value(option),
        }
    }
}

/// Reads the words of a command line.
pub struct Reader<'w> {
    words: &'w [OsString],
    at: usize,
}

impl<'w> Reader<'w> {
    pub fn new(words: &'w [OsString]) -> Self {
        Self { words, at: 0 }
    }

    pub fn left(&self) -> &'w [OsString] {
        &self.words[self.at..]
    }

    /// Takes the next word, whatever it is.
    pub fn next(&mut self) -> Option<&'w OsString> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(word)
    }

    /// Reads options up to another word, or up to and including a `--`; returns whether there was one. After an error,
    /// it stays at the invalid word.
    pub fn options<'a>(&mut self, scope: &[&'a Command], options: &mut Options<'a>) -> Result<bool, Flaw> {
        options.command = scope.first().map_or("", |command| command.get_name());
        while let Some(word) = self.words.get(self.at) {
            let bytes = word.as_bytes();
            if bytes == b"--" {
                self.at += 1;
                return Ok(true);
            }
            let next = self.words.get(self.at + 1);
            let took_next = match bytes {
                [b'-', b'-', name @ ..] => long(scope, options, name, next)?,
                [b'-', shorts @ ..] if !shorts.is_empty() => bundle(scope, options, shorts, next)?,
                _ => return Ok(false),
            };
            self.at += if took_next { 2 } else { 1 };
        }
        Ok(false)
    }

    /// Options and other words in any order; returns the other words, and those after a `--`.
    pub fn mixed<'a>(
        &mut self,
        scope: &[&'a Command],
        options: &mut Options<'a>,
    ) -> Result<(Vec<OsString>, Vec<OsString>), Flaw> {
        let mut others = Vec::new();
        loop {
            if self.options(scope, options)? {
                return Ok((others, self.left().to_vec()));
            }
            match self.next() {
                Some(word) => others.push(word.clone()),
                None => return Ok((others, Vec::new())),
            }
        }
    }
}

/// `--name`, `--name=value` or `--name value`; returns whether the next word was the value.
fn long<'a>(
    scope: &[&'a Command],
    options: &mut Options<'a>,
    word: &[u8],
    next: Option<&OsString>,
) -> Result<bool, Flaw> {
    if matches!(word.first(), None | Some(b'-' | b'=')) {
        return Err(Flaw::BadSyntax { word: format!("--{}", String::from_utf8_lossy(word)) });
    }
    let cut = word.iter().position(|byte| *byte == b'=');
    let name = String::from_utf8_lossy(&word[..cut.unwrap_or(word.len())]).into_owned();
    let option = find_long(scope, &name).ok_or_else(|| Flaw::UnknownLong { name: name.clone() })?;
    let attached = cut.map(|cut| OsStr::from_bytes(&word[cut + 1..]).to_owned());
    match (attached, option.needs_value(), next) {
        (Some(value), _, _) => options.add(option, value).map(|()| false),
        (None, false, _) => options.add(option, "true".into()).map(|()| false),
        (None, true, Some(value)) => options.add(option, value.clone()).map(|()| true),
        (None, true, None) => Err(Flaw::NoValue { option: format!("--{name}") }),
    }
}

/// `-a`, `-abc`, `-avalue` or `-a=value`; returns whether the next word was the value.
fn bundle<'a>(
    scope: &[&'a Command],
    options: &mut Options<'a>,
    shorts: &[u8],
    next: Option<&OsString>,
) -> Result<bool, Flaw> {
    let mut rest = shorts;
    while let Some((letter, behind)) = rest.split_first() {
        let word = || format!("-{}", String::from_utf8_lossy(rest));
        let letter = char::from(*letter);
        let option = find_short(scope, letter).ok_or_else(|| Flaw::UnknownShort { letter, word: word() })?;
        if let [b'=', value @ ..] = behind
            && !value.is_empty()
        {
            return options.add(option, OsString::from_vec(value.to_vec())).map(|()| false);
        }
        if !option.needs_value() {
            options.add(option, "true".into())?;
            rest = behind;
            continue;
        }
        return match (behind, next) {
            ([], Some(value)) => options.add(option, value.clone()).map(|()| true),
            ([], None) => Err(Flaw::NoValue { option: format!("'{letter}' in {}", word()) }),
            (value, _) => options.add(option, OsString::from_vec(value.to_vec())).map(|()| false),
        };
    }
    Ok(false)
}

fn find_long<'a>(scope: &[&'a Command], name: &str) -> Option<Known<'a>> {
    let has_name =
        |arg: &&Arg| arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|all| all.contains(&name));
    in_scope(scope).find(has_name).map(of).or((name == "help").then_some(Known::Help(Help::Long)))
}

fn find_short<'a>(scope: &[&'a Command], letter: char) -> Option<Known<'a>> {
    let has_letter = |arg: &&Arg| {
        arg.get_short() == Some(letter) || arg.get_all_short_aliases().is_some_and(|all| all.contains(&letter))
    };
    in_scope(scope).find(has_letter).map(of).or((letter == 'h').then_some(Known::Help(Help::Short)))
}

/// The options of the first command, and the global ones of the others.
fn in_scope<'a>(scope: &[&'a Command]) -> impl Iterator<Item = &'a Arg> {
    let inherited = scope.iter().skip(1).flat_map(|command| command.get_arguments()).filter(|arg| arg.is_global_set());
    scope.first().into_iter().flat_map(|command| command.get_arguments()).chain(inherited)
}

fn of(option: &Arg) -> Known<'_> {
    match option.get_action() {
        ArgAction::Help | ArgAction::HelpLong => Known::Help(Help::Long),
        _ => Known::Option(option),
    }
}

/// Options of `build` and `bake` whose empty value is none: scripts write `--target=$STAGE`.
const BUILD: [&str; 18] = [
    "add-host",
    "allow",
    "annotation",
    "build-context",
    "call",
    "file",
    "iidfile",
    "memory",
    "memory-swap",
    "metadata-file",
    "network",
    "progress",
    "provenance",
    "sbom",
    "secret",
    "security-opt",
    "ssh",
    "target",
];
const BAKE: [&str; 3] = ["list", "metadata-file", "progress"];

/// Whether docker takes an empty value of the option for none.
fn is_nothing_when_empty(command: &str, option: &Arg) -> bool {
    let Some(name) = option.get_long() else { return false };
    match command {
        "build" => BUILD.contains(&name),
        "bake" => BAKE.contains(&name),
        _ => name == "filter",
    }
}

fn needs_value(option: &Arg) -> bool {
    option.get_action().takes_values() && option.get_num_args().is_none_or(|count| count.min_values() > 0)
}

/// Whether the option is a boolean, which is true without a value.
pub fn is_boolean(option: &Arg) -> bool {
    if matches!(option.get_action(), ArgAction::SetTrue | ArgAction::Help) {
        return true;
    }
    let values = option.get_possible_values();
    !needs_value(option) && values.len() == 2 && values.iter().any(|value| value.get_name() == "true")
}

fn boolean(value: &OsStr) -> Option<bool> {
    base::boolean(value.to_str()?)
}

fn no_boolean(option: String, value: &OsStr) -> Flaw {
    Flaw::NoBoolean { option, value: value.to_string_lossy().into_owned() }
}

/// The name in docker's messages: `-m, --memory`.
pub fn shown(option: &Arg) -> String {
    let long = option.get_long().map(|long| format!("--{long}"));
    let short = option.get_short().map(|letter| format!("-{letter}"));
    short.into_iter().chain(long).collect::<Vec<_>>().join(", ")
}

fn name_of(option: &Arg) -> OsString {
    match (option.get_long(), option.get_short()) {
        (Some(long), _) => format!("--{long}").into(),
        (None, letter) => format!("-{}", letter.unwrap_or_default()).into(),
    }
}

fn with_value(option: &Arg, value: &OsStr) -> OsString {
    let mut word = name_of(option);
    word.push("=");
    word.push(value);
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let flag = |name: &'static str, letter| Arg::new(name).long(name).short(letter).action(ArgAction::SetTrue);
        let value = |name: &'static str, letter| Arg::new(name).long(name).short(letter);
        let optional = Arg::new("pause")
            .long("pause")
            .num_args(0..=1)
            .require_equals(true)
            .value_parser(clap::value_parser!(bool))
            .action(ArgAction::Set);
        let list = Arg::new("env").long("env").short('e').action(ArgAction::Append);
        Command::new("test").args([flag("all", 'a'), flag("tty", 't'), value("name", 'n'), optional, list])
    }

    fn read(words: &[&str]) -> Result<(Vec<String>, Vec<String>), Flaw> {
        let command = command();
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let mut options = Options::default();
        let (mut others, behind) = Reader::new(&words).mixed(&[&command], &mut options)?;
        others.extend(behind);
        let text = |words: Vec<OsString>| words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        Ok((text(options.spelled_out()), text(others)))
    }

    #[test]
    fn forms_of_options() {
        for (words, options, others) in [
            (&["-at", "x"][..], &["--all", "--tty"][..], &["x"][..]),
            (&["-at=false"], &["--all"], &[]),
            (&["--all=T", "--all=0"], &[], &[]),
            (&["--all=0", "-a"], &["--all"], &[]),
            (&["--pause=f"], &["--pause=false"], &[]),
            (&["--pause", "x"], &["--pause=true"], &["x"]),
            (
                &["-n", "-1", "--name=", "-n=x", "-ny", "-n="],
                &["--name=-1", "--name=", "--name=x", "--name=y", "--name=="],
                &[],
            ),
            (&["-ane", "x"], &["--all", "--name=e"], &["x"]),
            (&["x", "-e", "--", "-a", "--", "-t"], &["--env=--", "--all"], &["x", "-t"]),
            (&["-", "-e=a=b"], &["--env=a=b"], &["-"]),
            (&["--help=false"], &[], &[]),
        ] {
            let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
            assert_eq!(read(words), Ok((text(options), text(others))), "{words:?}");
        }
    }

    #[test]
    fn flaws() {
        let no_value = |option: &str| Flaw::NoValue { option: option.to_owned() };
        for (words, flaw) in [
            (&["--nope=x"][..], Flaw::UnknownLong { name: "nope".to_owned() }),
            (&["-az"], Flaw::UnknownShort { letter: 'z', word: "-z".to_owned() }),
            (&["--name"], no_value("--name")),
            (&["-an"], no_value("'n' in -n")),
            (&["--=x"], Flaw::BadSyntax { word: "--=x".to_owned() }),
            (&["---x"], Flaw::BadSyntax { word: "---x".to_owned() }),
            (&["-a=maybe"], Flaw::NoBoolean { option: "-a, --all".to_owned(), value: "maybe".to_owned() }),
        ] {
            assert_eq!(read(words), Err(flaw), "{words:?}");
        }
    }
}
