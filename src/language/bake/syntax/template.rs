//! Templates: text with values and directives in it.

use unicode_segmentation::UnicodeSegmentation as _;

use super::lexer::{Kind, Lexer, Token};
use super::parser::{Parsed, Parser};
use super::tree::{Expression, ForLoop};
use super::{Span, at};
use crate::language::bake::value::Value;

/// Parses a template without quotes.
///
/// # Errors
/// If a sequence in it is malformed.
pub(super) fn parse_template(text: &str, place: Span) -> Parsed<Expression> {
    let tokens = Lexer::bare(text, place)?;
    let mut parser = Parser::new(text, place.start, tokens);
    let parts = parser.parts(Kind::End, place)?;
    finished(parts, false, place)
}

/// The parts of a template, before directives are matched with their ends.
enum Part {
    Text { text: String, span: Span },
    Value { value: Expression, span: Span },
    If { condition: Expression, span: Span },
    For { names: (Option<String>, String), collection: Expression, span: Span },
    Else(Span),
    EndIf(Span),
    EndFor(Span),
}

impl Parser<'_> {
    /// A template after its opening quote or marker.
    pub(super) fn template(&mut self, open: Token) -> Parsed<Expression> {
        let (end, is_flush) = match open.kind {
            Kind::OpenHeredoc { is_flush } => (Kind::CloseHeredoc, is_flush),
            _ => (Kind::CloseQuote, false),
        };
        self.newlines.push(true);
        let parts = self.parts(end, open.span);
        self.newlines.pop();
        let close = self.peek().span;
        let span = Span { end: close.start.max(open.span.end), ..open.span };
        finished(parts?, is_flush, span)
    }

    fn parts(&mut self, end: Kind, start: Span) -> Parsed<Vec<Part>> {
        let mut parts = Vec::new();
        let mut trims_next = false;
        let mut may_trim_previous = false;
        loop {
            let next = self.read();
            if next.kind == end {
                return Ok(parts);
            }
            let trims = std::mem::take(&mut trims_next);
            let may_trim = std::mem::take(&mut may_trim_previous);
            let trims_before = |parts: &mut Vec<Part>, wanted: bool| {
                if wanted
                    && may_trim
                    && let Some(Part::Text { text, .. }) = parts.last_mut()
                {
                    text.truncate(text.trim_end().len());
                }
            };
            match next.kind {
                Kind::QuotedText | Kind::Text => {
                    let text = unescape(self.text_of(next), next.span, next.kind == Kind::QuotedText)?;
                    let text = if trims { text.trim_start().to_owned() } else { text };
                    parts.push(Part::Text { text, span: next.span });
                    may_trim_previous = true;
                }
                Kind::Interpolation { trims } => {
                    trims_before(&mut parts, trims);
                    let (value, close) = self.without_newlines(|parser| parser.interpolation(start, end))?;
                    trims_next = close.kind == Kind::SequenceEnd { trims: true };
                    parts.push(Part::Value { value, span: next.span.to(close.span) });
                }
                Kind::Directive { trims } => {
                    trims_before(&mut parts, trims);
                    let (part, close) = self.without_newlines(|parser| parser.directive(next))?;
                    trims_next = close.kind == Kind::SequenceEnd { trims: true };
                    parts.push(part);
                }
                _ => {
                    return Err(at(
                        next.span,
                        "Unterminated template string",
                        "No closing marker was found for the string.",
                    ));
                }
            }
        }
    }

    fn interpolation(&mut self, start: Span, end: Kind) -> Parsed<(Expression, Token)> {
        let value = self.expression()?;
        let close = self.peek();
        if matches!(close.kind, Kind::SequenceEnd { .. }) {
            return Ok((value, self.read()));
        }
        Err(match close.kind {
            Kind::End => at(
                start,
                "Unclosed template interpolation sequence",
                "There is no closing brace for this interpolation sequence before the end of the file. This might be \
                 caused by incorrect nesting inside the given expression.",
            ),
            Kind::OpenQuote | Kind::CloseQuote if end == Kind::CloseQuote => at(
                start,
                "Unclosed template interpolation sequence",
                "There is no closing brace for this interpolation sequence before the end of the quoted template. This \
                 might be caused by incorrect nesting inside the given expression.",
            ),
            Kind::Symbol(":") => at(
                close.span,
                "Extra characters after interpolation expression",
                "Template interpolation doesn't expect a colon at this location. Did you intend this to be a literal \
                 sequence to be processed as part of another language? If so, you can escape it by starting with \
                 \"$${\" instead of just \"${\".",
            ),
            _ => at(
                close.span,
                "Extra characters after interpolation expression",
                "Expected a closing brace to end the interpolation expression, but found extra characters. If this is \
                 an embedded sequence for another language, escape it by starting with \"$${\" instead of just \"${\".",
            ),
        })
    }

    fn directive(&mut self, open: Token) -> Parsed<(Part, Token)> {
        let keyword = self.peek();
        if keyword.kind != Kind::Identifier {
            return Err(at(
                keyword.span,
                "Invalid template directive",
                "A template directive keyword (\"if\", \"for\", etc) is expected at the beginning of a %{ sequence.",
            ));
        }
        self.read();
        let word = self.text_of(keyword);
        let part = match word {
            "if" => Part::If { condition: self.expression()?, span: open.span },
            "else" => Part::Else(open.span),
            "endif" => Part::EndIf(open.span),
            "endfor" => Part::EndFor(open.span),
            "for" => {
                let no_in = "For directive requires 'in' keyword after names.";
                let names = self.loop_names("Invalid 'for' directive", "directive", no_in)?;
                Part::For { names, collection: self.expression()?, span: open.span }
            }
            _ => {
                let known = ["if", "for", "else", "endif", "endfor"];
                let near = crate::base::nearest(word, &known);
                let hint = near.map(|near| format!(" Did you mean {near:?}?")).unwrap_or_default();
                let detail = format!("{word:?} is not a valid template control keyword.{hint}");
                return Err(at(keyword.span, "Invalid template control keyword", detail));
            }
        };
        let close = self.peek();
        if !matches!(close.kind, Kind::SequenceEnd { .. }) {
            return Err(at(
                close.span,
                format!("Extra characters in {word} marker"),
                "Expected a closing brace to end the sequence, but found extra characters.",
            ));
        }
        Ok((part, self.read()))
    }
}

