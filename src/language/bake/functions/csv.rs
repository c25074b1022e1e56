//! Comma-separated values: whole documents, and the single lines of options.

use std::collections::BTreeMap;

use super::{Failure, Function, Outcome, Wanted, function, parameter, text_of};
use crate::language::bake::value::{Type, Value};

pub(super) const FUNCTIONS: &[Function] = &[function("csvdecode", &[parameter("str", Wanted::Text)], decode)];

fn decode(all: &[Value]) -> Outcome {
    let mut records = records(text_of(all, 0))?.into_iter();
    let Some((_, header)) = records.next() else {
        return Err(Failure::new("missing header line"));
    };
    let mut kinds = BTreeMap::new();
    for name in &header {
        if kinds.insert(name.clone(), Type::String).is_some() {
            return Err(Failure::new(format!("duplicate column name {name:?}")));
        }
    }
    let mut rows = Vec::new();
    for (line, record) in records {
        if record.len() != header.len() {
            return Err(Failure::new(format!("CSV parse error on line {line}: wrong number of fields")));
        }
        let values = header.iter().cloned().zip(record.into_iter().map(Value::text));
        rows.push(Value::Object(values.collect()));
    }
    Ok(Value::List(Type::object(kinds), rows))
}

/// The records with the lines on which they start. Empty lines are skipped.
fn records(text: &str) -> Result<Vec<(usize, Vec<String>)>, Failure> {
    let mut records = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')) {
            rest = behind;
            line += 1;
            continue;
        }
        let start = line;
        let mut record = Vec::new();
        loop {
            let (field, behind, lines) =
                field(rest, true).map_err(|what| Failure::new(format!("CSV parse error on line {line}: {what}")))?;
            record.push(field);
            line += lines;
            rest = behind;
            match rest.strip_prefix(',') {
                Some(behind) => rest = behind,
                None => break,
            }
        }
        records.push((start, record));
        rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
        line += 1;
    }
    Ok(records)
}

/// One field, the rest, and how many lines the field spans.
fn field(text: &str, has_lines: bool) -> Result<(String, &str, usize), &'static str> {
    const STRAY: &str = "extraneous or missing \" in quoted-field";
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find(|letter| letter == ',' || (has_lines && letter == '\n')).unwrap_or(text.len());
        let plain = if text[end..].starts_with('\n') {
            text[..end].strip_suffix('\r').unwrap_or(&text[..end])
        } else {
            &text[..end]
        };
        if plain.contains('"') {
            return Err("bare \" in non-quoted-field");
        }
        return Ok((plain.to_owned(), &text[plain.len()..], 0));
    };
    let mut value = String::new();
    let mut lines = 0;
    loop {
        let quote = rest.find('"').ok_or(STRAY)?;
        let part = &rest[..quote];
        lines += part.matches('\n').count();
        value.push_str(&part.replace("\r\n", "\n"));
        rest = &rest[quote + 1..];
        match rest.strip_prefix('"') {
            Some(behind) => {
                value.push('"');
                rest = behind;
            }
            None => break,
        }
    }
    let is_end =
        rest.is_empty() || rest.starts_with(',') || (has_lines && (rest.starts_with('\n') || rest.starts_with("\r\n")));
    if is_end { Ok((value, rest, lines)) } else { Err(STRAY) }
}

/// The fields of a single line.
///
/// # Errors
/// If it is empty, or its quotes are malformed.
pub fn fields(line: &str, separator: char) -> Result<Vec<String>, &'static str> {
    let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() {
        return Err("EOF");
    }
    if separator != ',' {
        return split(line, separator);
    }
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (value, behind, _) = field(rest, false)?;
        fields.push(value);
        match behind.strip_prefix(',') {
            Some(behind) => rest = behind,
            None => return Ok(fields),
        }
    }
}

/// With a separator other than a comma, for the pairs of a map.
fn split(line: &str, separator: char) -> Result<Vec<String>, &'static str> {
    let swap = |text: &str| -> String {
        text.chars()
            .map(|letter| match letter {
                ',' => separator,
                other if other == separator => ',',
                other => other,
            })
            .collect()
    };
    Ok(fields(&swap(line), ',')?.iter().map(|field| swap(field)).collect())
}
