//! Colours of rbuild's own text, and the width of text.

use std::sync::OnceLock;

use unicode_width::UnicodeWidthChar as _;

/// The style of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

impl Style {
    /// The text between the sequences that set and reset the style.
    pub fn paint(self, text: &str) -> String {
        let code = match self {
            Self::Plain => return text.to_owned(),
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Cyan => 36,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Whether terminals get colours: not with NO_COLOR, and not a simple terminal.
pub fn colours_are_wanted() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        !is_set("NO_COLOR") && !super::area::is_simple()
    })
}

/// The width of a text; colour sequences have none.
pub fn width(text: &str) -> usize {
    pieces(text).map(|(_, width)| width).sum()
}

/// The text in at most this many columns, with an ellipsis if it is cut. Its colours are reset.
pub fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut fitting, mut taken, mut is_coloured) = (String::new(), 0, false);
    for (piece, width) in pieces(text) {
        if piece.starts_with('\x1b') {
            is_coloured = !matches!(piece, "\x1b[m" | "\x1b[0m");
        } else if taken + width >= columns {
            break;
        }
        fitting.push_str(piece);
        taken += width;
    }
    if columns > 0 {
        fitting.push('…');
    }
    if is_coloured {
        fitting.push_str("\x1b[0m");
    }
    fitting
}

/// Characters and colour sequences, each with its width.
fn pieces(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let (length, width) = match first {
            '\x1b' => (rest.find('m').map_or(1, |end| end + 1), 0),
            character => (character.len_utf8(), character.width().unwrap_or(0)),
        };
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some((piece, width))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_to_columns() {
        for (text, columns, wanted) in [
            ("RUN make", 8, "RUN make"),
            ("RUN make all", 8, "RUN mak…"),
            ("漢字漢字", 5, "漢字…"),
            ("漢字漢字", 4, "漢…"),
            ("\x1b[31mred and more", 4, "\x1b[31mred…\x1b[0m"),
            ("anything", 0, ""),
        ] {
            assert_eq!(fit(text, columns), wanted);
            assert!(width(wanted) <= columns);
        }
    }
}
