//! Go's `printf` for the verbs that make sense for JSON values.

use serde_json::Value;

use super::print;

/// A directive's flags, width and precision.
#[derive(Default)]
struct Directive {
    left: bool,
    zero: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
}

/// No format can ask for more padding than this.
const WIDTH_LIMIT: usize = 4096;

pub fn printf(format: &str, arguments: &[Value]) -> String {
    let mut out = String::new();
    let mut arguments = arguments.iter();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut directive = Directive::default();
        while let Some(flag) = chars.next_if(|c| matches!(c, '-' | '0' | '+' | ' ' | '#')) {
            directive.left |= flag == '-';
            directive.zero |= flag == '0';
            directive.plus |= flag == '+';
        }
        directive.width = number(&mut chars);
        if chars.next_if_eq(&'.').is_some() {
            directive.precision = Some(number(&mut chars));
        }
        match chars.next() {
            Some('%') => out.push('%'),
            Some(verb) => match arguments.next() {
                Some(value) => out.push_str(&directive.apply(verb, value)),
                None => out.push_str(&format!("%!{verb}(MISSING)")),
            },
            None => out.push_str("%!(NOVERB)"),
        }
    }
    out
}

fn number(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> usize {
    let mut value = 0usize;
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        value = value.saturating_mul(10).saturating_add(digit as usize - '0' as usize);
    }
    value.min(WIDTH_LIMIT)
}

impl Directive {
    fn apply(&self, verb: char, value: &Value) -> String {
        let text = match (verb, value) {
            ('v', value) => print::plain(value),
            ('s', value) => match self.precision {
                Some(precision) => print::plain(value).chars().take(precision).collect(),
                None => print::plain(value),
            },
            ('q', value) => format!("{:?}", print::plain(value)),
            ('t', Value::Bool(value)) => value.to_string(),
            ('d', Value::Number(number)) if number.is_i64() || number.is_u64() => self.signed(number.to_string()),
            ('x', Value::Number(number)) => number.as_i64().map_or_else(String::new, |value| format!("{value:x}")),
            ('X', Value::Number(number)) => number.as_i64().map_or_else(String::new, |value| format!("{value:X}")),
            ('o', Value::Number(number)) => number.as_i64().map_or_else(String::new, |value| format!("{value:o}")),
            ('x', Value::String(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
            ('f', Value::Number(number)) => {
                self.signed(format!("{:.*}", self.precision.unwrap_or(6), number.as_f64().unwrap_or_default()))
            }
            ('c', Value::Number(number)) => {
                number.as_u64().and_then(|code| char::from_u32(code as u32)).map(String::from).unwrap_or_default()
            }
            (verb, value) => return format!("%!{verb}({})", print::plain(value)),
        };
        self.pad(text)
    }

    fn signed(&self, text: String) -> String {
        if self.plus && !text.starts_with('-') { format!("+{text}") } else { text }
    }

    fn pad(&self, text: String) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if self.left {
            format!("{text}{}", " ".repeat(missing))
        } else if self.zero {
            let sign = text.len() - text.trim_start_matches(['-', '+']).len();
            format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..])
        } else {
            format!("{}{text}", " ".repeat(missing))
        }
    }
}
