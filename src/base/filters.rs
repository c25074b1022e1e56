//! `--filter KEY=VALUE`, as lists, prunes and events take it (docker's `opts.FilterOpt` and `filters.Args`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use regex::Regex;

use super::time::{InvalidTime, point_in_time};

/// What is wrong with filters, in docker's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum FilterError {
    #[error("bad format of filter (expected name=value)")]
    Form,
    #[error("invalid filter '{key}': use one of {}", .known.join(", "))]
    Unknown { key: String, known: Vec<&'static str> },
    #[error("invalid filter '{key}=[{}]': it is true or false", .values.join(" "))]
    NoBoolean { key: String, values: Vec<String> },
    #[error("invalid filter '{key}={value}': {reason}")]
    Value { key: String, value: String, reason: String },
    #[error("more than one until filter specified")]
    ManyTimes,
    #[error("invalid filter 'until={text}'")]
    Time { text: String, source: InvalidTime },
}

/// `KEY=VALUE`, split as docker does: the key in lower case, no white space around either.
///
/// # Errors
/// If there is no `=`.
pub fn form(text: &str) -> Result<String, FilterError> {
    let (key, value) = text.split_once('=').ok_or(FilterError::Form)?;
    Ok(format!("{}={}", key.trim().to_lowercase(), value.trim()))
}

