//! Docker's ignore patterns (moby/patternmatcher), which differ from git's and Go's: a pattern becomes a regular
//! expression in which some characters keep their meaning, unless it is plain text, a prefix or a suffix.

mod candidates;
mod file;
mod go_regex;
mod pattern;
mod wildcards;

use candidates::{Candidates, ascending, descending};
use pattern::Pattern;

/// A pattern that docker refuses too.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("syntax error in pattern `{pattern}`")]
    Syntax { pattern: String },
    #[error("illegal exclusion pattern: \"!\"")]
    BareExclamation,
    /// Docker reads ignore files line by line, with this limit.
    #[error("line {line} of the ignore file has more than 65535 bytes")]
    LineTooLong { line: usize },
}

/// The patterns of a .dockerignore file or of `--exclude`, compiled.
#[derive(Debug, Default)]
pub struct IgnorePatterns {
    patterns: Vec<Pattern>,
    /// The line and the text of each pattern.
    rules: Vec<Rule>,
    candidates: Candidates,
}

/// A line of an ignore file that has a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Counted from 1.
    pub line: usize,
    /// As docker reads it: cleaned, with a leading `!` if it includes something again.
    pub pattern: String,
}

/// The result of matching a path.
pub(super) struct Decision<'a> {
    pub is_left_out: bool,
    /// The rule that decided; `None` if no pattern matches.
    pub rule: Option<&'a Rule>,
    pub matches: ParentMatches,
}

/// One bit for each pattern: whether it matches a directory or one above it.
#[derive(Debug, Clone, Default)]
pub(super) struct ParentMatches(Vec<u64>);

impl IgnorePatterns {
    /// Compiles patterns of `--exclude`.
    pub fn new<P: AsRef<[u8]>>(patterns: &[P]) -> Result<Self, PatternError> {
        Self::of_lines(patterns.iter().enumerate().map(|(index, pattern)| (index + 1, pattern.as_ref())))
    }

