//! One record of comma-separated fields, as `--mount` and `--device` are written.

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum CsvError {
    #[error("the value is empty")]
    Empty,
    #[error("a quote inside an unquoted field")]
    BareQuote,
    #[error("a quoted field is not closed, or text follows its closing quote")]
    BadQuote,
}

/// The fields. A field in double quotes may hold commas; a doubled quote in it is one.
pub fn fields(record: &str) -> Result<Vec<String>, CsvError> {
    let mut rest = record.trim_end_matches(['\r', '\n']);
    if rest.is_empty() {
        return Err(CsvError::Empty);
    }
    let mut fields = Vec::new();
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(inside) => quoted_field(inside)?,
            None => plain_field(rest)?,
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(fields),
        }
    }
}

fn plain_field(text: &str) -> Result<(String, &str), CsvError> {
    let length = text.find(',').unwrap_or(text.len());
    let (field, after) = text.split_at(length);
    if field.contains('"') { Err(CsvError::BareQuote) } else { Ok((field.to_owned(), after)) }
}

fn quoted_field(mut text: &str) -> Result<(String, &str), CsvError> {
    let mut field = String::new();
    loop {
        let (before, after) = text.split_once('"').ok_or(CsvError::BadQuote)?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                text = next;
            }
            None if after.is_empty() || after.starts_with(',') => return Ok((field, after)),
            None => return Err(CsvError::BadQuote),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_commas() {
        assert_eq!(fields(r#"a=1,"b=2,""3""",c"#).unwrap(), ["a=1", "b=2,\"3\"", "c"]);
        assert_eq!(fields("a,,").unwrap(), ["a", "", ""]);
        assert_eq!(fields(r#"a="1""#), Err(CsvError::BareQuote));
        assert_eq!(fields(r#""a"b"#), Err(CsvError::BadQuote));
        assert_eq!(fields(""), Err(CsvError::Empty));
    }
}