/// The template as an expression.
fn finished(mut parts: Vec<Part>, is_flush: bool, span: Span) -> Parsed<Expression> {
    if is_flush {
        take_indentation_away(&mut parts);
    }
    join_texts(&mut parts);
    if let [Part::Value { .. }] = parts.as_slice() {
        return match parts.pop() {
            Some(Part::Value { value, span }) => Ok(Expression::Wrapped { inner: Box::new(value), span }),
            _ => Ok(text_literal("", span)),
        };
    }
    let end = Span { start: span.end, ..span };
    let mut assembly = Assembly { parts: parts.into_iter().peekable(), end };
    let mut inner = Vec::new();
    while assembly.parts.peek().is_some() {
        inner.push(assembly.expression()?);
    }
    if inner.is_empty() {
        inner.push(text_literal("", span));
    }
    Ok(Expression::Template { parts: inner, span })
}

fn text_literal(text: &str, span: Span) -> Expression {
    Expression::Literal { value: Value::text(text), span }
}

/// For `<<-`: removes the indentation of the least indented line from all lines.
fn take_indentation_away(parts: &mut [Part]) {
    let mut least = usize::MAX;
    let mut is_line_start = true;
    let mut lines = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if std::mem::take(&mut is_line_start) {
            let indentation = match part {
                Part::Text { text, .. } => {
                    let trimmed = text.trim_start();
                    if trimmed.is_empty() && text.ends_with('\n') {
                        usize::MAX
                    } else {
                        lines.push(index);
                        text[..text.len() - trimmed.len()].graphemes(true).count()
                    }
                }
                _ => 0,
            };
            least = least.min(indentation);
        }
        if let Part::Text { text, .. } = part {
            is_line_start = text.ends_with('\n');
        }
    }
    for index in lines {
        if let Part::Text { text, .. } = &mut parts[index] {
            let kept: usize = text.graphemes(true).take(least).map(str::len).sum();
            *text = text.split_off(kept);
        }
    }
}

fn join_texts(parts: &mut Vec<Part>) {
    let mut joined: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts.drain(..) {
        match (joined.last_mut(), part) {
            (Some(Part::Text { text, span }), Part::Text { text: more, span: more_span }) => {
                text.push_str(&more);
                *span = span.to(more_span);
            }
            (_, part) => joined.push(part),
        }
    }
    *parts = joined;
}

/// Matches directives with their ends.
struct Assembly<I: Iterator<Item = Part>> {
    parts: std::iter::Peekable<I>,
    end: Span,
}

const UNBALANCED: &str = "The control directives within this template are unbalanced.";

impl<I: Iterator<Item = Part>> Assembly<I> {
    fn expression(&mut self) -> Parsed<Expression> {
        match self.parts.next() {
            None => Err(at(self.end, "Unexpected end of template", UNBALANCED)),
            Some(Part::Text { text, span }) => Ok(text_literal(&text, span)),
            Some(Part::Value { value, .. }) => Ok(value),
            Some(Part::If { condition, span }) => self.conditional(condition, span),
            Some(Part::For { names, collection, span }) => self.for_loop(names, collection, span),
            Some(Part::Else(span)) => Err(at(span, "Unexpected else directive", UNBALANCED)),
            Some(Part::EndIf(span)) => Err(at(span, "Unexpected endif directive", UNBALANCED)),
            Some(Part::EndFor(span)) => Err(at(span, "Unexpected endfor directive", UNBALANCED)),
        }
    }

