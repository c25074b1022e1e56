//! `format` and `formatlist`, with the verbs of C and Go.

use num_bigint::Sign;
use unicode_segmentation::UnicodeSegmentation as _;

use super::{
    Failure, Function, MAX_TEXT, Outcome, Parameter, Wanted, nullable, parameter, text, text_of, too_long, variadic,
};
use crate::language::bake::value::{Notation, Number, Type, Value, convert, to_json};

const FORMAT: Parameter = parameter("format", Wanted::Text);

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("format", &[FORMAT], nullable("args"), |all| text(formatted(text_of(all, 0), &all[1..])?)),
    variadic("formatlist", &[FORMAT], nullable("args"), format_list),
];

fn format_list(all: &[Value]) -> Outcome {
    let pattern = text_of(all, 0);
    let arguments = &all[1..];
    let mut length: Option<(usize, usize)> = None;
    for (index, argument) in arguments.iter().enumerate() {
        let Some(elements) = argument.elements() else { continue };
        match length {
            Some((known, chooser)) if known != elements.len() => {
                let message = format!(
                    "argument {} has length {}, which is inconsistent with argument {} of length {known}",
                    index + 1,
                    elements.len(),
                    chooser + 1
                );
                return Err(Failure::argument(index + 1, message));
            }
            Some(_) => {}
            None => length = Some((elements.len(), index)),
        }
    }
    let count = length.map_or(1, |(count, _)| count);
    let mut made = Vec::new();
    for row in 0..count {
        let row_arguments: Vec<Value> = arguments
            .iter()
            .map(|argument| argument.elements().map_or_else(|| argument.clone(), |elements| elements[row].clone()))
            .collect();
        let line = formatted(pattern, &row_arguments);
        made.push(line.map_err(|failure| match failure.argument {
            Some(_) if length.is_none() => failure,
            _ => Failure::new(format!("error on format iteration {row}: {}", failure.message)),
        })?);
    }
    Ok(Value::strings(made))
}

#[derive(Debug, Default)]
struct Verb<'a> {
    raw: &'a str,
    offset: usize,
    argument: usize,
    mode: char,
    zero: bool,
    sharp: bool,
    plus: bool,
    minus: bool,
    space: bool,
    precision: Option<usize>,
    width: Option<usize>,
}

fn formatted(pattern: &str, arguments: &[Value]) -> Result<String, Failure> {
    let mut out = String::new();
    let mut next = 1;
    let mut highest = 0;
    let mut at = 0;
    while let Some(found) = pattern[at..].find('%') {
        out.push_str(&pattern[at..at + found]);
        at += found;
        if pattern[at + 1..].starts_with('%') {
            out.push('%');
            at += 2;
            continue;
        }
        let verb = read(pattern, at, next)?;
        at += verb.raw.len();
        highest = highest.max(verb.argument);
        append(&verb, arguments, &mut out)?;
        if out.len() > MAX_TEXT {
            return Err(too_long());
        }
        next = verb.argument + 1;
    }
    out.push_str(&pattern[at..]);
    if highest < arguments.len() {
        let message = if highest == 0 {
            "too many arguments; no verbs in format string".to_owned()
        } else {
            format!("too many arguments; only {highest} used by format string")
        };
        return Err(Failure::argument(highest + 1, message));
    }
    Ok(out)
}

/// A verb: flags, width, precision, the number of the argument, a letter.
fn read(pattern: &str, offset: usize, next: usize) -> Result<Verb<'_>, Failure> {
    let bytes = pattern.as_bytes();
    let mut at = offset + 1;
    let mut verb = Verb { offset, argument: next, ..Verb::default() };
    while let Some(flag) = bytes.get(at) {
        match flag {
            b'0' => verb.zero = true,
            b'#' => verb.sharp = true,
            b'-' => verb.minus = true,
            b'+' => verb.plus = true,
            b' ' => verb.space = true,
            _ => break,
        }
        at += 1;
    }
    let number = |at: &mut usize| {
        let start = *at;
        while bytes.get(*at).is_some_and(u8::is_ascii_digit) {
            *at += 1;
        }
        // Wider than any text may be.
        pattern[start..*at].parse::<usize>().ok().filter(|number| *number <= MAX_TEXT)
    };
    if bytes.get(at).is_some_and(u8::is_ascii_digit) {
        verb.width = Some(number(&mut at).ok_or_else(too_long)?);
    }
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let has_digits = bytes.get(at).is_some_and(u8::is_ascii_digit);
        verb.precision = Some(if has_digits { number(&mut at).ok_or_else(too_long)? } else { 0 });
    }
    if bytes.get(at) == Some(&b'[') {
        at += 1;
        verb.argument = number(&mut at).filter(|number| *number > 0).ok_or_else(|| unrecognized(pattern, at))?;
        if bytes.get(at) != Some(&b']') {
            return Err(unrecognized(pattern, at));
        }
        at += 1;
    }
    match bytes.get(at) {
        Some(letter) if letter.is_ascii_alphabetic() => verb.mode = char::from(*letter),
        None => return Err(Failure::new(format!("invalid format string starting at offset {offset}"))),
        Some(_) => return Err(unrecognized(pattern, at)),
    }
    verb.raw = &pattern[offset..=at];
    Ok(verb)
}

