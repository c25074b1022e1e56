//! `--chmod`: an octal number, or letters as chmod(1) takes them.

/// The permission bits that a copied file gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chmod {
    Octal(u32),
    Symbolic(Vec<Clause>),
}

/// One part of a symbolic mode, such as `go-w`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// The bits of those that are meant: 0o700, 0o070, 0o007.
    who: u32,
    operator: char,
    permissions: Permissions,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Permissions {
    /// `r`, `w`, `x`, `X`, `s`, `t`.
    Letters(String),
    /// `u`, `g` or `o`: what that one has.
    LikeThoseOf(char),
}

impl Chmod {
    /// Nothing when the text is neither an octal number up to 07777 nor a symbolic mode.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777)?;
            return Some(Self::Octal(mode));
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            parse_clauses(part, &mut clauses)?;
        }
        Some(Self::Symbolic(clauses))
    }

    /// The new permission bits of a file that has `mode`.
    pub fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        match self {
            Self::Octal(mode) => *mode,
            Self::Symbolic(clauses) => clauses.iter().fold(mode, |mode, clause| clause.apply(mode, is_dir)),
        }
    }

    /// One text for each meaning, whatever was typed: cache keys hold it, so it never changes.
    pub fn encoded(&self) -> String {
        let clause = |clause: &Clause| {
            let permissions = match &clause.permissions {
                Permissions::Letters(letters) => letters.clone(),
                Permissions::LikeThoseOf(whose) => format!("={whose}"),
            };
            format!("{:04o}{}{permissions}", clause.who, clause.operator)
        };
        match self {
            Self::Octal(mode) => format!("{mode:04o}"),
            Self::Symbolic(clauses) => clauses.iter().map(clause).collect::<Vec<_>>().join(","),
        }
    }

    /// How it is written: the octal number, or nothing for letters.
    pub fn octal(&self) -> Option<u32> {
        match self {
            Self::Octal(mode) => Some(*mode),
            Self::Symbolic(_) => None,
        }
    }
}

/// `u+x` and `u+x-w`: who, then one or more operations.
fn parse_clauses(text: &str, clauses: &mut Vec<Clause>) -> Option<()> {
    let start = text.find(['+', '-', '='])?;
    let mut who = 0;
    for letter in text[..start].chars() {
        who |= match letter {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    if who == 0 {
        who = 0o7777;
    }
    let mut rest = &text[start..];
    while let Some(operator) = rest.chars().next() {
        let after = &rest[1..];
        let end = after.find(['+', '-', '=']).unwrap_or(after.len());
        let letters = &after[..end];
        let permissions = match letters {
            "u" | "g" | "o" => Permissions::LikeThoseOf(letters.chars().next()?),
            _ if letters.chars().all(|letter| "rwxXst".contains(letter)) => Permissions::Letters(letters.to_owned()),
            _ => return None,
        };
        clauses.push(Clause { who, operator, permissions });
        rest = &after[end..];
    }
    Some(())
}

impl Clause {
    fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        let bits = match &self.permissions {
            Permissions::LikeThoseOf(whose) => {
                let shift = match whose {
                    'u' => 6,
                    'g' => 3,
                    _ => 0,
                };
                (mode >> shift & 7) * 0o111
            }
            Permissions::Letters(letters) => {
                letters.chars().fold(0, |bits, letter| bits | letter_bits(letter, mode, is_dir))
            }
        };
        let bits = bits & self.who;
        match self.operator {
            '+' => mode | bits,
            '-' => mode & !bits,
            _ => mode & !(self.who & 0o777) | bits,
        }
    }
}

fn letter_bits(letter: char, mode: u32, is_dir: bool) -> u32 {
    match letter {
        'r' => 0o444,
        'w' => 0o222,
        'x' => 0o111,
        'X' if is_dir || mode & 0o111 != 0 => 0o111,
        's' => 0o6000,
        't' => 0o1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_change_what_they_name() {
        for (text, before, is_dir, after) in [
            ("0755", 0o600, false, 0o755),
            ("u+x", 0o644, false, 0o744),
            ("go-rwx", 0o755, false, 0o700),
            ("a=r", 0o777, false, 0o444),
            ("+x", 0o644, false, 0o755),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("g=u", 0o640, false, 0o660),
            ("u+s,o+t", 0o755, true, 0o5755),
        ] {
            assert_eq!(Chmod::parse(text).unwrap().apply(before, is_dir), after, "{text}");
        }
    }

    /// Keys hold it: whoever changes it changes their tag.
    #[test]
    fn a_mode_is_encoded_as_it_always_was() {
        for (text, encoded) in [
            ("755", "0755"),
            ("0755", "0755"),
            ("u+rX,g=u", "4700+rX,2070==u"),
            ("a-wst", "7777-wst"),
            ("+x", "7777+x"),
        ] {
            assert_eq!(Chmod::parse(text).unwrap().encoded(), encoded, "{text}");
        }
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        for text in ["", "8", "77777", "u", "u+q", "x+r", "u+x,"] {
            assert_eq!(Chmod::parse(text), None, "{text}");
        }
    }
}
