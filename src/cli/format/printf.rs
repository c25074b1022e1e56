//! Go's `printf` for JSON values (pkg.go.dev/fmt).

use serde_json::Value;

use super::print::{self, type_name};

/// A directive's flags, width and precision.
#[derive(Default)]
struct Directive {
    left: bool,
    zero: bool,
    plus: bool,
    blank: bool,
    sharp: bool,
    width: usize,
    precision: Option<usize>,
}

/// The limit for padding.
const WIDTH_LIMIT: usize = 4096;

/// The arguments, read in order or by number.
struct Arguments<'a> {
    all: &'a [Value],
    next: usize,
    is_reordered: bool,
}

impl<'a> Arguments<'a> {
    fn take(&mut self) -> Option<&'a Value> {
        self.next += 1;
        self.all.get(self.next - 1)
    }

    fn take_width(&mut self) -> Option<i64> {
        self.take().and_then(Value::as_i64)
    }
}

type Characters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

pub fn printf(format: &str, arguments: &[Value]) -> String {
    let mut out = String::new();
    let mut arguments = Arguments { all: arguments, next: 0, is_reordered: false };
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let directive = Directive::parse(&mut chars, &mut arguments);
        match chars.next() {
            Some('%') => out.push('%'),
            Some(verb) => match arguments.take() {
                Some(value) => out.push_str(&directive.apply(verb, value)),
                None => out.push_str(&format!("%!{verb}(MISSING)")),
            },
            None => out.push_str("%!(NOVERB)"),
        }
    }
    let left = arguments.all.get(arguments.next..).unwrap_or_default();
    if !arguments.is_reordered && !left.is_empty() {
        let words: Vec<String> = left.iter().map(typed).collect();
        out.push_str(&format!("%!(EXTRA {})", words.join(", ")));
    }
    out
}

/// `[2]`: the number of the next argument.
fn reorder(chars: &mut Characters<'_>, arguments: &mut Arguments<'_>) {
    if chars.next_if_eq(&'[').is_some() {
        arguments.next = number(chars).saturating_sub(1);
        arguments.is_reordered = true;
        chars.next_if_eq(&']');
    }
}

fn number(chars: &mut Characters<'_>) -> usize {
    let mut value = 0usize;
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        value = value.saturating_mul(10).saturating_add(digit as usize - '0' as usize);
    }
    value.min(WIDTH_LIMIT)
}

/// `string=text`, as in Go's errors for wrong types.
fn typed(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        value => format!("{}={}", type_name(value), print::plain(value)),
    }
}

impl Directive {
    fn parse(chars: &mut Characters<'_>, arguments: &mut Arguments<'_>) -> Self {
        let mut directive = Self::default();
        while let Some(flag) = chars.next_if(|c| matches!(c, '-' | '0' | '+' | ' ' | '#')) {
            directive.left |= flag == '-';
            directive.zero |= flag == '0';
            directive.plus |= flag == '+';
            directive.blank |= flag == ' ';
            directive.sharp |= flag == '#';
        }
        reorder(chars, arguments);
        if chars.next_if_eq(&'*').is_some() {
            let width = arguments.take_width().unwrap_or(0);
            directive.left |= width < 0;
            directive.width = usize::try_from(width.unsigned_abs()).unwrap_or(0).min(WIDTH_LIMIT);
        } else {
            directive.width = number(chars);
        }
        if chars.next_if_eq(&'.').is_some() {
            directive.precision = Some(match chars.next_if_eq(&'*') {
                Some(_) => arguments.take_width().and_then(|width| usize::try_from(width).ok()).unwrap_or(0),
                None => number(chars),
            });
        }
        reorder(chars, arguments);
        directive
    }

    fn apply(&self, verb: char, value: &Value) -> String {
        let known = match (verb, value) {
            ('T', value) => Some(self.pad(type_name(value))),
            ('v', Value::Null | Value::Object(_)) => Some(self.pad(print::plain(value))),
            (_, Value::Array(items)) => {
                let items: Vec<String> = items.iter().map(|item| self.apply(verb, item)).collect();
                Some(format!("[{}]", items.join(" ")))
            }
            ('v' | 't', Value::Bool(value)) => Some(self.pad(value.to_string())),
            (verb, Value::String(text)) => self.text(verb, text).map(|text| self.pad(text)),
            (verb, Value::Number(number)) => match number.as_i64() {
                Some(whole) => self.whole(verb, whole),
                None => self.float(verb, number.as_f64().unwrap_or_default()),
            },
            _ => None,
        };
        known.unwrap_or_else(|| format!("%!{verb}({})", typed(value)))
    }

