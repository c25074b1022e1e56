//! Lists of rows as docker prints them: a table, JSON lines, or a template for each row.

use serde_json::{Map, Value};

use super::{FormatError, Missing, Template};

/// docker's settings of Go's tabwriter: the minimum width and the padding of columns.
const MIN_WIDTH: usize = 10;
const PADDING: usize = 3;

/// A field of rows, and its heading in tables.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub field: &'static str,
    pub heading: &'static str,
}

/// How a list is printed.
#[derive(Debug, Clone, PartialEq)]
pub enum Listing {
    /// A table with headings.
    Table(Template),
    /// Each row separately.
    Rows(Template),
}

/// Whether a format uses a field of rows: by its name, or all fields as JSON. Values that take long to compute are left
/// out otherwise; like docker, also for `json` alone.
pub fn shows(format: &str, field: &str) -> bool {
    let dot =
        |rest: &str| rest.trim_start().strip_prefix('.').is_some_and(|rest| !rest.starts_with(char::is_alphabetic));
    format.contains(&format!(".{field}")) || format.split("json").skip(1).any(dot)
}

impl Listing {
    /// Parses `--format`; `default` is the table's template for no format or just `table`.
    pub fn parse(format: Option<&str>, default: &str) -> Result<Self, FormatError> {
        // docker accepts these two escapes outside of actions too.
        let format = format.unwrap_or_default().replace("\\t", "\t").replace("\\n", "\n");
        match format.as_str() {
            "" | "table" => Ok(Self::Table(Template::parse(default)?)),
            "json" => Ok(Self::Rows(Template::parse("{{json .}}")?)),
            other => match other.strip_prefix("table ") {
                Some(row) => Ok(Self::Table(Template::parse(row.trim_start())?)),
                None => Ok(Self::Rows(Template::parse(other)?)),
            },
        }
    }

    /// Each row with a template of docker.
    pub fn rows(template: &str) -> Result<Self, FormatError> {
        Ok(Self::Rows(Template::parse(template)?))
    }

    /// The list as text, each row with a newline. Rows have the values of all `columns`.
    pub fn render(&self, columns: &[Column], rows: &[Value]) -> Result<String, FormatError> {
        let lines = |template: &Template| -> Result<Vec<String>, FormatError> {
            rows.iter().map(|row| template.render(row, Missing::Row)).collect()
        };
        match self {
            Self::Rows(template) => Ok(lines(template)?.into_iter().map(|line| line + "\n").collect()),
            Self::Table(template) => {
                let mut headings: Map<String, Value> =
                    columns.iter().map(|column| (column.field.to_owned(), Value::from(column.heading))).collect();
                headings.insert("Label".to_owned(), Value::from(""));
                let mut all = vec![template.render(&Value::Object(headings), Missing::Row)?];
                all.extend(lines(template)?);
                Ok(align(&all))
            }
        }
    }
}

/// Aligns cells, which end with tabs. The last cell of a line has no tab and no width.
fn align(lines: &[String]) -> String {
    let rows: Vec<Vec<&str>> = lines.iter().map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        for (column, cell) in row[..row.len() - 1].iter().enumerate() {
            if column == widths.len() {
                widths.push(MIN_WIDTH);
            }
            widths[column] = widths[column].max(cell.chars().count() + PADDING);
        }
    }
    let mut out = String::new();
    for row in rows {
        let (last, cells) = row.split_last().map_or(("", [].as_slice()), |(last, cells)| (*last, cells));
        for (cell, width) in cells.iter().zip(&widths) {
            out.push_str(cell);
            out.push_str(&" ".repeat(width - cell.chars().count()));
        }
        out.push_str(last);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: &[Column] =
        &[Column { field: "ID", heading: "IMAGE ID" }, Column { field: "Size", heading: "SIZE" }];

    fn render(format: Option<&str>) -> String {
        let rows = [json!({"ID": "aaaaaaaaaaaa", "Size": "1MB"}), json!({"ID": "b", "Size": "2.5kB"})];
        Listing::parse(format, "{{.ID}}\t{{.Size}}").unwrap().render(COLUMNS, &rows).unwrap()
    }

    #[test]
    fn tables_are_aligned_as_dockers() {
        assert_eq!(render(None), "IMAGE ID       SIZE\naaaaaaaaaaaa   1MB\nb              2.5kB\n");
        assert_eq!(
            render(Some(r"table {{.Size}}\t{{.ID}}")),
            "SIZE      IMAGE ID\n1MB       aaaaaaaaaaaa\n2.5kB     b\n"
        );
    }

    #[test]
    fn rows_follow_the_template() {
        assert_eq!(render(Some("{{.ID}}:{{.Size}}")), "aaaaaaaaaaaa:1MB\nb:2.5kB\n");
        assert_eq!(
            render(Some("json")),
            "{\"ID\":\"aaaaaaaaaaaa\",\"Size\":\"1MB\"}\n{\"ID\":\"b\",\"Size\":\"2.5kB\"}\n"
        );
    }
}
