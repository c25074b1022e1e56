//! The differences between the facts of two executions.

use super::{Fact, FactKind, Reason, StepRecord, Value};
use crate::base::digest::CacheKey;

/// All differences, except those in steps below.
#[derive(Debug, Default)]
pub struct Differences {
    pub reasons: Vec<Reason>,
    /// Lists of files that differ: their name, and both digests.
    pub files: Vec<(String, CacheKey, CacheKey)>,
    /// The steps started from different files.
    pub parent: bool,
}

pub fn differences(was: &StepRecord, now: &StepRecord) -> Differences {
    let mut found = Differences { parent: was.parent != now.parent, ..Differences::default() };
    let other_instruction = fact(was, FactKind::Instruction, "") != fact(now, FactKind::Instruction, "");
    for new in &now.facts {
        let old = fact(was, new.kind, &new.name);
        if old != Some(new) && !is_said_by_the_instruction(new, old, other_instruction) {
            add(&mut found, new.kind, &new.name, (old.map(|old| &old.value), Some(&new.value)));
        }
    }
    for old in &was.facts {
        let gone = fact(now, old.kind, &old.name).is_none();
        if gone && !is_said_by_the_instruction(old, None, other_instruction) {
            add(&mut found, old.kind, &old.name, (Some(&old.value), None));
        }
    }
    found
}

fn fact<'a>(record: &'a StepRecord, kind: FactKind, name: &str) -> Option<&'a Fact> {
    record.facts.iter().find(|fact| fact.kind == kind && fact.name == name)
}

/// A changed instruction has a different command, and maybe other sources: that need not be said as well.
fn is_said_by_the_instruction(fact: &Fact, counterpart: Option<&Fact>, other_instruction: bool) -> bool {
    match fact.kind {
        FactKind::Command => other_instruction,
        FactKind::Files | FactKind::Text | FactKind::Remote => other_instruction && counterpart.is_none(),
        _ => false,
    }
}

fn add(found: &mut Differences, kind: FactKind, name: &str, values: (Option<&Value>, Option<&Value>)) {
    if let (FactKind::Files, Some(Value::Digest(was)), Some(Value::Digest(now))) = (kind, values.0, values.1) {
        found.files.push((name.to_owned(), *was, *now));
        return;
    }
    let text = |value: Option<&Value>| match value {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let concealed = [values.0, values.1].iter().any(|value| matches!(value, Some(Value::Concealed(_))));
    let (was, now) = if concealed { (None, None) } else { (text(values.0), text(values.1)) };
    found.reasons.push(Reason::Differs { kind, name: name.to_owned(), was, now, concealed });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::explain::{Concealer, in_words};

    fn record(parent: u8, facts: Vec<Fact>) -> StepRecord {
        StepRecord { parent: CacheKey::from_bytes([parent; 32]), facts }
    }

    #[test]
    fn variables_and_settings_are_named_with_both_values() {
        let concealer = Concealer::default();
        let facts = |value: &str, user: &str, token: &str| {
            vec![
                Fact::text(FactKind::Instruction, "", "RUN make"),
                concealer.variable(FactKind::Argument, "V", value),
                concealer.variable(FactKind::Argument, "A_TOKEN", token),
                Fact::text(FactKind::Setting, "user", user),
            ]
        };
        let found = differences(&record(1, facts("1", "", "x")), &record(1, facts("2", "app", "y")));
        assert!(!found.parent);
        assert_eq!(in_words(&found.reasons), "ARG `V` was `1`, now `2`; ARG `A_TOKEN` changed; user was ``, now `app`");
    }

    #[test]
    fn a_changed_instruction_says_it_all() {
        let facts = |text: &str, source: &str| {
            vec![Fact::text(FactKind::Instruction, "", text), Fact::digest(FactKind::Files, source, [1; 32])]
        };
        let found = differences(&record(1, facts("COPY a /x", "a")), &record(2, facts("COPY b /x", "b")));
        assert!(found.parent && found.files.is_empty());
        assert_eq!(in_words(&found.reasons), "instruction changed from `COPY a /x` to `COPY b /x`");
    }
}
