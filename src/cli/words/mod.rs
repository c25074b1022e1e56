//! Converts what was typed, by docker's grammar, to an unambiguous line for clap.
//!
//! docker parses its command line by the rules of pflag and cobra, which differ from clap's: the image ends the options
//! of `run`, booleans take `=false`, values may begin with `-`, the last of two values wins. Only this module
//! implements them. The definitions of the commands are clap's own, so that they are written once; clap gets each
//! option as `--name=value` and everything else after `--`, and checks the values.

mod grammar;
mod unknown;
mod usage;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use clap::builder::StyledStr;
use clap::{Arg, Command};

use crate::cli::CliError;
use grammar::{Flaw, Options, Reader};

pub use grammar::Help;
use usage::Called;

/// Commands whose options end at the first word, even though no program's arguments follow.
const OPTIONS_FIRST: &[&str] = &["commit", "tag"];

/// Groups whose help goes to standard output when they are called alone, as in buildx.
const HELP_IS_ANSWER: &[&str] = &["buildx", "builder", "history", "imagetools"];

/// How to find commands.
pub struct Vocabulary {
    /// Defines the options before the command, without any command.
    pub program: fn() -> Command,
    /// Whether a first word is a command.
    pub is_command: fn(&str) -> bool,
    /// Whether a first word that is not a command is a build context.
    pub can_be_built: fn(&str) -> bool,
    /// A definition with the command of that name and the options before the command.
    pub define: fn(&str) -> Command,
    /// A definition of all commands.
    pub all: fn() -> Command,
}

/// A command and its arguments, to be parsed by clap.
#[derive(Debug)]
pub struct Typed {
    arguments: Vec<OsString>,
    definition: Command,
    path: Vec<String>,
    /// The number of words is wrong.
    miscounted: Option<CliError>,
}

impl Typed {
    /// Parses the line with clap. Invalid values are reported before a wrong number of words.
    pub fn matches(mut self) -> Result<clap::ArgMatches, CliError> {
        let read = self.definition.try_get_matches_from_mut(&self.arguments);
        match (read, self.miscounted) {
            (Err(error), Some(miscounted)) if !usage::is_of_value(&error) => Err(miscounted),
            (Err(error), _) => Err(refused(&self.definition, &self.path, &error)),
            (Ok(_), Some(miscounted)) => Err(miscounted),
            (Ok(matches), None) => Ok(matches),
        }
    }
}

/// The action of a command line.
#[derive(Debug)]
pub enum Line {
    /// Arguments for clap, and their definition.
    Run(Typed),
    /// Help of a command. If something else was requested, it goes to standard error, without an error code.
    Help {
        definition: Command,
        path: Vec<String>,
        kind: Help,
        is_answer: bool,
    },
    Version,
}

impl Vocabulary {
    /// Parses a command line that begins with the program's name.
    pub fn read(&self, typed: &[OsString]) -> Result<Line, CliError> {
        let name = program_name(typed.first());
        let words = typed.get(1..).unwrap_or_default();
        let program;
        let (mut before, mut reader) = (Options::default(), Reader::new(words));
        // Usually a command comes first, and the options before it need not be defined.
        if words.first().is_some_and(|word| word.as_bytes().starts_with(b"-")) {
            program = (self.program)();
            match reader.options(&[&program], &mut before) {
                Ok(_) => {}
                // An option of `build`, which may be omitted.
                Err(Flaw::UnknownLong { .. } | Flaw::UnknownShort { .. }) => {
                    return self.command(&before, "build", reader.left(), name);
                }
                Err(flaw) => return Err(Called { words: &[name], command: &program }.flaw(&flaw)),
            }
        }
        let Some(first) = reader.next() else {
            let is_version = before.spelled_out().iter().any(|word| word == "--version");
            if is_version {
                return Ok(Line::Version);
            }
            let kind = before.help.unwrap_or(Help::Short);
            let is_answer = before.help.is_some();
            return Ok(Line::Help { definition: (self.all)(), path: vec![name], kind, is_answer });
        };
        let word = first.to_string_lossy();
        if word == "help" {
            return self.help(reader.left(), name);
        }
        if (self.is_command)(&word) {
            return self.command(&before, &word, reader.left(), name);
        }
        if (self.can_be_built)(&word) {
            let from_word = &words[words.len() - reader.left().len() - 1..];
            return self.command(&before, "build", from_word, name);
        }
        Err(unknown::no_such_command(&[], &word, &(self.all)()))
    }