    fn text(&self, verb: char, text: &str) -> Option<String> {
        let cut: String = match self.precision {
            Some(precision) => text.chars().take(precision).collect(),
            None => text.to_owned(),
        };
        let hexadecimal = |case: fn(u8) -> String| {
            let bytes: Vec<String> = cut.bytes().map(case).collect();
            bytes.join(if self.blank { " " } else { "" })
        };
        Some(match verb {
            'v' if self.sharp => quoted(&cut, false),
            'v' | 's' => cut,
            'q' if self.sharp && !cut.contains('`') => format!("`{cut}`"),
            'q' => quoted(&cut, self.plus),
            'x' => hexadecimal(|byte| format!("{byte:02x}")),
            'X' => hexadecimal(|byte| format!("{byte:02X}")),
            _ => return None,
        })
    }

    fn whole(&self, verb: char, whole: i64) -> Option<String> {
        let digits = |prefix: &str, text: String| {
            let sign = if whole < 0 { "-" } else { self.sign() };
            let least = self.precision.unwrap_or(0);
            let zeros = "0".repeat(least.saturating_sub(text.len()));
            let prefix = if self.sharp { prefix } else { "" };
            Some(self.pad_number(&format!("{sign}{prefix}"), &format!("{zeros}{text}")))
        };
        let size = whole.unsigned_abs();
        let character = u32::try_from(whole).ok().and_then(char::from_u32).unwrap_or('\u{FFFD}');
        match verb {
            'v' | 'd' => digits("", size.to_string()),
            'b' => digits("0b", format!("{size:b}")),
            'o' => digits("0", format!("{size:o}")),
            'O' => digits("0o", format!("{size:o}")),
            'x' => digits("0x", format!("{size:x}")),
            'X' => digits("0X", format!("{size:X}")),
            'c' => Some(self.pad(character.to_string())),
            'q' => Some(self.pad(quoted_character(character))),
            'U' if self.sharp => Some(self.pad(format!("U+{size:04X} '{character}'"))),
            'U' => Some(self.pad(format!("U+{size:04X}"))),
            _ => None,
        }
    }

    fn float(&self, verb: char, float: f64) -> Option<String> {
        let sign = if float.is_sign_negative() { "-" } else { self.sign() };
        let (size, precision) = (float.abs(), self.precision.unwrap_or(6));
        let text = match verb {
            'v' | 'g' | 'G' if self.precision.is_none() => print::general(size),
            'f' | 'F' => format!("{size:.precision$}"),
            'e' => print::with_exponent(&format!("{size:.precision$e}")),
            'E' => print::with_exponent(&format!("{size:.precision$e}")).to_uppercase(),
            _ => return None,
        };
        Some(self.pad_number(sign, &text))
    }

    fn sign(&self) -> &'static str {
        match (self.plus, self.blank) {
            (true, _) => "+",
            (false, true) => " ",
            (false, false) => "",
        }
    }

    /// Adds zeros between the sign and the digits.
    fn pad_number(&self, sign: &str, digits: &str) -> String {
        let missing = self.width.saturating_sub(sign.len() + digits.len());
        if self.zero && !self.left {
            format!("{sign}{}{digits}", "0".repeat(missing))
        } else {
            self.pad(format!("{sign}{digits}"))
        }
    }

    fn pad(&self, text: String) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        match (self.left, self.zero) {
            (true, _) => format!("{text}{}", " ".repeat(missing)),
            (false, true) => format!("{}{text}", "0".repeat(missing)),
            (false, false) => format!("{}{text}", " ".repeat(missing)),
        }
    }
}

/// A string literal in Go's syntax; only ASCII if requested.
pub fn quoted(text: &str, only_ascii: bool) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            other => out.push_str(&escaped(other, only_ascii)),
        }
    }
    out.push('"');
    out
}

fn quoted_character(c: char) -> String {
    if c == '\'' { "'\\''".to_owned() } else { format!("'{}'", escaped(c, false)) }
}

fn escaped(c: char, only_ascii: bool) -> String {
    match c {
        '\\' => "\\\\".to_owned(),
        '\x07' => "\\a".to_owned(),
        '\x08' => "\\b".to_owned(),
        '\x0c' => "\\f".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\x0b' => "\\v".to_owned(),
        c if (c as u32) < 0x20 || c == '\x7f' => format!("\\x{:02x}", c as u32),
        c if c.is_ascii() => c.to_string(),
        // Unusual white space, and invisible characters.
        c if only_ascii || c.is_control() || c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200F}' | '\u{FEFF}') => {
            if (c as u32) < 0x10000 {
                format!("\\u{:04x}", c as u32)
            } else {
                format!("\\U{:08x}", c as u32)
            }
        }
        c => c.to_string(),
    }
}
