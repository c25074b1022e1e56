//! Calls, tuples, objects and loops.

use super::lexer::{Kind, Token};
use super::parser::{Parsed, Parser};
use super::tree::{Expression, ForLoop, Key};
use super::{Span, at};
use crate::language::bake::error::Diagnostic;

impl Parser<'_> {
    pub(super) fn call(&mut self, first: Token) -> Parsed<Expression> {
        let mut name = self.text_of(first).to_owned();
        let mut name_span = first.span;
        while self.read_if("::").is_some() {
            let part = self.read();
            if part.kind != Kind::Identifier {
                return Err(at(
                    part.span,
                    "Missing function name",
                    "Function scope resolution symbol :: must be followed by a function name in this scope.",
                ));
            }
            name = format!("{name}::{}", self.text_of(part));
            name_span = name_span.to(part.span);
        }
        let open = self.read();
        if open.kind != Kind::Symbol("(") {
            return Err(at(
                open.span,
                "Missing open parenthesis",
                "Function selector must be followed by an open parenthesis to begin the function call.",
            ));
        }
        let (arguments, is_expanded, close) =
            self.without_newlines(|parser| parser.arguments(name_span.to(open.span)))?;
        Ok(Expression::Call { name, arguments, is_expanded, name_span, close })
    }

    fn arguments(&mut self, head: Span) -> Parsed<(Vec<Expression>, bool, Span)> {
        let mut arguments = Vec::new();
        loop {
            if let Some(close) = self.read_if(")") {
                return Ok((arguments, false, close.span));
            }
            arguments.push(self.expression()?);
            let separator = self.read();
            match separator.kind {
                Kind::Symbol(")") => return Ok((arguments, false, separator.span)),
                Kind::Symbol(",") => {}
                Kind::Symbol("...") => {
                    let close = self.read();
                    if close.kind != Kind::Symbol(")") {
                        return Err(at(
                            close.span,
                            "Missing closing parenthesis",
                            "An expanded function argument (with ...) must be immediately followed by closing \
                             parentheses.",
                        ));
                    }
                    return Ok((arguments, true, close.span));
                }
                Kind::End => {
                    return Err(at(
                        head,
                        "Unterminated function call",
                        "There is no closing parenthesis for this function call before the end of the file. This may \
                         be caused by incorrect parenthesis nesting elsewhere in this file.",
                    ));
                }
                _ => {
                    return Err(at(
                        separator.span,
                        "Missing argument separator",
                        "A comma is required to separate each function argument from the next.",
                    ));
                }
            }
        }
    }

    pub(super) fn tuple(&mut self, open: Token) -> Parsed<Expression> {
        if self.next_word("for") {
            return self.for_loop(open, "]");
        }
        let mut elements = Vec::new();
        loop {
            if let Some(close) = self.read_if("]") {
                return Ok(Expression::Tuple { elements, span: open.span.to(close.span) });
            }
            elements.push(self.expression()?);
            let next = self.peek();
            match next.kind {
                Kind::Symbol("]") => {}
                Kind::Symbol(",") => _ = self.read(),
                Kind::End => {
                    return Err(at(
                        open.span,
                        "Unterminated tuple constructor expression",
                        "There is no corresponding closing bracket before the end of the file. This may be caused by \
                         incorrect bracket nesting elsewhere in this file.",
                    ));
                }
                _ => {
                    return Err(at(
                        next.span,
                        "Missing item separator",
                        "Expected a comma to mark the beginning of the next item.",
                    ));
                }
            }
        }
    }

    pub(super) fn object(&mut self, open: Token) -> Parsed<Expression> {
        let is_for = self.without_newlines(|parser| {
            let start = parser.at;
            let is_for = parser.next_word("for");
            if !is_for {
                parser.at = start;
            }
            Ok(is_for)
        })?;
        if is_for {
            return self.without_newlines(|parser| parser.for_loop(open, "}"));
        }
        self.newlines.push(true);
        let object = self.object_items(open);
        self.newlines.pop();
        object
    }

    fn object_items(&mut self, open: Token) -> Parsed<Expression> {
        let mut items = Vec::new();
        loop {
            let next = self.peek();
            match next.kind {
                Kind::Newline => {
                    self.read();
                    continue;
                }
                Kind::Symbol("}") => {
                    self.read();
                    return Ok(Expression::Object { items, is_json: false, span: open.span.to(next.span) });
                }
                _ => {}
            }
            let is_forced = next.kind == Kind::Symbol("(");
            let expression = self.expression()?;
            let separator = self.peek();
            if !matches!(separator.kind, Kind::Symbol("=" | ":")) {
                return Err(missing_value(open, separator));
            }
            self.read();
            let value = self.expression()?;
            items.push((Key { expression, is_forced }, value));
            let next = self.peek();
            match next.kind {
                Kind::Symbol("}") => {}
                Kind::Symbol(",") | Kind::Newline => _ = self.read(),
                Kind::End => return Err(at(open.span, "Unterminated object constructor expression", UNCLOSED_OBJECT)),
                _ => {
                    return Err(at(
                        next.span,
                        "Missing attribute separator",
                        "Expected a newline or comma to mark the beginning of the next attribute.",
                    ));
                }
            }
        }
    }

    pub(super) fn for_loop(&mut self, open: Token, closing: &str) -> Parsed<Expression> {
        const SUMMARY: &str = "Invalid 'for' expression";
        self.read();
        let (key_name, value_name) = self.loop_names(
            SUMMARY,
            "expression",
            "For expression requires the 'in' keyword after its name declarations.",
        )?;
        let collection = self.expression()?;
        let colon = self.peek();
        if self.read_if(":").is_none() {
            return Err(at(colon.span, SUMMARY, "For expression requires a colon after the collection expression."));
        }
        let first = self.expression()?;
        let (key, value) = if self.read_if("=>").is_some() { (Some(first), self.expression()?) } else { (None, first) };
        let ellipsis = self.read_if("...");
        let condition = if self.next_word("if") {
            self.read();
            Some(self.expression()?)
        } else {
            None
        };
        let close = self.peek();
        if self.read_if(closing).is_none() {
            return Err(at(close.span, SUMMARY, "Extra characters after the end of the 'for' expression."));
        }
        if closing == "]" {
            if let Some(key) = &key {
                return Err(at(key.span(), SUMMARY, "Key expression is not valid when building a tuple."));
            }
            if let Some(ellipsis) = ellipsis {
                return Err(at(
                    ellipsis.span,
                    SUMMARY,
                    "Grouping ellipsis (...) cannot be used when building a tuple.",
                ));
            }
        } else if key.is_none() {
            return Err(at(value.span(), SUMMARY, "Key expression is required when building an object."));
        }
        Ok(Expression::For(Box::new(ForLoop {
            key_name,
            value_name,
            collection,
            key,
            value,
            condition,
            is_grouped: ellipsis.is_some(),
            span: open.span.to(close.span),
        })))
    }

    /// `NAME in` or `KEY, NAME in`.
    pub(super) fn loop_names(&mut self, summary: &str, what: &str, no_in: &str) -> Parsed<(Option<String>, String)> {
        let name = |parser: &mut Self, detail: String| {
            let token = parser.peek();
            if token.kind != Kind::Identifier {
                return Err(at(token.span, summary, detail));
            }
            parser.read();
            Ok(parser.text_of(token).to_owned())
        };
        let first = name(self, format!("For {what} requires variable name after 'for'."))?;
        let names = if self.read_if(",").is_some() {
            (Some(first), name(self, format!("For {what} requires value variable name after comma."))?)
        } else {
            (None, first)
        };
        if !self.next_word("in") {
            return Err(at(self.peek().span, summary, no_in));
        }
        self.read();
        Ok(names)
    }
}

const UNCLOSED_OBJECT: &str = "There is no corresponding closing brace before the end of the file. This may be caused by \
                               incorrect brace nesting elsewhere in this file.";

fn missing_value(open: Token, next: Token) -> Box<Diagnostic> {
    match next.kind {
        Kind::Newline | Kind::Symbol(",") => at(
            next.span,
            "Missing attribute value",
            "Expected an attribute value, introduced by an equals sign (\"=\").",
        ),
        Kind::End => at(open.span, "Unterminated object constructor expression", UNCLOSED_OBJECT),
        _ => at(
            next.span,
            "Missing key/value separator",
            "Expected an equals sign (\"=\") to mark the beginning of the attribute value. If you intended to given an \
             attribute name containing periods or spaces, write the name in quotes to create a string literal.",
        ),
    }
}
