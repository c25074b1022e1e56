//! The flags of an instruction: known, given once, with the required value.

use crate::language::dockerfile::error::{Fault, ParseErrorKind};
use crate::language::dockerfile::syntax::Node;
use crate::language::dockerfile::{Range, Word};

/// Flags that may be repeated.
const REPEATABLE: &[&str] = &["mount", "device", "exclude"];
/// Flags that are true without a value.
const SWITCHES: &[&str] = &["link", "parents", "keep-git-dir", "unpack"];

/// The flags that were given, in order.
pub(super) struct Flags<'n> {
    node: &'n Node,
    given: Vec<Given<'n>>,
}

struct Given<'n> {
    name: &'n str,
    value: &'n str,
    place: Range,
}

impl<'n> Flags<'n> {
    /// Reads the flags of an instruction that accepts these names.
    pub(super) fn read(node: &'n Node, known: &'static [&'static str]) -> Result<Self, Fault> {
        let mut given: Vec<Given<'n>> = Vec::with_capacity(node.flags.len());
        for piece in &node.flags {
            let text = piece.text.strip_prefix("--").unwrap_or(&piece.text);
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (text, None),
            };
            let flag = || format!("--{name}");
            let fault = |kind| Err(Fault::at(piece.place, kind));
            if !known.contains(&name) {
                return fault(ParseErrorKind::UnknownFlag { keyword: node.keyword.clone(), flag: flag(), known });
            }
            if !REPEATABLE.contains(&name) && given.iter().any(|earlier| earlier.name == name) {
                return fault(ParseErrorKind::DuplicateFlag { flag: flag() });
            }
            let switch = SWITCHES.contains(&name);
            let value = match value {
                None if switch => "true",
                None => return fault(ParseErrorKind::FlagWithoutValue { flag: flag() }),
                Some("") if switch => return fault(ParseErrorKind::FlagWithoutValue { flag: flag() }),
                Some(value) if switch && !is_boolean(value) => {
                    return fault(ParseErrorKind::FlagNotBoolean { flag: flag(), value: value.to_owned() });
                }
                Some(value) => value,
            };
            given.push(Given { name, value, place: piece.place });
        }
        Ok(Self { node, given })
    }

    pub(super) fn value(&self, name: &str) -> Option<&'n str> {
        self.given.iter().find(|flag| flag.name == name).map(|flag| flag.value).filter(|value| !value.is_empty())
    }

    pub(super) fn words(&self, name: &str) -> Vec<Word> {
        self.places(name).map(|(value, place)| self.word_at(value, place)).collect()
    }

    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.value(name).map(|value| value.eq_ignore_ascii_case("true"))
    }

    /// All values of a flag with their places.
    pub(super) fn places(&self, name: &str) -> impl Iterator<Item = (&'n str, Range)> {
        self.given.iter().filter(move |flag| flag.name == name).map(|flag| (flag.value, flag.place))
    }

    /// The flag's value, with the place of the flag; `None` if it is empty.
    pub(super) fn word(&self, name: &str) -> Option<Word> {
        let (value, place) = self.places(name).next().filter(|(value, _)| !value.is_empty())?;
        Some(self.word_at(value, place))
    }

    fn word_at(&self, value: &str, place: Range) -> Word {
        Word { text: value.to_owned(), span: self.node.span(place) }
    }
}

fn is_boolean(value: &str) -> bool {
    value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
}
