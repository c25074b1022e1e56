//! Translates Go's regular expressions (Go's regexp/syntax package) to the `regex` crate's syntax: classes have no set
//! operations and do not nest, `\d`, `\s`, `\w` and `\b` are ASCII only, a brace that is not a count is literal.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

/// Go's limit for repetitions.
const MAX_REPEAT: u32 = 1000;

/// `None` if Go refuses the expression.
pub(super) fn translate(go: &str) -> Option<String> {
    let mut translator = Translator { rest: go.chars().peekable(), out: String::new(), repeated: false };
    while let Some(character) = translator.rest.next() {
        translator.element(character)?;
    }
    Some(translator.out)
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    /// The previous element is a repetition, which Go does not allow to repeat again.
    repeated: bool,
}

impl Translator<'_> {
    fn element(&mut self, character: char) -> Option<()> {
        let repeated = std::mem::take(&mut self.repeated);
        match character {
            '*' | '+' | '?' => self.repetition(repeated, character.to_string())?,
            '{' => match self.count() {
                Some(count) => self.repetition(repeated, count?)?,
                None => self.out.push_str("\\{"),
            },
            '[' => self.class()?,
            '\\' => self.escape()?,
            ']' | '}' => self.out.extend(['\\', character]),
            _ => self.out.push(character),
        }
        Some(())
    }

    /// `*` and the like; a question mark after it (non-greedy) makes no difference here.
    fn repetition(&mut self, repeated: bool, text: String) -> Option<()> {
        if repeated {
            return None;
        }
        self.rest.next_if_eq(&'?');
        self.out.push_str(&text);
        self.repeated = true;
        Some(())
    }

    /// The count after a brace: `{2}`, `{2,}`, `{2,3}`; an inner `None` if it is too large.
    fn count(&mut self) -> Option<Option<String>> {
        let rest: String = self.rest.clone().take_while(|&character| character != '}').collect();
        if self.rest.clone().nth(rest.chars().count()) != Some('}') {
            return None;
        }
        let mut parts = rest.splitn(2, ',');
        let number = |text: &str| {
            let canonical = text == "0" || (!text.starts_with('0') && !text.is_empty());
            (canonical && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().unwrap_or(u32::MAX))
        };
        let low = number(parts.next()?)?;
        let high = match parts.next() {
            None => low,
            Some("") => low,
            Some(text) => number(text)?,
        };
        self.rest.nth(rest.chars().count());
        Some((low <= high && high <= MAX_REPEAT).then(|| format!("{{{rest}}}")))
    }

    fn escape(&mut self) -> Option<()> {
        match self.rest.next()? {
            'Q' => {
                while let Some(character) = self.rest.next() {
                    if character == '\\' && self.rest.next_if_eq(&'E').is_some() {
                        break;
                    }
                    self.literal(character);
                }
            }
            character @ ('d' | 's' | 'w' | 'D' | 'S' | 'W') => {
                let inverse = if character.is_ascii_uppercase() { "^" } else { "" };
                let _ = write!(self.out, "[{inverse}{}]", perl_class(character));
            }
            character @ ('b' | 'B') => {
                let _ = write!(self.out, "(?-u:\\{character})");
            }
            character @ ('A' | 'z') => self.out.extend(['\\', character]),
            character @ ('p' | 'P') => {
                let class = self.unicode_class(character)?;
                self.out.push_str(&class);
            }
            character => {
                let character = self.escaped_character(character)?;
                self.literal(character);
            }
        }
        Some(())
    }

    /// `\pN` or `\p{Name}`.
    fn unicode_class(&mut self, kind: char) -> Option<String> {
        let first = self.rest.next()?;
        let mut class = format!("\\{kind}{first}");
        if first == '{' {
            loop {
                let character = self.rest.next()?;
                class.push(character);
                if character == '}' {
                    break;
                }
            }
        }
        Some(class)
    }

    fn escaped_character(&mut self, character: char) -> Option<char> {
        Some(match character {
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => return self.hexadecimal(),
            '0'..='7' => return self.octal(character),
            _ if character.is_ascii_punctuation() || matches!(character, '\0'..=' ' | '\x7f') => character,
            _ => return None,
        })
    }

    /// `\x41` or `\x{e9}`.
    fn hexadecimal(&mut self) -> Option<char> {
        let braced = self.rest.next_if_eq(&'{').is_some();
        let digits = self.rest.by_ref();
        let digits: String =
            if braced { digits.take_while(|&character| character != '}').collect() } else { digits.take(2).collect() };
        let complete = if braced { !digits.is_empty() } else { digits.len() == 2 };
        let valid = complete && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if valid { u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32) } else { None }
    }

    /// `\0` and up to three octal digits; a single other digit would be a back-reference.
    fn octal(&mut self, first: char) -> Option<char> {
        let is_octal = |character: &char| ('0'..='7').contains(character);
        if first != '0' && !self.rest.peek().is_some_and(is_octal) {
            return None;
        }
        let mut value = first.to_digit(8)?;
        for _ in 0..2 {
            let Some(digit) = self.rest.next_if(is_octal) else { break };
            value = value * 8 + digit.to_digit(8)?;
        }
        char::from_u32(value)
    }

    fn class(&mut self) -> Option<()> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let character = self.rest.next()?;
            match character {
                ']' if !first => break,
                '[' if self.rest.peek() == Some(&':') => self.named_class()?,
                '\\' if self.rest.peek().is_some_and(|next| "dswDSWpP".contains(*next)) => self.escape()?,
                _ => self.range(character)?,
            }
            first = false;
        }
        self.out.push(']');
        Some(())
    }

    /// `[:alpha:]`; a bracket and a colon without such a name are literal.
    fn named_class(&mut self) -> Option<()> {
        let rest: String = self.rest.clone().take_while(|&character| character != ']').collect();
        let is_name = rest.len() > 2 && rest.ends_with(':');
        if !is_name {
            return self.range('[');
        }
        self.rest.nth(rest.chars().count());
        let _ = write!(self.out, "[{rest}]");
        Some(())
    }

    fn range(&mut self, character: char) -> Option<()> {
        let low = self.class_character(character)?;
        self.literal(low);
        let mut ahead = self.rest.clone();
        if ahead.next() == Some('-') && ahead.next().is_some_and(|next| next != ']') {
            self.rest.next();
            let next = self.rest.next()?;
            let high = self.class_character(next)?;
            if high < low {
                return None;
            }
            self.out.push('-');
            self.literal(high);
        }
        Some(())
    }

    fn class_character(&mut self, character: char) -> Option<char> {
        if character != '\\' {
            return Some(character);
        }
        let escaped = self.rest.next()?;
        self.escaped_character(escaped)
    }

    /// A literal character, inside or outside a class.
    fn literal(&mut self, character: char) {
        if character.is_ascii_alphanumeric() || !character.is_ascii() {
            self.out.push(character);
        } else {
            let _ = write!(self.out, "\\x{{{:x}}}", character as u32);
        }
    }
}

fn perl_class(character: char) -> &'static str {
    match character.to_ascii_lowercase() {
        'd' => "0-9",
        's' => "\\t\\n\\f\\r ",
        _ => "0-9A-Za-z_",
    }
}
