//! `# check=skip=A,B;error=true;experimental=all`: the lint settings of a file, or of a comment above an instruction.

use crate::base::boolean;
use crate::language::dockerfile::SyntaxTree;

use super::Rule;

/// Which rules run, and whether a warning fails the build.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckOptions {
    pub skip: Selection,
    pub experimental: Selection,
    pub error: bool,
}

/// Some rules, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    All,
    Named(Vec<String>),
}

impl Default for Selection {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

/// A part of the options that can't be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid check option `{part}`: it is skip=RULE,… or error=true or experimental=RULE,…")]
pub struct CheckOptionError {
    pub part: String,
}

impl CheckOptions {
    /// Reads the text behind `check=`. As in BuildKit, nothing takes `all` back, and there are at most three parts.
    pub fn parse(text: &str) -> Result<Self, CheckOptionError> {
        let mut options = Self::default();
        if text.trim().is_empty() {
            return Ok(options);
        }
        for part in text.trim().splitn(3, ';') {
            let invalid = || CheckOptionError { part: part.to_owned() };
            let (key, value) = part.split_once('=').ok_or_else(invalid)?;
            match key.trim() {
                "skip" => options.skip.replace(value),
                "experimental" => options.experimental.replace(value),
                "error" => options.error = boolean(value.trim()).ok_or_else(invalid)?,
                _ => return Err(invalid()),
            }
        }
        Ok(options)
    }

    /// The file's directive.
    pub fn of(tree: &SyntaxTree) -> Result<Self, CheckOptionError> {
        tree.directives.check.as_ref().map_or_else(|| Ok(Self::default()), |directive| Self::parse(directive.word()))
    }

    pub(super) fn runs(&self, rule: &Rule) -> bool {
        !self.skip.holds(rule) && (!rule.experimental || self.experimental.holds(rule))
    }
}

impl Selection {
    fn replace(&mut self, text: &str) {
        match text.trim() {
            "all" => *self = Self::All,
            _ if *self == Self::All => {}
            text => *self = Self::Named(text.split(',').map(|name| name.trim().to_owned()).collect()),
        }
    }

    pub(super) fn holds(&self, rule: &Rule) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| name.eq_ignore_ascii_case(rule.name)),
        }
    }
}

/// The rules that the comments above an instruction skip there. A comment that can't be parsed is ignored.
pub(super) fn skipped_here(comments: &[String]) -> impl Iterator<Item = Selection> {
    comments.iter().filter_map(|comment| {
        let options = comment.strip_prefix("check")?.trim_start().strip_prefix('=')?.trim();
        CheckOptions::parse(options.split(' ').next()?).ok().map(|options| options.skip)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let options = CheckOptions::parse("skip=A, B;error=true;experimental=all").unwrap();
        assert_eq!(options.skip, Selection::Named(vec!["A".to_owned(), "B".to_owned()]));
        assert!(options.error && options.experimental == Selection::All);
        assert_eq!(CheckOptions::parse("skip=all;skip=A").unwrap().skip, Selection::All);
        assert_eq!(CheckOptions::parse("skip=A;skip=B").unwrap().skip, Selection::Named(vec!["B".to_owned()]));
        for wrong in ["skip=A;", "bogus", "foo=bar", "error=maybe", "skip=A;skip=B;error=true;skip=C"] {
            assert!(CheckOptions::parse(wrong).is_err(), "{wrong}");
        }
    }
}