fn unrecognized(pattern: &str, at: usize) -> Failure {
    match pattern.get(at..).and_then(|rest| rest.chars().next()) {
        Some(letter) => Failure::new(format!("unrecognized format character {letter:?} at offset {at}")),
        None => Failure::new(format!("invalid format string starting at offset {at}")),
    }
}

fn append(verb: &Verb<'_>, arguments: &[Value], out: &mut String) -> Result<(), Failure> {
    let (raw, offset) = (verb.raw, verb.offset);
    let unsupported = |what: String| Failure::new(format!("unsupported value for {raw:?} at {offset}: {what}"));
    let Some(argument) = verb.argument.checked_sub(1).and_then(|index| arguments.get(index)) else {
        return Err(Failure::new(format!(
            "not enough arguments for {raw:?} at {offset}: need index {} but have {} total",
            verb.argument,
            arguments.len()
        )));
    };
    if verb.mode != 'v' && argument.is_null() {
        return Err(unsupported("null value cannot be formatted".to_owned()));
    }
    let as_kind = |kind: &Type| convert(argument, kind).map_err(|error| unsupported(error.message));
    match verb.mode {
        'v' => {
            let text = match argument {
                Value::String(text) if !verb.sharp => text.clone(),
                Value::Number(number) if !verb.sharp => number.formatted(Notation::General, None),
                other => to_json(other).map_err(|error| unsupported(error.message))?,
            };
            out.push_str(&padded(verb, &text));
        }
        't' => out.push_str(if super::numbers::truth(&as_kind(&Type::Bool)?) { "true" } else { "false" }),
        'b' | 'd' | 'o' | 'x' | 'X' => {
            let Value::Number(number) = as_kind(&Type::Number)? else { return Ok(()) };
            if !number.is_integer() {
                return Err(unsupported("an integer is required".to_owned()));
            }
            out.push_str(&integer(verb, &number));
        }
        'e' | 'E' | 'f' | 'g' | 'G' => {
            let Value::Number(number) = as_kind(&Type::Number)? else { return Ok(()) };
            out.push_str(&real(verb, &number));
        }
        's' | 'q' => {
            let Value::String(text) = as_kind(&Type::String)? else { return Ok(()) };
            let text = match verb.precision {
                Some(most) if most > 0 => text.graphemes(true).take(most).collect(),
                _ => text,
            };
            let text = if verb.mode == 'q' { to_json(&Value::String(text))? } else { text };
            out.push_str(&padded(verb, &text));
        }
        mode => {
            return Err(Failure::new(format!("unsupported format verb {mode:?} in {raw:?} at offset {offset}")));
        }
    }
    Ok(())
}

fn padded(verb: &Verb<'_>, text: &str) -> String {
    let missing = verb.width.unwrap_or(0).saturating_sub(text.graphemes(true).count());
    let padding = if verb.zero { "0" } else { " " }.repeat(missing);
    if verb.minus { format!("{text}{padding}") } else { format!("{padding}{text}") }
}

fn sign(verb: &Verb<'_>, is_negative: bool) -> &'static str {
    match (is_negative, verb.plus, verb.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    }
}

/// Pads a signed number: zeros go between the sign and the digits.
fn aligned(verb: &Verb<'_>, head: &str, digits: &str, has_zeros: bool) -> String {
    let missing = verb.width.unwrap_or(0).saturating_sub(head.chars().count() + digits.len());
    if verb.minus {
        format!("{head}{digits}{}", " ".repeat(missing))
    } else if has_zeros {
        format!("{head}{}{digits}", "0".repeat(missing))
    } else {
        format!("{}{head}{digits}", " ".repeat(missing))
    }
}

fn integer(verb: &Verb<'_>, number: &Number) -> String {
    let value = number.truncate();
    let magnitude = value.magnitude();
    let (digits, prefix) = match verb.mode {
        'b' => (magnitude.to_str_radix(2), "0b"),
        'o' => (magnitude.to_str_radix(8), "0"),
        'x' => (magnitude.to_str_radix(16), "0x"),
        'X' => (magnitude.to_str_radix(16).to_uppercase(), "0X"),
        _ => (magnitude.to_str_radix(10), ""),
    };
    let digits = match verb.precision {
        Some(0) if value.sign() == Sign::NoSign => String::new(),
        Some(least) => format!("{}{digits}", "0".repeat(least.saturating_sub(digits.len()))),
        None => digits,
    };
    let prefix = if verb.sharp { prefix } else { "" };
    let head = format!("{}{prefix}", sign(verb, value.sign() == Sign::Minus));
    aligned(verb, &head, &digits, verb.zero && verb.precision.is_none())
}

fn real(verb: &Verb<'_>, number: &Number) -> String {
    let text = match verb.mode {
        'f' => number.formatted(Notation::Fixed, Some(verb.precision.unwrap_or(6))),
        'e' | 'E' => number.formatted(Notation::Exponent, Some(verb.precision.unwrap_or(6))),
        _ => number.formatted(Notation::General, verb.precision),
    };
    let text = if verb.mode.is_ascii_uppercase() { text.replace('e', "E") } else { text };
    let digits = text.trim_start_matches(['-', '+']);
    aligned(verb, sign(verb, number.is_negative()), digits, verb.zero && !number.is_infinite())
}
