//! `--chmod`: an octal number, or a symbolic mode as in chmod(1), with the rules of BSD's setmode(3), like BuildKit.

/// The permission bits that a copied file gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chmod {
    Octal(u32),
    /// In order of application.
    Symbolic(Vec<Change>),
}

/// One change of the bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Set(u32),
    Clear(u32),
    /// `X`: set for folders, and for files whose original was executable for somebody.
    SetExecutable(u32),
    /// Applies the bits that `from` has to those of `to` (one bit for each of user, group, others), by an operator.
    Like {
        from: char,
        operator: char,
        to: u32,
    },
}

const SETID: u32 = 0o6000;
const STICKY: u32 = 0o1000;
const OTHERS: u32 = 0o0007;
/// The bits that `=` without a class clears, and that `a` stands for.
const STANDARD: u32 = 0o6777;
const ALL: u32 = 0o7777;
const EXECUTABLE: u32 = 0o111;
/// The lowest bit of each of user, group, others.
const CLASSES: [(char, u32); 3] = [('u', 6), ('g', 3), ('o', 0)];

impl Chmod {
    /// `None` if the text is neither an octal number up to 07777 nor a symbolic mode.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= ALL)?;
            return Some(Self::Octal(mode));
        }
        let mut changes = Vec::new();
        for part in text.split(',') {
            parse_clause(part, &mut changes)?;
        }
        Some(Self::Symbolic(changes))
    }

    /// The new permission bits of a file that has `mode`.
    pub fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        let is_executable = is_dir || mode & EXECUTABLE != 0;
        match self {
            Self::Octal(mode) => *mode,
            Self::Symbolic(changes) => changes.iter().fold(mode, |mode, change| change.apply(mode, is_executable)),
        }
    }

    /// A canonical text for each meaning: cache keys contain it, so it never changes.
    pub fn encoded(&self) -> String {
        match self {
            Self::Octal(mode) => format!("{mode:04o}"),
            Self::Symbolic(changes) => changes.iter().map(Change::encoded).collect::<Vec<_>>().join(","),
        }
    }

    /// The mode of parent folders that a copy creates: that of an octal number without the special bits; symbolic modes
    /// do not apply to them.
    pub fn of_new_folders(&self) -> Option<u32> {
        match self {
            Self::Octal(mode) => Some(*mode & 0o777),
            Self::Symbolic(_) => None,
        }
    }
}

/// `u+x` and `u+x-w`: who, then one or more operations.
fn parse_clause(text: &str, changes: &mut Vec<Change>) -> Option<()> {
    let start = text.find(OPERATORS)?;
    let mut who = 0;
    for letter in text[..start].chars() {
        who |= match letter {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => OTHERS,
            'a' => STANDARD,
            _ => return None,
        };
    }
    let mut rest = &text[start..];
    while let Some(operator) = rest.chars().next() {
        let after = &rest[1..];
        let end = after.find(OPERATORS).unwrap_or(after.len());
        Operation { operator, who: &mut who, changes }.parse(&after[..end])?;
        rest = &after[end..];
    }
    Some(())
}

const OPERATORS: [char; 3] = ['+', '-', '='];

/// Parses an operator and what follows it.
struct Operation<'a> {
    operator: char,
    /// Nothing for everybody. `t` adds to it.
    who: &'a mut u32,
    changes: &'a mut Vec<Change>,
}