    fn of_lines<'p>(lines: impl Iterator<Item = (usize, &'p [u8])>) -> Result<Self, PatternError> {
        let (mut patterns, mut rules) = (Vec::new(), Vec::new());
        for (line, text) in lines {
            if let Some(pattern) = Pattern::new(text)? {
                patterns.push(pattern);
                rules.push(Rule { line, pattern: String::from_utf8_lossy(text).into_owned() });
            }
        }
        Ok(Self { candidates: Candidates::new(&patterns), patterns, rules })
    }

    /// Parses an ignore file: handles comments, blanks, `!` and slashes as docker does, then compiles the patterns.
    pub fn parse(text: &[u8]) -> Result<Self, PatternError> {
        let lines = file::patterns(text)?;
        Self::of_lines(lines.iter().map(|(line, pattern)| (*line, pattern.as_slice())))
    }

    /// Whether `path` (relative, clean) or a folder above it is matched, and no later `!` pattern includes it again.
    /// The root itself is never matched.
    pub fn matches(&self, path: &[u8]) -> bool {
        if matches!(path, b"" | b".") {
            return false;
        }
        let ends: Vec<usize> = memchr::memchr_iter(b'/', path).chain([path.len()]).collect();
        // The last matching pattern decides.
        let mut candidates = (0..self.candidates.words()).rev().flat_map(|word| {
            let bits = self.candidates.word(path, &ends, word);
            descending(bits).map(move |bit| &self.patterns[64 * word + bit])
        });
        candidates.find(|pattern| pattern.matches_or_parent(path, &ends)).is_some_and(|pattern| !pattern.negated)
    }

    /// Whether there is a `!` pattern.
    pub fn brings_back(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.negated)
    }

    /// Whether one of the patterns excludes everything.
    pub fn leaves_out_everything(&self) -> bool {
        self.patterns.iter().any(|pattern| !pattern.negated && pattern.is_everything)
    }

    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// For a walk from the root down: `parent` is the result for the directory above. This can differ from `matches`.
    /// As in BuildKit, each pattern is tested only if it could change the result so far, and what is below a directory
    /// inherits what was tested there: after `**/.hid`, a `!d` does not include `d/.hid` again, because at `d` there
    /// was nothing to include again.
    pub(super) fn matches_below(&self, path: &[u8], parent: &ParentMatches) -> (bool, ParentMatches) {
        let decision = self.decide_below(path, parent);
        (decision.is_left_out, decision.matches)
    }

    /// The same with the deciding rule.
    pub(super) fn decide_below(&self, path: &[u8], parent: &ParentMatches) -> Decision<'_> {
        let mut matched = Vec::with_capacity(self.candidates.words());
        let (mut answer, mut rule) = (false, None);
        for word in 0..self.candidates.words() {
            let above = parent.0.get(word).copied().unwrap_or(0);
            let mut bits = 0;
            for bit in ascending(above | self.candidates.word(path, &[path.len()], word)) {
                let pattern = &self.patterns[64 * word + bit];
                let is_matched_above = above >> bit & 1 == 1;
                if is_matched_above || (pattern.negated == answer && pattern.matches(path)) {
                    bits |= 1 << bit;
                    answer = !pattern.negated;
                    rule = Some(64 * word + bit);
                }
            }
            matched.push(bits);
        }
        let rule = rule.and_then(|index| self.rules.get(index));
        Decision { is_left_out: answer, rule, matches: ParentMatches(matched) }
    }

    /// Whether a pattern without `!` could match something below the directory `path`.
    pub(super) fn may_select_below(&self, path: &[u8]) -> bool {
        self.patterns.iter().any(|pattern| !pattern.negated && pattern.may_match_below(path))
    }

    /// Whether a `!` pattern could include something below the excluded directory `path`.
    pub(super) fn may_match_below(&self, path: &[u8]) -> bool {
        self.patterns.iter().any(|pattern| pattern.negated && pattern.may_match_below(path))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The rows of a file of the shared corpus; none if it is missing.
    fn corpus(name: &str) -> Vec<Value> {
        let above = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1);
        let text =
            above.map(|folder| folder.join("shared/corpus").join(name)).find_map(|path| std::fs::read(path).ok());
        match text {
            Some(text) => text
                .trim_ascii_end()
                .split(|byte| *byte == b'\n')
                .map(|line| serde_json::from_slice(line).unwrap())
                .collect(),
            None => {
                assert!(std::env::var_os("RBUILD_TEST_NO_SKIP").is_none(), "skipped: {name} is not here");
                eprintln!("skipped: {name} is not here");
                Vec::new()
            }
        }
    }

    fn strings(value: &Value) -> Vec<String> {
        value.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_measured_match_is_the_same() {
        let mut wrong = Vec::new();
        for row in corpus("dockerignore.jsonl") {
            let path = &pattern::clean(row["path"].as_str().unwrap().as_bytes());
            let outcome = IgnorePatterns::new(&strings(&row["patterns"]));
            let same = match (row["error"].as_str(), &outcome) {
                (None, Ok(patterns)) => patterns.matches(path) == row["match"].as_bool().unwrap(),
                (Some(expected), Err(error)) => error.to_string().contains(expected),
                _ => false,
            };
            if !same {
                wrong.push(format!("{row}: {:?}", outcome.map(|patterns| patterns.matches(path))));
            }
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn every_measured_ignore_file_is_read_the_same() {
        for row in corpus("dockerignore_files.jsonl") {
            let read = file::patterns(row["content"].as_str().unwrap().as_bytes());
            match read {
                Ok(patterns) => {
                    let patterns: Vec<String> =
                        patterns.into_iter().map(|(_, pattern)| String::from_utf8(pattern).unwrap()).collect();
                    assert_eq!(patterns, strings(&row["patterns"]), "{row}");
                }
                Err(error) => {
                    assert!(matches!(error, PatternError::LineTooLong { .. }), "{error}");
                    assert!(row["error"].is_string(), "{row}");
                }
            }
        }
    }

    #[test]
    fn walking_down_gives_the_same_answer() {
        for row in corpus("dockerignore.jsonl") {
            let Ok(patterns) = IgnorePatterns::new(&strings(&row["patterns"])) else { continue };
            let path = String::from_utf8(pattern::clean(row["path"].as_str().unwrap().as_bytes())).unwrap();
            if path.starts_with('/') || path.contains("..") || path == "." {
                continue;
            }
            let mut parent = ParentMatches::default();
            let mut answer = false;
            for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
                if answer && !patterns.may_match_below(&path.as_bytes()[..path[..end].rfind('/').unwrap_or(0)]) {
                    break;
                }
                (answer, parent) = patterns.matches_below(&path.as_bytes()[..end], &parent);
            }
            // There a `!` may apply to less, but never to more.
            let said = patterns.matches(path.as_bytes());
            assert!(answer == said || (answer && patterns.brings_back()), "{row}");
        }
    }

    /// BuildKit's results for single paths, each with all directories above it.
    #[test]
    fn what_is_brought_back_is_what_was_left_out() {
        let walk = |texts: &[&str], path: &str| {
            let patterns = IgnorePatterns::new(texts).unwrap();
            let mut parent = ParentMatches::default();
            let mut answer = false;
            for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
                (answer, parent) = patterns.matches_below(&path.as_bytes()[..end], &parent);
            }
            answer
        };
        for (texts, path, is_left_out) in [
            (&["**/.hid", "!d"][..], "d/.hid", true),
            (&["**/.hid", "!d"], "d/.hid/h", true),
            (&["**/.hid", "!d"], "d/one", false),
            (&["**/node_modules", "!app"], "app/node_modules/x", true),
            (&["*", "!app", "**/node_modules"], "app/node_modules/x", true),
            (&["*", "**/node_modules", "!app"], "app/node_modules/x", false),
            (&["*", "!d"], "d/e/f", false),
            (&["d", "!d/e"], "d/e/f", false),
        ] {
            assert_eq!(walk(texts, path), is_left_out, "{texts:?} {path}");
        }
    }

    /// Very many short patterns and paths of few letters, which cover almost every form.
    #[test]
    fn wildcards_match_as_their_regular_expressions_do() {
        let mut state = 7_u32;
        let mut random = |count: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % count
        };
        let mut word = |letters: &[u8]| {
            let length = 1 + random(8);
            (0..length).map(|_| letters[random(letters.len() as u32) as usize]).collect::<Vec<u8>>()
        };
        for _ in 0..600 {
            let pattern = pattern::clean(&word(b"ab/**?.c"));
            for _ in 0..20 {
                let path = pattern::clean(&word(b"ab//.c"));
                let compared = pattern::compare(&pattern, &path);
                let shown = (pattern.escape_ascii().to_string(), path.escape_ascii().to_string());
                assert!(compared.is_none_or(|(fast, slow)| fast == slow), "{shown:?} {compared:?}");
            }
        }
    }

    #[test]
    fn more_patterns_than_a_word_has_bits_keep_their_order() {
        let mut texts: Vec<String> = (0..200).map(|number| format!("folder{number}/*.o")).collect();
        texts.extend(["folder*".to_owned(), "!folder150".to_owned()]);
        let patterns = IgnorePatterns::new(&texts).unwrap();
        assert!(
            patterns.matches(b"folder7/a.o") && patterns.matches(b"folder7") && !patterns.matches(b"folder150/a.o")
        );
        let (answer, parent) = patterns.matches_below(b"folder150", &ParentMatches::default());
        assert!(!answer && !patterns.matches_below(b"folder150/a.o", &parent).0);
    }

    #[test]
    fn names_that_are_not_utf_8_are_matched_too() {
        let patterns = IgnorePatterns::new(&[b"caf\xe9".as_slice(), b"?x"]).unwrap();
        assert!(patterns.matches(b"caf\xe9") && patterns.matches(b"\xffx") && !patterns.matches(b"caf\xe8"));
    }
}
