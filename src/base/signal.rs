//! Names and numbers of signals (signal(7)), as `STOPSIGNAL` and `--stop-signal` take them.

/// The names without `SIG`, by number, as on x86-64 and arm64.
const NAMES: [(&str, i32); 33] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];
const RT_MIN: i32 = 34;
const RT_MAX: i32 = 64;

/// The names without `SIG`.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}

/// Whether docker takes this for an image's stop signal: what a container's kernel knows, or any number but 0.
pub fn is_accepted(text: &str) -> bool {
    number(text).is_some() || text.parse::<i64>().is_ok_and(|number| number != 0)
}

/// The number of a signal given by number or by name: `15`, `TERM`, `sigterm`, `RTMIN+3`, `SIGRTMAX-1`.
pub fn number(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (1..=RT_MAX).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(*number);
    }
    let (start, sign, offset) = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(offset), _) => (RT_MIN, 1, offset.strip_prefix('+').or(offset.is_empty().then_some("0"))),
        (_, Some(offset)) => (RT_MAX, -1, offset.strip_prefix('-').or(offset.is_empty().then_some("0"))),
        _ => return None,
    };
    let offset = offset?.parse::<i32>().ok().filter(|offset| (0..=RT_MAX - RT_MIN).contains(offset))?;
    Some(start + sign * offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, wanted) in [
            ("9", Some(9)),
            ("KILL", Some(9)),
            ("SIGTERM", Some(15)),
            ("sigrtmin+3", Some(37)),
            ("RTMAX-1", Some(63)),
            ("RTMIN", Some(34)),
            ("0", None),
            ("65", None),
            ("SIGNOPE", None),
            ("RTMIN-1", None),
            ("", None),
        ] {
            assert_eq!(number(text), wanted, "{text}");
        }
    }
}
