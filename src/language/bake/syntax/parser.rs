//! Tokens → tree.

use super::lexer::{Kind, Lexer, Token};
use super::tree::{Attribute, Block, Body, Expression, Label};
use super::{Span, at};
use crate::language::bake::error::Diagnostic;

pub(super) type Parsed<T> = Result<T, Box<Diagnostic>>;

/// Deeper expressions and blocks are refused: walking the tree would exhaust the stack.
const MAX_DEPTH: usize = 150;
/// The maximum number of operators or steps in a row.
pub(super) const MAX_CHAIN: usize = 1000;

/// Parses a bake file in HCL's own syntax.
///
/// # Errors
/// The first error, with its place.
pub fn parse_body(text: &str, file: usize) -> Parsed<Body> {
    let tokens = Lexer::code(text, Span { file, start: 0, end: 0 })?;
    let mut parser = Parser::new(text, 0, tokens);
    parser.body(None)
}

/// Parses a bare expression at the place.
///
/// # Errors
/// If it is not an expression, or something follows it.
pub fn parse_expression(text: &str, place: Span) -> Parsed<Expression> {
    let tokens = Lexer::code(text, place)?;
    let mut parser = Parser::new(text, place.start, tokens);
    parser.newlines.push(false);
    let expression = parser.expression()?;
    let next = parser.peek();
    if next.kind != Kind::End {
        return Err(at(
            next.span,
            "Extra characters after expression",
            "An expression was successfully parsed, but extra characters were found after it.",
        ));
    }
    Ok(expression)
}

