//! `--list`.

use crate::cli::CliError;
use crate::language::bake::{Bakery, fields, listed_json, variables_json};

/// What is listed, and how.
pub(super) struct List {
    kind: Kind,
    is_json: bool,
}

enum Kind {
    Targets,
    Variables,
}

impl List {
    pub(super) fn parse(text: &str) -> Result<Self, CliError> {
        let fields = fields(text, ',').map_err(CliError::new)?;
        let (mut kind, mut format) = (String::new(), "table".to_owned());
        if fields.as_slice() == [text] && !text.starts_with("type=") {
            text.clone_into(&mut kind);
        } else {
            for field in &fields {
                let Some((key, value)) = field.split_once('=') else {
                    return Err(CliError::new(format!("invalid value {field}")));
                };
                match key.trim().to_lowercase().as_str() {
                    "type" => value.clone_into(&mut kind),
                    "format" => value.clone_into(&mut format),
                    key => return Err(CliError::new(format!("unexpected key '{key}' in '{field}'"))),
                }
            }
        }
        let kind = match kind.as_str() {
            "targets" => Kind::Targets,
            "variables" => Kind::Variables,
            other => return Err(CliError::new(format!("invalid list type {other:?}"))),
        };
        match format.as_str() {
            "table" => Ok(Self { kind, is_json: false }),
            "json" => Ok(Self { kind, is_json: true }),
            other => Err(CliError::new(format!("invalid list format {other:?}"))),
        }
    }
}

pub(super) fn text(list: &List, bakery: &Bakery) -> Result<String, CliError> {
    let json = match list.kind {
        Kind::Targets => listed_json(&bakery.config.listed()),
        Kind::Variables => variables_json(bakery.variables.as_deref()),
    };
    if list.is_json {
        return Ok(format!("{json:#}\n"));
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    match list.kind {
        Kind::Targets => {
            rows.push(["TARGET", "DESCRIPTION"].map(str::to_owned).into());
            rows.extend(bakery.config.listed().into_iter().map(|listed| vec![listed.name, listed.description]));
        }
        Kind::Variables => {
            rows.push(["VARIABLE", "TYPE", "VALUE", "DESCRIPTION"].map(str::to_owned).into());
            rows.extend(bakery.variables.iter().flatten().cloned().map(|variable| {
                let value = variable.value.unwrap_or_else(|| "<null>".to_owned());
                vec![variable.name, variable.kind, value, variable.description]
            }));
        }
    }
    Ok(table(&rows))
}

/// The distance between tab stops.
const TAB: usize = 8;

/// Columns that are aligned by tabs, as buildx aligns them.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let length = |text: &String| text.chars().count();
    let stops: Vec<usize> = (0..columns)
        .map(|column| {
            let longest = rows.iter().map(|row| length(&row[column])).max().unwrap_or(0);
            (longest + 1).next_multiple_of(TAB)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < columns {
                text.push_str(&"\t".repeat((stops[column] - length(cell)).div_ceil(TAB)));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_end_at_tab_stops() {
        let rows = [["TARGET", "D"], ["described", "x"], ["a", ""]].map(|row| row.map(str::to_owned).into());
        assert_eq!(table(&rows), "TARGET\t\tD\ndescribed\tx\na\t\t\n");
    }

    #[test]
    fn lists_are_named_in_several_ways() {
        for text in ["targets", "type=variables", "type=targets,format=json", "\"type=targets\",\"format=json\""] {
            assert!(List::parse(text).is_ok(), "{text}");
        }
        for text in ["", "x", "type=targets,format=x", "type=targets,x=y", "targets,format=json"] {
            assert!(List::parse(text).is_err(), "{text}");
        }
    }
}