    /// `help WORD...`
    fn help(&self, words: &[OsString], name: String) -> Result<Line, CliError> {
        let definition = (self.all)();
        let mut path = vec![name];
        let mut command = &definition;
        for word in words {
            let word = word.to_string_lossy();
            command = command.find_subcommand(&*word).ok_or_else(|| {
                CliError::new(format!("unknown help topic: {word}"))
                    .hint(format!("`{} --help` lists the commands", path.join(" ")))
            })?;
            path.push(command.get_name().to_owned());
        }
        Ok(Line::Help { definition, path, kind: Help::Long, is_answer: true })
    }

    /// The words after a command's name: maybe subcommands, options, and arguments.
    fn command(&self, before: &Options, word: &str, words: &[OsString], name: String) -> Result<Line, CliError> {
        let definition = (self.define)(word);
        let mut path = vec![name, word.to_owned()];
        let mut scope = vec![subcommand(&definition, word), &definition];
        let mut options = Options::with_help(before.help);
        let mut reader = Reader::new(words);
        let flaw = |path: &[String], command: &Command, flaw: &Flaw| Called { words: path, command }.flaw(flaw);
        while scope[0].has_subcommands() {
            reader.options(&scope, &mut options).map_err(|found| flaw(&path, scope[0], &found))?;
            let Some(word) = reader.next() else {
                let is_answer = options.help.is_some() || HELP_IS_ANSWER.contains(&scope[0].get_name());
                let kind = options.help.unwrap_or(Help::Short);
                return Ok(Line::Help { definition, path, kind, is_answer });
            };
            let word = word.to_string_lossy();
            let Some(inner) = scope[0].find_subcommand(&*word) else {
                return Err(unknown::no_such_command(&path[1..], &word, scope[0]));
            };
            path.push(inner.get_name().to_owned());
            scope.insert(0, inner);
        }
        let others = if options_come_first(scope[0]) {
            reader.options(&scope, &mut options).map(|_| (reader.left().to_vec(), Vec::new()))
        } else {
            reader.mixed(&scope, &mut options)
        };
        let (mut others, behind) = others.map_err(|found| flaw(&path, scope[0], &found))?;
        let is_program = scope[0].get_positionals().any(Arg::is_last_set) && !behind.is_empty();
        if !is_program {
            others.extend(behind.iter().cloned());
        }
        if let Some(kind) = options.help {
            return Ok(Line::Help { definition, path, kind, is_answer: true });
        }
        let count = others.len() + if is_program { behind.len() } else { 0 };
        let miscounted = Called { words: &path, command: scope[0] }.count(count).err();
        let mut arguments = vec![OsString::from(&path[0])];
        arguments.extend(before.spelled_out());
        arguments.extend(path[1..].iter().map(OsString::from));
        arguments.extend(options.spelled_out());
        let takes_program = scope[0].get_positionals().any(Arg::is_last_set);
        if !others.is_empty() && !takes_program {
            arguments.push("--".into());
        }
        arguments.extend(others);
        if is_program {
            arguments.push("--".into());
            arguments.extend(behind);
        }
        Ok(Line::Run(Typed { arguments, definition, path, miscounted }))
    }
}

/// The error of a line that clap refused.
fn refused(definition: &Command, path: &[String], error: &clap::Error) -> CliError {
    let command = path[1..].iter().fold(definition, |command, word| command.find_subcommand(word).unwrap_or(command));
    Called { words: path, command }.value(error)
}

/// The help of a command.
pub fn help(mut definition: Command, path: &[String], kind: Help) -> StyledStr {
    definition.set_bin_name(&path[0]);
    definition.build();
    let mut command = &mut definition;
    for word in &path[1..] {
        command = command.find_subcommand_mut(word).expect("the path leads to a command");
    }
    match kind {
        Help::Short => command.render_help(),
        Help::Long => command.render_long_help(),
    }
}

fn subcommand<'a>(definition: &'a Command, word: &str) -> &'a Command {
    definition.find_subcommand(word).expect("the definition has the command that it was made for")
}

/// A program's arguments follow, or docker does it that way.
fn options_come_first(command: &Command) -> bool {
    OPTIONS_FIRST.contains(&command.get_name()) || command.get_positionals().any(Arg::is_trailing_var_arg_set)
}

/// The name under which the program was called, without its folder.
pub fn program_name(typed: Option<&OsString>) -> String {
    let name = typed.map(Path::new).and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let name = name.map(|name| if name == "docker-buildx" { "docker".to_owned() } else { name });
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "rbuild".to_owned())
}
