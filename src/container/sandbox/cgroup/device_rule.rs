//! Which devices may be accessed, and how, in docker's form (the kernel's admin-guide/cgroup-v1/devices.rst).

use std::fmt;

/// Access types, as in BPF programs (`BPF_DEVCG_ACC_*`).
const MAKE: u32 = 1;
const READ: u32 = 2;
const WRITE: u32 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeviceKind {
    Block,
    Character,
}

/// Allows access to a device, or to all with a number. What no rule allows is denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeviceRule {
    pub(super) kind: DeviceKind,
    /// `None` for all numbers.
    pub(super) major: Option<u32>,
    pub(super) minor: Option<u32>,
    /// The kernel's bits.
    pub(super) access: u32,
}

impl DeviceRule {
    /// Parses `c 42:* rwm`. `a`, for both device types, becomes two rules. `None` if it is not a rule.
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

    /// Merges rules for the same devices: opening a device for reading and writing needs one rule with both.
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

/// In the form of cgroup v1.
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