/// The values by key. Values of one key are alternatives, except labels, which must all be present; all keys must
/// match.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads all filters before anything is done. The first one that is not in `known` is the error.
    ///
    /// # Errors
    /// If a filter is malformed or has an unknown key.
    pub fn parse(words: &[String], known: &[&'static str]) -> Result<Self, FilterError> {
        let mut filters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for word in words {
            let word = form(word)?;
            let (key, value) = word.split_once('=').ok_or(FilterError::Form)?;
            if !known.contains(&key) {
                return Err(FilterError::Unknown { key: key.to_owned(), known: known.to_vec() });
            }
            let values = filters.entry(key.to_owned()).or_default();
            if !values.iter().any(|own| own == value) {
                values.push(value.to_owned());
            }
        }
        Ok(Self(filters))
    }

    /// The values of the key, in order.
    pub fn values(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether there is a filter with that key.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// True if there is no filter for the key, or if one of its values matches.
    pub fn any(&self, key: &str, is_right: impl Fn(&str) -> bool) -> bool {
        self.0.get(key).is_none_or(|values| values.iter().any(|value| is_right(value)))
    }

    /// True if there is no filter for the key, or if one of its values equals the text.
    pub fn exactly(&self, key: &str, text: &str) -> bool {
        self.any(key, |value| value == text)
    }

    /// True if there is no filter for the key, or if one of its values equals the text or is a regular expression that
    /// matches part of it. An invalid regular expression matches nothing.
    pub fn matches(&self, key: &str, text: &str) -> bool {
        self.any(key, |value| value == text || Regex::new(value).is_ok_and(|pattern| pattern.is_match(text)))
    }

    /// The value of a boolean key. Giving both values is as wrong as giving neither.
    ///
    /// # Errors
    /// If it is neither.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, FilterError> {
        let Some(values) = self.0.get(key) else { return Ok(None) };
        let says = |words: [&str; 2]| values.iter().any(|value| words.contains(&value.as_str()));
        match (says(["1", "true"]), says(["0", "false"])) {
            (true, false) => Ok(Some(true)),
            (false, true) => Ok(Some(false)),
            _ => Err(FilterError::NoBoolean { key: key.to_owned(), values: values.clone() }),
        }
    }

    /// Checks the values of a key that accepts only certain words.
    ///
    /// # Errors
    /// At the first other word.
    pub fn only(&self, key: &str, what: &str, known: &[&str]) -> Result<(), FilterError> {
        match self.values(key).iter().find(|value| !known.contains(&value.as_str())) {
            None => Ok(()),
            Some(value) => {
                let reason = format!("invalid value for {what} ({value}): must be one of {}", known.join(", "));
                Err(FilterError::Value { key: key.to_owned(), value: value.clone(), reason })
            }
        }
    }

    /// Whether all labels of `label` and none of `label!` are present.
    pub fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        let has = |wanted: &String| match wanted.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|own| own == value),
            None => labels.contains_key(wanted),
        };
        self.values("label").iter().all(has) && !self.values("label!").iter().any(has)
    }

    /// The points in time that `until` names.
    ///
    /// # Errors
    /// If one of them is invalid.
    pub fn times(&self) -> Result<Vec<Timestamp>, FilterError> {
        let time =
            |text: &String| point_in_time(text).map_err(|source| FilterError::Time { text: text.clone(), source });
        self.values("until").iter().map(time).collect()
    }

    /// The time before which things must have been created; a prune accepts one.
    ///
    /// # Errors
    /// If it is not a time, or if there are several.
    pub fn until(&self) -> Result<Option<Timestamp>, FilterError> {
        match self.times()?[..] {
            [] => Ok(None),
            [time] => Ok(Some(time)),
            _ => Err(FilterError::ManyTimes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Filters, FilterError> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Filters::parse(&words, &["name", "label", "label!", "until", "dangling", "status"])
    }

    fn filters(words: &[&str]) -> Filters {
        parse(words).unwrap()
    }

    #[test]
    fn keys_agree_and_values_are_alternatives() {
        let names = filters(&[" NAME = a ", "name=b"]);
        assert!(names.exactly("name", "b") && names.exactly("name", "a") && !names.exactly("name", "c"));
        assert!(names.any("driver", |_| false));
        let labels = BTreeMap::from([("x".to_owned(), "1".to_owned())]);
        assert!(filters(&["label=x", "label=x=1"]).labels(&labels));
        for none in ["label=x=2", "label!=x", "label=", "label=x="] {
            assert!(!filters(&[none]).labels(&labels), "{none}");
        }
        assert!(filters(&["label!=y"]).labels(&labels));
    }

    #[test]
    fn names_are_regular_expressions() {
        for (pattern, is_found) in [
            ("vol", true),
            ("^vol-a$", true),
            ("l.a", true),
            ("l-[ab]$", true),
            ("^l", false),
            ("(", false),
            ("", true),
        ] {
            assert_eq!(filters(&[&format!("name={pattern}")]).matches("name", "vol-a"), is_found, "{pattern}");
        }
        assert!(filters(&["name=(x"]).matches("name", "(x"));
    }

    #[test]
    fn truth_is_written_in_two_ways() {
        for (text, wanted) in [("true", true), ("1", true), ("false", false), ("0", false)] {
            assert_eq!(filters(&[&format!("dangling={text}")]).boolean("dangling"), Ok(Some(wanted)));
        }
        for wrong in [&["dangling=t"][..], &["dangling="], &["dangling=True"], &["dangling=true", "dangling=0"]] {
            assert!(filters(wrong).boolean("dangling").is_err(), "{wrong:?}");
        }
        assert_eq!(filters(&[]).boolean("dangling"), Ok(None));
    }

    #[test]
    fn wrong_ones_say_why() {
        let message = |words: &[&str]| parse(words).unwrap_err().to_string();
        assert_eq!(message(&["name"]), "bad format of filter (expected name=value)");
        assert!(message(&["colour=red"]).starts_with("invalid filter 'colour': use one of name, label"));
        assert_eq!(filters(&["until=1h", "until=2h"]).until(), Err(FilterError::ManyTimes));
        assert!(filters(&["until=1d"]).until().is_err() && filters(&["until=1h"]).until().is_ok());
        assert!(filters(&["status=x"]).only("status", "state", &["running"]).is_err());
        assert!(filters(&["status=running"]).only("status", "state", &["running"]).is_ok());
    }
}
