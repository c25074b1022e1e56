//! Semantic versions and constraints, after Masterminds' semver.

use std::cmp::Ordering;

use super::{Failure, Function, Outcome, Wanted, function, parameter, text_of};
use crate::language::bake::value::Value;

pub(super) const FUNCTIONS: &[Function] =
    &[function("semvercmp", &[parameter("version", Wanted::Text), parameter("constraint", Wanted::Text)], compare)];

fn compare(all: &[Value]) -> Outcome {
    let version = Partial::parse(text_of(all, 0)).filter(|version| version.given > 0 && !version.is_wild);
    let version = version.ok_or_else(|| Failure::new("invalid semantic version"))?.version;
    let constraint = text_of(all, 1);
    for alternative in constraint.split("||") {
        let conditions =
            conditions(alternative).ok_or_else(|| Failure::new(format!("improper constraint: {constraint}")))?;
        if conditions.iter().all(|condition| condition.holds(&version)) {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Version {
    numbers: [u64; 3],
    prerelease: Vec<String>,
}

/// A possibly incomplete version.
#[derive(Debug, Clone)]
struct Partial {
    version: Version,
    /// How many of its numbers are given, before the first `x` or `*`.
    given: usize,
    is_wild: bool,
}

impl Partial {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('v');
        let text = text.split_once('+').map_or(text, |(version, _)| version);
        let (core, prerelease) = text.split_once('-').map_or((text, None), |(core, rest)| (core, Some(rest)));
        let mut partial = Self { version: Version::default(), given: 0, is_wild: false };
        let parts: Vec<&str> = core.split('.').collect();
        if parts.len() > 3 {
            return None;
        }
        for part in parts {
            if matches!(part, "x" | "X" | "*") {
                partial.is_wild = true;
            } else if part.is_empty() || !part.bytes().all(|digit| digit.is_ascii_digit()) {
                return None;
            } else if !partial.is_wild {
                partial.version.numbers[partial.given] = part.parse().ok()?;
                partial.given += 1;
            }
        }
        if let Some(prerelease) = prerelease {
            let is_valid = |part: &str| {
                !part.is_empty() && part.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-')
            };
            partial.version.prerelease = prerelease.split('.').map(str::to_owned).collect();
            if !partial.version.prerelease.iter().all(|part| is_valid(part)) {
                return None;
            }
        }
        Some(partial)
    }

    /// The first version above all that share this many numbers with the partial one.
    fn next(&self, numbers: usize) -> Version {
        let mut next = Version::default();
        if let Some(index) = numbers.checked_sub(1) {
            next.numbers[..=index].copy_from_slice(&self.version.numbers[..=index]);
            next.numbers[index] += 1;
        }
        next
    }
}

impl Version {
    fn compare(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.prerelease.is_empty(), other.prerelease.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let parts = self.prerelease.iter().zip(&other.prerelease);
                let different = parts.map(|(left, right)| compare_parts(left, right)).find(|order| order.is_ne());
                different.unwrap_or_else(|| self.prerelease.len().cmp(&other.prerelease.len()))
            }
        })
    }
}

fn compare_parts(left: &str, right: &str) -> Ordering {
    match (left.parse::<u64>(), right.parse::<u64>()) {
        (Ok(left), Ok(right)) => left.cmp(&right),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => left.cmp(right),
    }
}

#[derive(Debug)]
struct Condition {
    operator: String,
    wanted: Partial,
}

const OPERATORS: [&str; 11] = ["!=", ">=", "=>", "<=", "=<", "~>", "=", ">", "<", "~", "^"];

/// Conditions that must all hold, separated by commas or spaces.
fn conditions(text: &str) -> Option<Vec<Condition>> {
    // `1.2 - 1.4` is `>=1.2 <=1.4`.
    let words: Vec<&str> = text.split([' ', '\t', ',']).filter(|word| !word.is_empty()).collect();
    let mut conditions = Vec::new();
    let mut index = 0;
    while index < words.len() {
        if words.get(index + 1) == Some(&"-") {
            conditions.push(condition(">=", words[index])?);
            conditions.push(condition("<=", words.get(index + 2)?)?);
            index += 3;
            continue;
        }
        let operator = OPERATORS.into_iter().find(|operator| words[index].starts_with(operator)).unwrap_or("");
        let mut version = &words[index][operator.len()..];
        if version.is_empty() && !operator.is_empty() {
            index += 1;
            version = words.get(index)?;
        }
        conditions.push(condition(operator, version)?);
        index += 1;
    }
    (!conditions.is_empty()).then_some(conditions)
}

fn condition(operator: &str, version: &str) -> Option<Condition> {
    Some(Condition { operator: operator.to_owned(), wanted: Partial::parse(version)? })
}

impl Condition {
    fn holds(&self, version: &Version) -> bool {
        let wanted = &self.wanted;
        // A prerelease matches only if the constraint has one.
        if !version.prerelease.is_empty() && wanted.version.prerelease.is_empty() {
            return false;
        }
        let order = version.compare(&wanted.version);
        let is_below = |next: usize| next == 0 || version.compare(&wanted.next(next)).is_lt();
        let is_partial = wanted.given < 3;
        match self.operator.as_str() {
            "" | "=" if is_partial => order.is_ge() && is_below(wanted.given),
            "" | "=" => order.is_eq(),
            "!=" if is_partial => !(order.is_ge() && is_below(wanted.given)),
            "!=" => order.is_ne(),
            ">" if is_partial => !is_below(wanted.given),
            ">" => order.is_gt(),
            ">=" | "=>" => order.is_ge(),
            "<" => order.is_lt(),
            "<=" | "=<" if is_partial => is_below(wanted.given),
            "<=" | "=<" => order.is_le(),
            "~" | "~>" => order.is_ge() && is_below(wanted.given.min(2)),
            _ => {
                let first = wanted.version.numbers.iter().take(wanted.given).position(|number| *number > 0);
                order.is_ge() && is_below(first.map_or(wanted.given, |index| index + 1))
            }
        }
    }
}
