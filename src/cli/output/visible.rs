//! Makes untrusted text harmless for a terminal: control characters are shown as `\x1b` or `\u202e`.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What to do with colour sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// They are made visible like other control characters.
    Shown,
    /// They are removed.
    Removed,
    /// They are kept, and reset at the end of the line.
    Kept,
}

impl Colours {
    /// For the output of a program.
    pub fn of_program() -> Self {
        if super::colours_are_wanted() { Self::Kept } else { Self::Removed }
    }
}

const RESET: &str = "\x1b[0m";

/// The maximum length of a colour sequence.
const LONGEST_SEQUENCE: usize = 64;

/// `bytes` in a form that is safe for a terminal. Newlines and tabs stay; invalid UTF-8 is shown byte by byte.
pub fn visible(bytes: &[u8], colours: Colours) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.chars().all(|character| !steers(character) || matches!(character, '\n' | '\t'))
    {
        return Cow::Borrowed(text);
    }
    let mut shown = Shown { text: String::with_capacity(bytes.len() + 16), colours, is_coloured: false };
    for chunk in bytes.utf8_chunks() {
        shown.valid(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(shown.text, "\\x{byte:02x}");
        }
    }
    shown.end_colour();
    Cow::Owned(shown.text)
}

/// The same on one line, with blanks for newlines and tabs.
pub fn one_line(text: &str) -> String {
    let blank = |character: char| if matches!(character, '\n' | '\t' | '\r') { ' ' } else { character };
    visible(text.chars().map(blank).collect::<String>().as_bytes(), Colours::Shown).into_owned()
}

/// Control characters of both sets, and those that change the direction of text.
fn steers(character: char) -> bool {
    matches!(character, '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

struct Shown {
    text: String,
    colours: Colours,
    /// A colour was set and not reset.
    is_coloured: bool,
}

impl Shown {
    fn valid(&mut self, text: &str) {
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let length = match character {
                '\n' => {
                    self.end_colour();
                    self.text.push('\n');
                    1
                }
                '\t' => {
                    self.text.push('\t');
                    1
                }
                // It has no effect before a newline.
                '\r' if rest.starts_with("\r\n") => 1,
                '\x1b' if self.colours != Colours::Shown => match colour_sequence(rest) {
                    Some(sequence) => {
                        self.colour(sequence);
                        sequence.len()
                    }
                    None => self.escape(character),
                },
                character if steers(character) => self.escape(character),
                character => {
                    self.text.push(character);
                    character.len_utf8()
                }
            };
            rest = &rest[length..];
        }
    }

    fn escape(&mut self, character: char) -> usize {
        let _ = match u32::from(character) {
            code @ 0..=0xff => write!(self.text, "\\x{code:02x}"),
            code => write!(self.text, "\\u{code:04x}"),
        };
        character.len_utf8()
    }

    fn colour(&mut self, sequence: &str) {
        if self.colours == Colours::Kept {
            self.text.push_str(sequence);
            self.is_coloured = !matches!(sequence, "\x1b[m" | RESET);
        }
    }

    fn end_colour(&mut self) {
        if std::mem::take(&mut self.is_coloured) {
            self.text.push_str(RESET);
        }
    }
}

/// The sequence at the start of `text`, if it only sets colours and weight, and does not hide text.
fn colour_sequence(text: &str) -> Option<&str> {
    let inside = text.strip_prefix("\x1b[")?;
    let length = inside.bytes().take(LONGEST_SEQUENCE).position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':'))?;
    let hides = || inside[..length].split([';', ':']).any(|number| number.trim_start_matches('0') == "8");
    let is_colour = inside[length..].starts_with('m') && (!hides() || is_long_colour(&inside[..length]));
    is_colour.then(|| &text[.."\x1b[".len() + length + 1])
}

/// `38;5;8` is a colour, but 8 alone hides the text.
fn is_long_colour(numbers: &str) -> bool {
    let numbers: Vec<&str> = numbers.split([';', ':']).collect();
    let mut at = 0;
    while at < numbers.len() {
        at += match (numbers[at], numbers.get(at + 1)) {
            ("38" | "48" | "58", Some(&"5")) => 3,
            ("38" | "48" | "58", Some(&"2")) => 5,
            (number, _) if number.trim_start_matches('0') == "8" => return false,
            _ => 1,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> String {
        visible(bytes, Colours::Shown).into_owned()
    }

    #[test]
    fn what_steers_a_terminal_is_seen() {
        for (bytes, wanted) in [
            (&b"plain\ttext\n"[..], "plain\ttext\n"),
            (b"\x1b]0;X\x07", "\\x1b]0;X\\x07"),
            (b"a\rb\r\nc", "a\\x0db\nc"),
            (b"\x1b[31mred", "\\x1b[31mred"),
            (b"\x7f\x08\x00", "\\x7f\\x08\\x00"),
            ("\u{9b}2J\u{85}".as_bytes(), "\\x9b2J\\x85"),
            (b"\x9b2J \xff", "\\x9b2J \\xff"),
            ("a\u{202e}b\u{2066}c".as_bytes(), "a\\u202eb\\u2066c"),
            ("é漢 🦀".as_bytes(), "é漢 🦀"),
        ] {
            assert_eq!(shown(bytes), wanted);
        }
        assert_eq!(one_line("a\n\tb\r\nc\x1b"), "a  b  c\\x1b");
    }

    #[test]
    fn colours_stay_where_they_may_and_end_with_their_line() {
        let kept = |text: &str| visible(text.as_bytes(), Colours::Kept).into_owned();
        assert_eq!(kept("\x1b[1;31mred\nplain"), "\x1b[1;31mred\x1b[0m\nplain");
        assert_eq!(kept("\x1b[38;5;8mgrey\x1b[m."), "\x1b[38;5;8mgrey\x1b[m.");
        for other in ["\x1b[2J", "\x1b[8mhidden", "\x1b[38;5;1;8m", "\x1b[?25l", "\x1b[3", "\x1b]0;m", "\x1bc", "\x1b"]
        {
            assert!(!kept(other).contains('\x1b'), "{other:?}");
        }
        let removed = visible(b"\x1b[32mok\x1b[0m\x1b[H", Colours::Removed).into_owned();
        assert_eq!(removed, "ok\\x1b[H");
    }
}
