//! Which devices may be opened, and how: docker's words for it (the kernel's admin-guide/cgroup-v1/devices.rst).

use std::fmt;

/// What is done with a device, as the kernel's programs see it (`BPF_DEVCG_ACC_*`).
const MAKE: u32 = 1;
const READ: u32 = 2;
const WRITE: u32 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeviceKind {
    Block,
    Character,
}

/// Lets a device be used, or all of a number. What no rule lets be used is forbidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeviceRule {
    pub(super) kind: DeviceKind,
    /// Without a number it is of all.
    pub(super) major: Option<u32>,
    pub(super) minor: Option<u32>,
    /// Bits as the kernel has them.
    pub(super) access: u32,
}

impl DeviceRule {
    /// Reads `c 42:* rwm`. `a`, for devices of both kinds, becomes two rules. Nothing for what is no rule.
    pub(super) fn parse(text: &str) -> Option<Vec<Self>> {
        let mut words = text.split_whitespace();
        let (kinds, numbers, access) = (words.next()?, words.next()?, words.next()?);
        let kinds = match kinds {
            "a" => vec![DeviceKind::Block, DeviceKind::Character],
            "b" => vec![DeviceKind::Block],
            "c" => vec![DeviceKind::Character],
            _ => return None,
        };
        let (major, minor) = numbers.split_once(':')?;
        let number = |text: &str| if text == "*" { Some(None) } else { text.parse().ok().map(Some) };
        let (major, minor) = (number(major)?, number(minor)?);
        let bit = |letter| match letter {
            'm' => Some(MAKE),
            'r' => Some(READ),
            'w' => Some(WRITE),
            _ => None,
        };
        let access = access.chars().try_fold(0, |bits, letter| Some(bits | bit(letter)?))?;
        (words.next().is_none()).then(|| kinds.into_iter().map(|kind| Self { kind, major, minor, access }).collect())
    }

    /// Rules of the same devices become one: what is opened to be read and written needs one rule that has both.
    pub(super) fn merge(rules: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut merged: Vec<Self> = Vec::new();
        for rule in rules {
            let same =
                |other: &&mut Self| (other.kind, other.major, other.minor) == (rule.kind, rule.major, rule.minor);
            match merged.iter_mut().find(same) {
                Some(other) => other.access |= rule.access,
                None => merged.push(rule),
            }
        }
        merged
    }
}

/// As version 1 of cgroups reads it.
impl fmt::Display for DeviceRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.kind == DeviceKind::Block { 'b' } else { 'c' };
        let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
        write!(formatter, "{kind} {}:{} ", number(self.major), number(self.minor))?;
        let letters = [(READ, 'r'), (WRITE, 'w'), (MAKE, 'm')];
        letters
            .iter()
            .filter(|(bit, _)| self.access & bit != 0)
            .try_for_each(|(_, letter)| write!(formatter, "{letter}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_written() {
        let same = |text: &str| {
            let rules = DeviceRule::parse(text).unwrap_or_default();
            rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(same("c 1:3 rwm"), "c 1:3 rwm");
        assert_eq!(same("b 8:* mr"), "b 8:* rm");
        assert_eq!(same("a *:7 w"), "b *:7 w, c *:7 w");
        for wrong in ["", "c", "c 1:3", "d 1:3 r", "c 1 r", "c 1:x r", "c 1:3 x", "c 1:3 r r", "c -1:3 r"] {
            assert_eq!(DeviceRule::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn rules_of_the_same_devices_are_one() {
        let rules = ["c 1:3 r", "c 1:4 r", "c 1:3 w", "a 1:3 m"].map(|text| DeviceRule::parse(text).unwrap());
        let merged: Vec<String> = DeviceRule::merge(rules.concat()).iter().map(ToString::to_string).collect();
        assert_eq!(merged, ["c 1:3 rwm", "c 1:4 r", "b 1:3 m"]);
    }
}