impl Operation<'_> {
    fn parse(mut self, letters: &str) -> Option<()> {
        let (mut bits, mut executable, mut is_assigned) = (0, 0, false);
        for letter in letters.chars() {
            // Others have neither set-ID bits nor the sticky bit.
            let takes_special = *self.who == 0 || *self.who & !OTHERS != 0;
            match letter {
                'r' => bits |= 0o444,
                'w' => bits |= 0o222,
                'x' => bits |= EXECUTABLE,
                'X' if self.operator == '-' => bits |= EXECUTABLE,
                'X' => executable = EXECUTABLE,
                's' if takes_special => bits |= SETID,
                't' if takes_special => {
                    *self.who |= STICKY;
                    bits |= STICKY;
                }
                's' | 't' => {}
                'u' | 'g' | 'o' => {
                    if bits != 0 {
                        self.change(std::mem::take(&mut bits));
                    }
                    is_assigned |= self.operator == '=';
                    self.set_executable(std::mem::take(&mut executable));
                    let (from, operator, to) = (letter, self.operator, self.classes());
                    self.changes.push(Change::Like { from, operator, to });
                }
                _ => return None,
            }
        }
        if bits != 0 || (self.operator == '=' && !is_assigned) {
            self.change(bits);
        }
        self.set_executable(executable);
        Some(())
    }

    fn change(&mut self, bits: u32) {
        let bits = bits & self.mask();
        match self.operator {
            '-' => self.changes.push(Change::Clear(bits)),
            operator => {
                if operator == '=' {
                    self.changes.push(Change::Clear(if *self.who == 0 { STANDARD } else { *self.who }));
                }
                self.changes.push(Change::Set(bits));
            }
        }
    }

    fn set_executable(&mut self, bits: u32) {
        if bits != 0 {
            self.changes.push(Change::SetExecutable(bits & self.mask()));
        }
    }

    fn mask(&self) -> u32 {
        if *self.who == 0 { ALL } else { *self.who }
    }

    /// The classes to which a copy applies, given by their read bits.
    fn classes(&self) -> u32 {
        CLASSES.iter().map(|(_, shift)| self.mask() & 4 << shift).filter(|bit| *bit != 0).map(|bit| bit >> 2).sum()
    }
}

impl Change {
    fn apply(&self, mode: u32, is_executable: bool) -> u32 {
        match *self {
            Self::Set(bits) => mode | bits,
            Self::Clear(bits) => mode & !bits,
            Self::SetExecutable(bits) if is_executable => mode | bits,
            Self::SetExecutable(_) => mode,
            Self::Like { from, operator, to } => {
                let shift = CLASSES.iter().find(|(class, _)| *class == from).map_or(0, |(_, shift)| *shift);
                let bits = (mode >> shift & 7) * to;
                match operator {
                    '+' => mode | bits,
                    '-' => mode & !bits,
                    _ => mode & !(7 * to) | bits,
                }
            }
        }
    }

    fn encoded(&self) -> String {
        match self {
            Self::Set(bits) => format!("+{bits:04o}"),
            Self::Clear(bits) => format!("-{bits:04o}"),
            Self::SetExecutable(bits) => format!("X{bits:04o}"),
            Self::Like { from, operator, to } => format!("{from}{operator}{to:04o}"),
        }
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
            ("u+s,a+t", 0o755, true, 0o5755),
            ("o+ts", 0o755, true, 0o755),
            ("u=rwx", 0o4600, false, 0o700),
            ("=r", 0o7777, false, 0o1444),
            ("a-x,u+X", 0o755, false, 0o744),
            ("a-x,u+X", 0o644, false, 0o644),
            ("g-x+X", 0o755, false, 0o755),
            ("u=gx", 0o070, false, 0o170),
            ("u=xg", 0o040, false, 0o440),
            ("go-u", 0o577, false, 0o522),
        ] {
            assert_eq!(Chmod::parse(text).unwrap().apply(before, is_dir), after, "{text}");
        }
    }

    /// Part of cache keys: a change here requires a new tag.
    #[test]
    fn a_mode_is_encoded_as_it_always_was() {
        for (text, encoded) in
            [("755", "0755"), ("0755", "0755"), ("u+rX,g=u", "+0400,X0100,u=0010"), ("a-wst", "-7222"), ("+x", "+0111")]
        {
            assert_eq!(Chmod::parse(text).unwrap().encoded(), encoded, "{text}");
        }
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        for text in ["", "8", "77777", "u", "u+q", "x+r", "u+x,", ",u+x"] {
            assert_eq!(Chmod::parse(text), None, "{text}");
        }
    }
}
