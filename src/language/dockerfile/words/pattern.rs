//! The patterns of `${v#p}`, `${v%p}` and `${v/p/r}`: `*` is any text, `?` any character, and neither matches a line
//! end. There are no classes: `[` is literal.

use super::WordErrorKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Is(char),
}

/// A pattern, cut into its tokens.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Token>);

impl Pattern {
    /// A backslash makes `*`, `?` and itself literal, whatever the Dockerfile's escape character is. Before `}` and `/`
    /// it is removed, because it belongs to the substitution.
    pub(super) fn parse(text: &str) -> Result<Self, WordErrorKind> {
        let mut tokens = Vec::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let token = match character {
                '*' => Token::Any,
                '?' => Token::One,
                '\\' if matches!(characters.peek(), Some('}' | '/')) => continue,
                '\\' => match characters.next() {
                    Some(escaped @ ('*' | '?' | '\\')) => Token::Is(escaped),
                    other => {
                        let character = other.unwrap_or('\u{fffd}');
                        return Err(WordErrorKind::InvalidPattern { pattern: text.to_owned(), character });
                    }
                },
                other => Token::Is(other),
            };
            if token != Token::Any || tokens.last() != Some(&Token::Any) {
                tokens.push(token);
            }
        }
        Ok(Self(tokens))
    }

    /// `value` without its shortest (or longest) start that matches.
    pub(super) fn without_prefix(&self, value: &str, longest: bool) -> String {
        let characters: Vec<char> = value.chars().collect();
        let cut = self.ends(&characters, longest)[0].unwrap_or(0);
        characters[cut..].iter().collect()
    }

    /// `value` without its shortest (or longest) end that matches.
    pub(super) fn without_suffix(&self, value: &str, longest: bool) -> String {
        let reversed = Self(self.0.iter().rev().copied().collect());
        let characters: Vec<char> = value.chars().rev().collect();
        let cut = reversed.ends(&characters, longest)[0].unwrap_or(0);
        characters[cut..].iter().rev().collect()
    }

    /// Replaces the first match, the longest one at its position. The replacement is literal.
    pub(super) fn replace_first(&self, value: &str, replacement: &str) -> String {
        let characters: Vec<char> = value.chars().collect();
        let ends = self.ends(&characters, true);
        let Some((start, end)) = ends.iter().enumerate().find_map(|(start, end)| end.map(|end| (start, end))) else {
            return value.to_owned();
        };
        let mut result: String = characters[..start].iter().collect();
        result.push_str(replacement);
        result.extend(&characters[end..]);
        result
    }

    /// Replaces every match; `$0` in the replacement is the match, any other `$name` is empty. `None` if the result has
    /// more than `most` bytes.
    pub(super) fn replace_all(&self, value: &str, replacement: &str, most: usize) -> Option<String> {
        let characters: Vec<char> = value.chars().collect();
        let ends = self.ends(&characters, true);
        let mut result = String::new();
        let mut position = 0;
        let mut last_end = None;
        while position <= characters.len() {
            match ends[position] {
                // An empty match right after a match does not count.
                Some(end) if end > position || last_end != Some(position) => {
                    push_replacement(&mut result, replacement, &characters[position..end], most)?;
                    last_end = Some(end);
                    if end > position {
                        position = end;
                        continue;
                    }
                }
                _ => {}
            }
            result.extend(characters.get(position));
            position += 1;
        }
        (result.len() <= most).then_some(result)
    }

    /// For each position in the text, where a match that starts there ends. If there are several ways to match, the
    /// earlier `*` decides first: it takes as much (`longest`) or as little as it can.
    fn ends(&self, text: &[char], longest: bool) -> Vec<Option<usize>> {
        let mut ends: Vec<Option<usize>> = (0..=text.len()).map(Some).collect();
        for token in self.0.iter().rev() {
            match token {
                Token::Is(wanted) => advance(&mut ends, text, |character| character == *wanted),
                Token::One => advance(&mut ends, text, |character| character != '\n'),
                Token::Any => {
                    for place in (0..text.len()).rev() {
                        let more = if text[place] == '\n' { None } else { ends[place + 1] };
                        ends[place] = if longest { more.or(ends[place]) } else { ends[place].or(more) };
                    }
                }
            }
        }
        ends
    }
}

fn advance(ends: &mut [Option<usize>], text: &[char], matches: impl Fn(char) -> bool) {
    for place in 0..text.len() {
        ends[place] = if matches(text[place]) { ends[place + 1] } else { None };
    }
    ends[text.len()] = None;
}

/// The template rules of the reference's regular expressions: `$0`, `${0}`, `$$`; a `$` that starts nothing stays.
fn push_replacement(result: &mut String, template: &str, found: &[char], most: usize) -> Option<()> {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        rest = after;
        if result.len() > most {
            return None;
        }
        if let Some(after_dollar) = after.strip_prefix('$') {
            result.push('$');
            rest = after_dollar;
            continue;
        }
        match template_name(after) {
            Some((name, after_name)) => {
                if !name.is_empty() && name.bytes().all(|byte| byte == b'0') {
                    result.extend(found);
                }
                rest = after_name;
            }
            None => result.push('$'),
        }
    }
    result.push_str(rest);
    (result.len() <= most).then_some(())
}

fn template_name(text: &str) -> Option<(&str, &str)> {
    let is_name = |character: char| character == '_' || character.is_alphanumeric();
    let (inner, braced) = match text.strip_prefix('{') {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let length = inner.find(|character| !is_name(character)).unwrap_or(inner.len());
    let (name, after) = inner.split_at(length);
    if name.is_empty() {
        return None;
    }
    if braced { after.strip_prefix('}').map(|after| (name, after)) } else { Some((name, after)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_star_decides() {
        let pattern = Pattern::parse("*a*b").unwrap();
        assert_eq!(pattern.without_prefix("xaybab-", false), "ab-");
        assert_eq!(pattern.without_prefix("xaybab-", true), "-");
        assert_eq!(Pattern::parse("b*").unwrap().without_suffix("abab", false), "aba");
        assert_eq!(Pattern::parse("b*").unwrap().without_suffix("abab", true), "a");
    }

    #[test]
    fn a_long_text_takes_time_in_proportion() {
        let text = "a".repeat(20_000);
        let pattern = Pattern::parse("*a*a*a*a*b").unwrap();
        assert_eq!(pattern.replace_all(&text, "-", 20_000), Some(text));
    }

    #[test]
    fn the_replacement_knows_the_match() {
        assert_eq!(Pattern::parse("b").unwrap().replace_all("abc", "<$0$$${0}$1>", 99).unwrap(), "a<b$b>c");
        assert_eq!(Pattern::parse("b").unwrap().replace_first("abc", "<$0>"), "a<$0>c");
        assert_eq!(Pattern::parse("*").unwrap().replace_all("a\nb", "x", 99).unwrap(), "x\nx");
        assert_eq!(Pattern::parse("a").unwrap().replace_all("aaa", "xx", 5), None);
    }
}