    fn conditional(&mut self, condition: Expression, open: Span) -> Parsed<Expression> {
        let mut yes = Vec::new();
        let mut no: Option<Vec<Expression>> = None;
        let end = loop {
            match self.parts.peek() {
                None => {
                    return Err(at(
                        self.end,
                        "Unexpected end of template",
                        "The if directive is missing its corresponding endif directive.",
                    ));
                }
                Some(Part::Else(span)) => {
                    if no.is_some() {
                        return Err(at(*span, "Unexpected else directive", "Already in the else clause for the if."));
                    }
                    no = Some(Vec::new());
                    self.parts.next();
                }
                Some(Part::EndIf(span)) => {
                    let span = *span;
                    self.parts.next();
                    break span;
                }
                Some(Part::EndFor(span)) => {
                    return Err(at(
                        *span,
                        "Unexpected endfor directive",
                        "Expecting an endif directive for the if directive.",
                    ));
                }
                Some(_) => {
                    let part = self.expression()?;
                    no.as_mut().unwrap_or(&mut yes).push(part);
                }
            }
        };
        let span = open.to(end);
        Ok(Expression::Conditional {
            condition: Box::new(condition),
            yes: Box::new(template_of(yes, open)),
            no: Box::new(template_of(no.unwrap_or_default(), end)),
            span,
        })
    }

    fn for_loop(&mut self, names: (Option<String>, String), collection: Expression, open: Span) -> Parsed<Expression> {
        let mut content = Vec::new();
        let end = loop {
            match self.parts.peek() {
                None => {
                    return Err(at(
                        self.end,
                        "Unexpected end of template",
                        "The for directive is missing its corresponding endfor directive.",
                    ));
                }
                Some(Part::Else(span)) => {
                    return Err(at(
                        *span,
                        "Unexpected else directive",
                        "An else clause is not expected for a for directive.",
                    ));
                }
                Some(Part::EndFor(span)) => {
                    let span = *span;
                    self.parts.next();
                    break span;
                }
                Some(Part::EndIf(span)) => {
                    return Err(at(
                        *span,
                        "Unexpected endif directive",
                        "Expecting an endfor directive corresponding to the for directive.",
                    ));
                }
                Some(_) => content.push(self.expression()?),
            }
        };
        Ok(Expression::Joined(Box::new(Expression::For(Box::new(ForLoop {
            key_name: names.0,
            value_name: names.1,
            collection,
            key: None,
            value: template_of(content, open),
            condition: None,
            is_grouped: false,
            span: open.to(end),
        })))))
    }
}

fn template_of(mut parts: Vec<Expression>, span: Span) -> Expression {
    if parts.is_empty() {
        parts.push(text_literal("", span));
    }
    Expression::Template { parts, span }
}

/// The meaning of the text: escapes are replaced, `$${` and `%%{` become `${` and `%{`.
pub(super) fn unescape(raw: &str, span: Span, is_quoted: bool) -> Parsed<String> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at_special) = rest.find(['\\', '$', '%']) {
        text.push_str(&rest[..at_special]);
        rest = &rest[at_special..];
        let consumed = if rest.starts_with("$${") || rest.starts_with("%%{") {
            text.push_str(&rest[1..3]);
            3
        } else if is_quoted && rest.starts_with('\\') {
            let offset = raw.len() - rest.len();
            let place = Span { start: span.start + offset, ..span };
            escape(rest, place, &mut text)?
        } else {
            text.push_str(&rest[..1]);
            1
        };
        rest = &rest[consumed..];
    }
    text.push_str(rest);
    Ok(text)
}

/// Decodes one escape, and returns its length.
fn escape(rest: &str, span: Span, text: &mut String) -> Parsed<usize> {
    const SUMMARY: &str = "Invalid escape sequence";
    let Some(selector) = rest[1..].chars().next() else {
        let detail = "Backslash must be followed by an escape sequence selector character.";
        return Err(at(span, SUMMARY, detail));
    };
    let (letter, length) = match selector {
        'n' => ('\n', 2),
        'r' => ('\r', 2),
        't' => ('\t', 2),
        '"' => ('"', 2),
        '\\' => ('\\', 2),
        'u' | 'U' => {
            let (digits, words) = if selector == 'u' { (4, "four") } else { (8, "eight") };
            let hexadecimal =
                rest.get(2..2 + digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let Some(number) = hexadecimal.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
                let detail =
                    format!("The \\{selector} escape sequence must be followed by {words} hexadecimal digits.");
                return Err(at(span, SUMMARY, detail));
            };
            let Some(letter) = char::from_u32(number) else {
                return Err(at(span, SUMMARY, format!("Cannot encode character U+{number:04x} in UTF-8.")));
            };
            (letter, 2 + digits)
        }
        other => {
            let detail = format!("The symbol {:?} is not a valid escape sequence selector.", other.to_string());
            return Err(at(span, SUMMARY, detail));
        }
    };
    text.push(letter);
    Ok(length)
}