pub(super) struct Parser<'a> {
    text: &'a str,
    base: usize,
    tokens: Vec<Token>,
    pub(super) at: usize,
    /// For each open bracket, whether line ends count.
    pub(super) newlines: Vec<bool>,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, base: usize, tokens: Vec<Token>) -> Self {
        Self { text, base, tokens, at: 0, newlines: vec![true], depth: 0 }
    }

    pub(super) fn peek(&mut self) -> Token {
        if self.newlines.last() == Some(&false) {
            while self.tokens[self.at].kind == Kind::Newline {
                self.at += 1;
            }
        }
        self.tokens[self.at]
    }

    pub(super) fn read(&mut self) -> Token {
        let token = self.peek();
        if token.kind != Kind::End {
            self.at += 1;
        }
        token
    }

    pub(super) fn next_is(&mut self, symbol: &str) -> bool {
        matches!(self.peek().kind, Kind::Symbol(found) if found == symbol)
    }

    pub(super) fn read_if(&mut self, symbol: &str) -> Option<Token> {
        if self.next_is(symbol) { Some(self.read()) } else { None }
    }

    pub(super) fn text_of(&self, token: Token) -> &'a str {
        &self.text[token.span.start - self.base..token.span.end - self.base]
    }

    pub(super) fn next_word(&mut self, word: &str) -> bool {
        let next = self.peek();
        next.kind == Kind::Identifier && self.text_of(next) == word
    }

    pub(super) fn without_newlines<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.newlines.push(false);
        let parsed = parse(self);
        self.newlines.pop();
        parsed
    }

    pub(super) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let span = self.peek().span;
            return Err(at(span, "Nested too deeply", format!("There are more than {MAX_DEPTH} levels of nesting.")));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// A body up to the closing brace, or to the file's end.
    fn body(&mut self, open: Option<Token>) -> Parsed<Body> {
        let mut body = Body::default();
        loop {
            let next = self.peek();
            match next.kind {
                Kind::Newline => _ = self.read(),
                Kind::End if open.is_none() => {
                    body.missing = next.span;
                    return Ok(body);
                }
                Kind::Symbol("}") if open.is_some() => {
                    self.read();
                    body.missing = open.map_or(next.span, |token| token.span);
                    return Ok(body);
                }
                Kind::Identifier => self.body_item(&mut body)?,
                Kind::End => {
                    let span = open.map_or(next.span, |token| token.span);
                    return Err(at(span, "Unclosed configuration block", UNCLOSED_BLOCK));
                }
                Kind::OpenQuote => {
                    return Err(at(next.span, "Invalid argument name", "Argument names must not be quoted."));
                }
                _ => {
                    return Err(at(next.span, REQUIRED, "An argument or block definition is required here."));
                }
            }
        }
    }

    fn body_item(&mut self, body: &mut Body) -> Parsed<()> {
        let name = self.read();
        let next = self.peek();
        match next.kind {
            Kind::Symbol("=") => {
                let attribute = self.attribute(name, false)?;
                if let Some(known) = body.attribute(&attribute.name) {
                    return Err(redefined(&attribute, known));
                }
                body.attributes.push(attribute);
                Ok(())
            }
            Kind::OpenQuote | Kind::Symbol("{") | Kind::Identifier => {
                let block = self.deeper(|parser| parser.block(name))?;
                body.blocks.push(block);
                Ok(())
            }
            _ => Err(at(
                name.span,
                REQUIRED,
                "An argument or block definition is required here. To set an argument, use the equals sign \"=\" to \
                 introduce the argument value.",
            )),
        }
    }

    fn attribute(&mut self, name: Token, is_single_line: bool) -> Parsed<Attribute> {
        self.read();
        let value = self.expression()?;
        let end = self.peek();
        if !is_single_line {
            match end.kind {
                Kind::Newline => _ = self.read(),
                Kind::End => {}
                Kind::Symbol(",") => {
                    return Err(at(
                        end.span,
                        "Unexpected comma after argument",
                        "Argument definitions must be separated by newlines, not commas. An argument definition must \
                         end with a newline.",
                    ));
                }
                _ => {
                    return Err(at(
                        end.span,
                        "Missing newline after argument",
                        "An argument definition must end with a newline.",
                    ));
                }
            }
        }
        let span = name.span.to(value.span());
        Ok(Attribute { name: self.text_of(name).to_owned(), name_span: name.span, value, span })
    }

    fn block(&mut self, name: Token) -> Parsed<Block> {
        let (labels, open) = self.block_head()?;
        let body = match self.peek().kind {
            Kind::Newline | Kind::End | Kind::Symbol("}") => self.body(Some(open))?,
            Kind::Identifier => self.single_line_body(open)?,
            _ => {
                return Err(at(
                    self.peek().span,
                    "Invalid single-argument block definition",
                    "An argument definition on the same line as its containing block creates a single-line block \
                     definition, which must also be closed on the same line. Place the block's closing brace \
                     immediately after the argument definition.",
                ));
            }
        };
        let end = self.peek();
        match end.kind {
            Kind::Newline => _ = self.read(),
            Kind::End => {}
            // A block inside a single-line block.
            Kind::Symbol("}") if self.depth > 1 => {}
            _ => {
                return Err(at(
                    end.span,
                    "Missing newline after block definition",
                    "A block definition must end with a newline.",
                ));
            }
        }
        Ok(Block { kind: self.text_of(name).to_owned(), kind_span: name.span, labels, open: open.span, body })
    }

    /// The labels of a block, and its opening brace.
    fn block_head(&mut self) -> Parsed<(Vec<Label>, Token)> {
        let mut labels = Vec::new();
        loop {
            let token = self.peek();
            match token.kind {
                Kind::Symbol("{") => return Ok((labels, self.read())),
                Kind::OpenQuote => labels.push(self.quoted_label()?),
                Kind::Identifier => {
                    self.read();
                    labels.push(Label { text: self.text_of(token).to_owned(), span: token.span });
                }
                Kind::Symbol("=") => {
                    return Err(at(
                        token.span,
                        "Invalid block definition",
                        "The equals sign \"=\" indicates an argument definition, and must not be used when defining a \
                         block.",
                    ));
                }
                Kind::Newline => {
                    return Err(at(
                        token.span,
                        "Invalid block definition",
                        "A block definition must have block content delimited by \"{\" and \"}\", starting on the same \
                         line as the block header.",
                    ));
                }
                _ => {
                    return Err(at(
                        token.span,
                        "Invalid block definition",
                        "Either a quoted string block label or an opening brace (\"{\") is expected here.",
                    ));
                }
            }
        }
    }

    fn single_line_body(&mut self, open: Token) -> Parsed<Body> {
        let name = self.read();
        let next = self.peek();
        if !matches!(next.kind, Kind::Symbol("=")) {
            if matches!(next.kind, Kind::OpenQuote | Kind::Symbol("{") | Kind::Identifier) {
                let word = self.text_of(name);
                let detail = format!(
                    "A single-line block definition can contain only a single argument. If you meant to define \
                     argument {word:?}, use an equals sign to assign it a value. To define a nested block, place it on \
                     a line of its own within its parent block."
                );
                return Err(at(name.span.to(next.span), "Argument definition required", detail));
            }
            return Err(at(
                name.span,
                REQUIRED,
                "An argument or block definition is required here. To set an argument, use the equals sign \"=\" to \
                 introduce the argument value.",
            ));
        }
        let attribute = self.attribute(name, true)?;
        let close = self.peek();
        match close.kind {
            Kind::Symbol("}") => {
                self.read();
                Ok(Body { attributes: vec![attribute], blocks: Vec::new(), missing: open.span })
            }
            Kind::Symbol(",") => Err(at(
                close.span,
                "Invalid single-argument block definition",
                "Single-line block syntax can include only one argument definition. To define multiple arguments, use \
                 the multi-line block syntax with one argument definition per line.",
            )),
            Kind::Newline => Err(at(
                close.span,
                "Invalid single-argument block definition",
                "An argument definition on the same line as its containing block creates a single-line block \
                 definition, which must also be closed on the same line. Place the block's closing brace immediately \
                 after the argument definition.",
            )),
            Kind::End => Err(at(open.span, "Unclosed configuration block", UNCLOSED_BLOCK)),
            _ => Err(at(
                close.span,
                "Invalid single-argument block definition",
                "A single-line block definition must end with a closing brace immediately after its single argument \
                 definition.",
            )),
        }
    }

    fn quoted_label(&mut self) -> Parsed<Label> {
        let open = self.read();
        let mut text = String::new();
        loop {
            let token = self.read();
            match token.kind {
                Kind::CloseQuote => return Ok(Label { text, span: open.span.to(token.span) }),
                Kind::QuotedText => text.push_str(&super::template::unescape(self.text_of(token), token.span, true)?),
                Kind::Interpolation { .. } | Kind::Directive { .. } => {
                    let sign = if matches!(token.kind, Kind::Directive { .. }) { "%" } else { "$" };
                    let detail = format!(
                        "Template sequences are not allowed in this string. To include a literal {sign:?}, double it \
                         (as \"{sign}{sign}\") to escape it."
                    );
                    return Err(at(token.span, "Invalid string literal", detail));
                }
                _ => {
                    return Err(at(
                        token.span,
                        "Unterminated string literal",
                        "Unable to find the closing quote mark before the end of the file.",
                    ));
                }
            }
        }
    }
}

const REQUIRED: &str = "Argument or block definition required";
const UNCLOSED_BLOCK: &str = "There is no closing brace for this block before the end of the file. This may be caused by \
                              incorrect brace nesting elsewhere in this file.";
fn redefined(attribute: &Attribute, known: &Attribute) -> Box<Diagnostic> {
    let mut error = at(attribute.name_span, "Attribute redefined", "");
    error.detail = format!("The argument {:?} was already set. Each argument may be set only once.", known.name);
    error
}
