//! YAML → nodes, with the types of Go's YAML package.

use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

/// A value of a compose file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    /// A date, which no field of a compose file accepts.
    Date,
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
    /// `!reset`: removes another file's value.
    Reset,
    /// `!override`: replaces another file's value.
    Override(Box<Node>),
}

/// More nodes than any compose file has; aliases can multiply them.
const MAX_NODES: usize = 500_000;
const MAX_DEPTH: usize = 128;

/// All documents of a text.
///
/// # Errors
/// What is wrong, and in which line.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, String> {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0, depth: 0 };
    let mut documents = Vec::new();
    loop {
        let (event, _) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::DocumentStart(_) => {
                let (event, line) = reader.next()?;
                documents.push(reader.node(event, line)?);
            }
            _ => {}
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, usize), String> {
        match self.parser.next() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(error)) => Err(format!("yaml: {error}")),
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn count(&mut self, nodes: usize) -> Result<(), String> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(format!("yaml: document has more than {MAX_NODES} values"));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, line: usize) -> Result<Node, String> {
        self.count(1)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("yaml: line {line}: more than {MAX_DEPTH} values stand in each other"));
        }
        let (node, anchor, tag) = match event {
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                let node = known.ok_or_else(|| format!("yaml: line {line}: anchor contains itself"))?;
                self.count(size(&node))?;
                (node, 0, None)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let core =
                    tag.as_deref().filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str().to_owned());
                let node = match (core.as_deref(), style) {
                    (Some("str"), _) => Node::Text(text.into_owned()),
                    (None, ScalarStyle::Plain) | (Some(_), _) => scalar(&text),
                    _ => Node::Text(text.into_owned()),
                };
                (node, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (self.list()?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.map(line)?, anchor, tag),
            _ => return Err(format!("yaml: line {line}: a value is missing")),
        };
        self.depth -= 1;
        let node = match local_tag(tag.as_deref()) {
            Some("reset") => Node::Reset,
            Some("override") => Node::Override(Box::new(node)),
            _ => node,
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self) -> Result<Node, String> {
        let mut elements = Vec::new();
        loop {
            let (event, line) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Node::List(elements));
            }
            elements.push(self.node(event, line)?);
        }
    }

    fn map(&mut self, start: usize) -> Result<Node, String> {
        let mut entries = BTreeMap::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        let mut merged: Vec<Node> = Vec::new();
        loop {
            let (event, line) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, _) if text == "<<");
            let key = match self.node(event, line)? {
                Node::Text(key) => key,
                Node::Null => "null".to_owned(),
                other => match super::text_of(&other) {
                    Some(key) => key,
                    None => return Err(format!("yaml: line {start}: a key is not a string")),
                },
            };
            let (event, value_line) = self.next()?;
            let value = self.node(event, value_line)?;
            if is_merge {
                match value {
                    Node::List(all) => merged.extend(all),
                    other => merged.push(other),
                }
                continue;
            }
            if let Some(first) = lines.insert(key.clone(), line) {
                return Err(format!("line {line}: mapping key {key:?} already defined at line {first}"));
            }
            entries.insert(key, value);
        }
        for node in merged {
            let Node::Map(more) = node else {
                return Err(format!("yaml: line {start}: map merge requires map or sequence of maps as the value"));
            };
            for (key, value) in more {
                entries.entry(key).or_insert(value);
            }
        }
        Ok(Node::Map(entries))
    }
}

fn local_tag(tag: Option<&Tag>) -> Option<&str> {
    tag.filter(|tag| !tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str())
}

fn size(node: &Node) -> usize {
    match node {
        Node::List(elements) => 1 + elements.iter().map(size).sum::<usize>(),
        Node::Map(entries) => 1 + entries.values().map(size).sum::<usize>(),
        Node::Override(inner) => size(inner),
        _ => 1,
    }
}

fn scalar(text: &str) -> Node {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Node::Null,
        "true" | "True" | "TRUE" => return Node::Bool(true),
        "false" | "False" | "FALSE" => return Node::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Node::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Node::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Node::Float(f64::NAN),
        _ => {}
    }
    if !text.starts_with(|letter: char| letter.is_ascii_digit() || matches!(letter, '+' | '-' | '.')) {
        return Node::Text(text.to_owned());
    }
    if is_date(text) {
        return Node::Date;
    }
    let plain = text.replace('_', "");
    if let Some(number) = integer(&plain) {
        return Node::Integer(number);
    }
    let looks_like_float = !plain.is_empty()
        && plain.bytes().all(|letter| letter.is_ascii_digit() || matches!(letter, b'+' | b'-' | b'.' | b'e' | b'E'))
        && plain.bytes().any(|letter| letter.is_ascii_digit());
    match plain.parse() {
        Ok(number) if looks_like_float => Node::Float(number),
        _ => Node::Text(text.to_owned()),
    }
}

/// A 64-bit integer, decimal or with the prefix of another base; a leading zero means octal.
fn integer(text: &str) -> Option<i128> {
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
        return None;
    }
    let number = i128::from_str_radix(digits, base).ok()?;
    let number = if is_negative { -number } else { number };
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&number).then_some(number)
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.get(..10).unwrap_or(text).split('-').collect();
    let is_number = |part: &str, length: std::ops::RangeInclusive<usize>| {
        length.contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_digit())
    };
    match parts.as_slice() {
        [year, month, day] => {
            let day = day.split(['T', 't', ' ']).next().unwrap_or_default();
            is_number(year, 4..=4) && is_number(month, 1..=2) && is_number(day, 1..=2)
        }
        _ => false,
    }
}
