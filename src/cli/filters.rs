//! `--filter KEY=VALUE`, as lists and prunes take it.

use std::collections::BTreeMap;

use super::CliError;

/// `KEY=VALUE`, as docker takes it apart: the key in small letters, no white space around either.
pub fn form(text: &str) -> Result<String, String> {
    let (key, value) = text.split_once('=').ok_or("bad format of filter (expected name=value)")?;
    Ok(format!("{}={}", key.trim().to_lowercase(), value.trim()))
}

/// The values by key. Values of one key are alternatives, but all labels have to be there; all keys have to agree.
#[derive(Debug, Default)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    pub fn parse(words: &[String], allowed: &[&str]) -> Result<Self, CliError> {
        let mut filters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for word in words {
            let wrong = || CliError::new(format!("bad filter `{word}`: the form is KEY=VALUE"));
            let (key, value) = word.split_once('=').ok_or_else(wrong)?;
            let key = key.trim().to_ascii_lowercase();
            if !allowed.contains(&key.as_str()) {
                let text = format!("invalid filter '{key}'");
                return Err(CliError::new(text).hint(format!("there are: {}", allowed.join(", "))));
            }
            filters.entry(key).or_default().push(value.trim().to_owned());
        }
        Ok(Self(filters))
    }

    /// True when nothing is asked of the key, or one of the values will do.
    pub fn any(&self, key: &str, is_right: impl Fn(&str) -> bool) -> bool {
        self.0.get(key).is_none_or(|values| values.iter().any(|value| is_right(value)))
    }

    /// What was said about a key that is true or false.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, CliError> {
        let Some(value) = self.0.get(key).and_then(|values| values.last()) else { return Ok(None) };
        match value.as_str() {
            "true" | "1" | "t" => Ok(Some(true)),
            "false" | "0" | "f" => Ok(Some(false)),
            _ => Err(CliError::new(format!("invalid filter '{key}={value}': it is true or false"))),
        }
    }

    /// Whether all of `label`, and none of `label!`, are there.
    pub fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        let has = |wanted: &String| match wanted.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|own| own == value),
            None => labels.contains_key(wanted),
        };
        let of = |key: &str| self.0.get(key).into_iter().flatten();
        of("label").all(has) && !of("label!").any(has)
    }

    pub fn speaks_of_labels(&self) -> bool {
        self.0.contains_key("label") || self.0.contains_key("label!")
    }

    /// The second that `until` names, if it does.
    pub fn before(&self) -> Result<Option<i64>, CliError> {
        let until = self.0.get("until").and_then(|values| values.last());
        until.map(|text| super::buildx::prune::until(text)).transpose()
    }

    /// Whether it is from before `until`, which is a time or a duration ago.
    pub fn until(&self, created: jiff::Timestamp) -> Result<bool, CliError> {
        for text in self.0.get("until").into_iter().flatten() {
            let wrong =
                || CliError::new(format!("invalid filter 'until={text}': it is a time, or a duration such as 24h"));
            let until = match crate::dockerfile::nanoseconds(text) {
                Some(ago) => jiff::Timestamp::now() - jiff::SignedDuration::from_nanos(ago),
                None => match text.parse::<i64>() {
                    Ok(second) => jiff::Timestamp::from_second(second).map_err(|_| wrong())?,
                    Err(_) => text.parse().map_err(|_| wrong())?,
                },
            };
            if created >= until {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(words: &[&str]) -> Filters {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Filters::parse(&words, &["name", "label", "label!", "until", "dangling"]).unwrap()
    }

    #[test]
    fn keys_agree_and_values_are_alternatives() {
        let names = filters(&["name=a", "name=b"]);
        assert!(names.any("name", |value| value == "b") && !names.any("name", |value| value == "c"));
        assert!(names.any("driver", |_| false));
        let labels = BTreeMap::from([("x".to_owned(), "1".to_owned())]);
        assert!(filters(&["label=x", "label=x=1"]).labels(&labels));
        assert!(!filters(&["label=x=2"]).labels(&labels) && !filters(&["label!=x"]).labels(&labels));
        assert_eq!(filters(&["dangling=true"]).flag("dangling").unwrap(), Some(true));
        let now = jiff::Timestamp::now();
        assert!(!filters(&["until=1h"]).until(now).unwrap());
        assert!(filters(&["until=1h"]).until(now - jiff::SignedDuration::from_hours(2)).unwrap());
        assert!(filters(&["until=2020-01-01T00:00:00Z"]).until(now).is_ok_and(|is_before| !is_before));
        assert!(Filters::parse(&["colour=red".to_owned()], &["name"]).is_err());
    }
}
