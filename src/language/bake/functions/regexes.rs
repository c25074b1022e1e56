//! Regular expressions.

use regex::{Captures, Regex};

use super::{Failure, Function, Parameter, Wanted, function, parameter, text, text_of};
use crate::language::bake::value::{Type, Value};

const PATTERN: Parameter = parameter("pattern", Wanted::Text);
const STRING: Parameter = parameter("string", Wanted::Text);

pub(super) const FUNCTIONS: &[Function] = &[
    function("regex", &[PATTERN, STRING], |all| {
        let pattern = compile(text_of(all, 0))?;
        let shape = Shape::of(&pattern)?;
        let found = pattern.captures(text_of(all, 1));
        let found = found.ok_or_else(|| Failure::new("pattern did not match any part of the given string"))?;
        Ok(shape.value(&pattern, &found))
    }),
    function("regexall", &[PATTERN, STRING], |all| {
        let pattern = compile(text_of(all, 0))?;
        let shape = Shape::of(&pattern)?;
        let found: Vec<Value> =
            pattern.captures_iter(text_of(all, 1)).map(|found| shape.value(&pattern, &found)).collect();
        Ok(Value::List(shape.kind(&pattern), found))
    }),
    function("regex_replace", &[parameter("str", Wanted::Text), PATTERN, parameter("replace", Wanted::Text)], |all| {
        let pattern = Regex::new(text_of(all, 1)).map_err(|error| Failure::new(first_line(&error)))?;
        text(pattern.replace_all(text_of(all, 0), text_of(all, 2)))
    }),
];

fn compile(pattern: &str) -> Result<Regex, Failure> {
    Regex::new(pattern)
        .map_err(|error| Failure::argument(0, format!("invalid regexp pattern: {} in {pattern}", first_line(&error))))
}

/// The last line of a message has the error; those above show its place.
fn first_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// The form in which a match is returned.
enum Shape {
    Whole,
    Groups,
    Names,
}

impl Shape {
    fn of(pattern: &Regex) -> Result<Self, Failure> {
        let groups = pattern.capture_names().skip(1);
        let (named, unnamed): (Vec<_>, Vec<_>) = groups.partition(Option::is_some);
        match (named.is_empty(), unnamed.is_empty()) {
            (true, true) => Ok(Self::Whole),
            (true, false) => Ok(Self::Groups),
            (false, true) => Ok(Self::Names),
            (false, false) => {
                Err(Failure::argument(0, "invalid regexp pattern: cannot mix both named and unnamed capture groups"))
            }
        }
    }

    fn value(&self, pattern: &Regex, found: &Captures<'_>) -> Value {
        let group = |index: usize| match found.get(index) {
            Some(part) => Value::text(part.as_str()),
            None => Value::Null(Type::String),
        };
        match self {
            Self::Whole => group(0),
            Self::Groups => Value::Tuple((1..found.len()).map(group).collect()),
            Self::Names => {
                let names = pattern.capture_names().enumerate();
                Value::Object(names.filter_map(|(index, name)| Some((name?.to_owned(), group(index)))).collect())
            }
        }
    }

    fn kind(&self, pattern: &Regex) -> Type {
        match self {
            Self::Whole => Type::String,
            Self::Groups => Type::Tuple(vec![Type::String; pattern.captures_len() - 1]),
            Self::Names => {
                let names = pattern.capture_names().flatten();
                Type::object(names.map(|name| (name.to_owned(), Type::String)).collect())
            }
        }
    }
}
