//! Targets and outlines as text and as JSON, both in buildx's form.

use serde_json::{Map, Value, json};

use super::{base64, location, pretty};
use crate::build::Described;
use crate::language::dockerfile::outline::{Argument, Given, Outline, Target};

pub(super) fn targets_text(targets: &[Target]) -> String {
    let name = |target: &Target| match (target.name.as_str(), target.is_default) {
        ("", true) => "(default)".to_owned(),
        (name, true) => format!("{name} (default)"),
        (name, false) => name.to_owned(),
    };
    let heading = ["TARGET".to_owned(), "DESCRIPTION".to_owned()];
    let rows = targets.iter().map(|target| [name(target), target.description.clone()]);
    columns(&std::iter::once(heading).chain(rows).collect::<Vec<_>>(), 1)
}

pub(super) fn targets_json(described: &Described<Vec<Target>>) -> String {
    let target = |target: &Target| {
        let mut object = Map::new();
        put(&mut object, "name", &target.name);
        if target.is_default {
            object.insert("default".to_owned(), true.into());
        }
        put(&mut object, "description", &target.description);
        put(&mut object, "base", &target.base);
        put(&mut object, "platform", &target.platform);
        object.insert("location".to_owned(), location(target.lines));
        Value::from(object)
    };
    let targets: Vec<Value> = described.description.iter().map(target).collect();
    pretty(&json!({ "targets": targets, "sources": [base64(&described.source)] }))
}

pub(super) fn outline_text(outline: &Outline) -> String {
    let mut blocks = Vec::new();
    if !outline.name.is_empty() {
        let mut rows = vec![["TARGET:".to_owned(), outline.name.clone()]];
        if !outline.description.is_empty() {
            rows.push(["DESCRIPTION:".to_owned(), outline.description.clone()]);
        }
        blocks.push(columns(&rows, 1));
    }
    if !outline.arguments.is_empty() {
        let heading = ["BUILD ARG", "VALUE", "DESCRIPTION"].map(str::to_owned);
        let row = |one: &Argument| [one.name.clone(), one.value.clone(), one.description.clone()];
        let rows: Vec<_> = std::iter::once(heading).chain(outline.arguments.iter().map(row)).collect();
        blocks.push(columns(&rows, 3));
    }
    for (title, list) in [("SECRET", &outline.secrets), ("SSH", &outline.ssh)] {
        if !list.is_empty() {
            let heading = [title.to_owned(), "REQUIRED".to_owned()];
            let required = |one: &Given| if one.required { "true".to_owned() } else { String::new() };
            let rows = list.iter().map(|one| [one.id.clone(), required(one)]);
            blocks.push(columns(&std::iter::once(heading).chain(rows).collect::<Vec<_>>(), 3));
        }
    }
    blocks.iter().map(|block| format!("{block}\n")).collect()
}

pub(super) fn outline_json(described: &Described<Outline>) -> String {
    let outline = &described.description;
    let argument = |one: &Argument| {
        let mut object = Map::new();
        object.insert("name".to_owned(), one.name.clone().into());
        put(&mut object, "description", &one.description);
        put(&mut object, "value", &one.value);
        object.insert("location".to_owned(), location(one.lines));
        Value::from(object)
    };
    let given = |one: &Given| {
        let mut object = Map::new();
        object.insert("name".to_owned(), one.id.clone().into());
        if one.required {
            object.insert("required".to_owned(), true.into());
        }
        object.insert("location".to_owned(), location(one.lines));
        Value::from(object)
    };
    let mut report = Map::new();
    put(&mut report, "name", &outline.name);
    put(&mut report, "description", &outline.description);
    let lists: [(&str, Vec<Value>); 3] = [
        ("args", outline.arguments.iter().map(argument).collect()),
        ("secrets", outline.secrets.iter().map(given).collect()),
        ("ssh", outline.ssh.iter().map(given).collect()),
    ];
    for (key, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        report.insert(key.to_owned(), list.into());
    }
    report.insert("sources".to_owned(), json!([base64(&described.source)]));
    pretty(&Value::from(report))
}

/// Empty texts are left out.
fn put(object: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        object.insert(key.to_owned(), text.into());
    }
}

/// Aligned rows, with `gap` blanks between the columns.
fn columns<const N: usize>(rows: &[[String; N]], gap: usize) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0) + gap;
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}
