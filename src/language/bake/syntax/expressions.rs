//! Expressions: operators, terms, and what follows a term.

use super::Span;
use super::at;
use super::lexer::{Kind, Token};
use super::parser::{MAX_CHAIN, Parsed, Parser};
use super::tree::{BinaryOperator, Expression, Step, Traversal};
use crate::language::bake::value::{Number, Value};

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Parsed<Expression> {
        self.deeper(Self::conditional)
    }

    fn conditional(&mut self) -> Parsed<Expression> {
        let condition = self.binary(0)?;
        if self.read_if("?").is_none() {
            return Ok(condition);
        }
        let yes = self.expression()?;
        let colon = self.peek();
        if self.read_if(":").is_none() {
            return Err(at(
                colon.span,
                "Missing false expression in conditional",
                "The conditional operator (...?...:...) requires a false expression, delimited by a colon.",
            ));
        }
        let no = self.expression()?;
        let span = condition.span().to(no.span());
        Ok(Expression::Conditional { condition: Box::new(condition), yes: Box::new(yes), no: Box::new(no), span })
    }

    fn binary(&mut self, level: usize) -> Parsed<Expression> {
        let Some(operators) = LEVELS.get(level) else { return self.term_with_steps() };
        let mut left = self.binary(level + 1)?;
        let mut count = 0;
        loop {
            let next = self.peek();
            let found = operators.iter().find(|(symbol, _)| next.kind == Kind::Symbol(symbol));
            let Some((_, operator)) = found else { return Ok(left) };
            self.read();
            count += 1;
            if count > MAX_CHAIN {
                return Err(at(next.span, "Expression too long", "There are too many operators in one expression."));
            }
            let right = self.binary(level + 1)?;
            let span = left.span().to(right.span());
            left = Expression::Binary { operator: *operator, left: Box::new(left), right: Box::new(right), span };
        }
    }

    fn term_with_steps(&mut self) -> Parsed<Expression> {
        let term = self.term()?;
        self.steps(term)
    }

    /// What follows a term: attributes, indices and splats.
    fn steps(&mut self, term: Expression) -> Parsed<Expression> {
        let start = term.span();
        let mut value = term;
        let mut count = 0;
        loop {
            count += 1;
            if count > MAX_CHAIN {
                return Err(at(self.peek().span, "Expression too long", "There are too many steps in one expression."));
            }
            if let Some(dot) = self.read_if(".") {
                value = self.dotted(value, dot)?;
            } else if let Some(open) = self.read_if("[") {
                if self.read_if("*").is_some() {
                    let close = self.read();
                    if close.kind != Kind::Symbol("]") {
                        return Err(at(
                            close.span,
                            "Missing close bracket on splat index",
                            "The star for a full splat operator must be immediately followed by a closing bracket \
                             (\"]\").",
                        ));
                    }
                    let marker = open.span.to(close.span);
                    let each = self.deeper(|parser| parser.steps(Expression::Element { span: marker }))?;
                    let span = start.to(each.span());
                    value = Expression::Splat { source: Box::new(value), each: Box::new(each), span };
                } else {
                    value = self.indexed(value, open)?;
                }
            } else {
                return Ok(value);
            }
        }
    }

    fn dotted(&mut self, source: Expression, dot: Token) -> Parsed<Expression> {
        let token = self.peek();
        match token.kind {
            Kind::Identifier | Kind::Number => {
                let step = self.step(dot)?;
                Ok(with_step(source, step, dot.span.to(token.span)))
            }
            Kind::Symbol("*") => {
                self.read();
                let marker = dot.span.to(token.span);
                let mut steps = Vec::new();
                let mut last = token.span;
                while let Some(dot) = self.read_if(".") {
                    let next = self.peek();
                    if next.kind == Kind::Symbol("*") {
                        return Err(at(
                            next.span,
                            "Nested splat expression not allowed",
                            "A splat expression (*) cannot be used inside another attribute-only splat expression.",
                        ));
                    }
                    steps.push(self.step(dot)?);
                    last = next.span;
                }
                let span = source.span().to(last);
                let element = Expression::Element { span: marker };
                let each = if steps.is_empty() {
                    element
                } else {
                    Expression::Relative { source: Box::new(element), steps, span: marker.to(last) }
                };
                Ok(Expression::Splat { source: Box::new(source), each: Box::new(each), span })
            }
            _ => Err(at(token.span, "Invalid attribute name", "An attribute name is required after a dot.")),
        }
    }

    /// A name or a number after a dot.
    fn step(&mut self, dot: Token) -> Parsed<Step> {
        let token = self.peek();
        let text = self.text_of(token);
        let span = dot.span.to(token.span);
        match token.kind {
            Kind::Identifier => {
                self.read();
                Ok(Step::Attribute { name: text.to_owned(), span })
            }
            Kind::Number => {
                self.read();
                if let Some((first, second)) = text.split_once('.') {
                    let detail = format!(
                        "When using the legacy index syntax, chaining two indexes together is not permitted. Use the \
                         proper index syntax instead, like [{first}][{second}]."
                    );
                    return Err(at(token.span, "Invalid legacy index syntax", detail));
                }
                Ok(Step::Index { key: number(text, token.span)?, span })
            }
            _ => Err(at(token.span, "Invalid attribute name", "An attribute name is required after a dot.")),
        }
    }

    fn indexed(&mut self, source: Expression, open: Token) -> Parsed<Expression> {
        let (key, close) = self.without_newlines(|parser| {
            let key = parser.expression()?;
            let close = parser.read();
            if close.kind != Kind::Symbol("]") {
                return Err(at(
                    close.span,
                    "Missing close bracket on index",
                    "The index operator must end with a closing bracket (\"]\").",
                ));
            }
            Ok((key, close))
        })?;
        let brackets = open.span.to(close.span);
        if let Some(key) = literal(&key) {
            return Ok(with_step(source, Step::Index { key, span: brackets }, brackets));
        }
        let span = source.span().to(brackets);
        Ok(Expression::Index { collection: Box::new(source), key: Box::new(key), brackets, span })
    }

    fn term(&mut self) -> Parsed<Expression> {
        let start = self.peek();
        match start.kind {
            Kind::Symbol("(") => {
                self.read();
                let (inner, close) = self.without_newlines(|parser| {
                    let inner = parser.expression()?;
                    let close = parser.peek();
                    if close.kind != Kind::Symbol(")") {
                        return Err(at(
                            close.span,
                            "Unbalanced parentheses",
                            "Expected a closing parenthesis to terminate the expression.",
                        ));
                    }
                    Ok((inner, parser.read()))
                })?;
                Ok(Expression::Parenthesized { inner: Box::new(inner), span: start.span.to(close.span) })
            }
            Kind::Number => {
                self.read();
                Ok(Expression::Literal { value: number(self.text_of(start), start.span)?, span: start.span })
            }
            Kind::Identifier => {
                self.read();
                self.named(start)
            }
            Kind::OpenQuote | Kind::OpenHeredoc { .. } => {
                self.read();
                self.deeper(|parser| parser.template(start))
            }
            Kind::Symbol(sign @ ("-" | "!")) => {
                self.read();
                let inner = Box::new(self.deeper(Self::term_with_steps)?);
                let span = start.span.to(inner.span());
                Ok(if sign == "-" { Expression::Negate { inner, span } } else { Expression::Not { inner, span } })
            }
            Kind::Symbol("[") => {
                self.read();
                self.without_newlines(|parser| parser.tuple(start))
            }
            Kind::Symbol("{") => {
                self.read();
                self.object(start)
            }
            Kind::End => Err(at(
                start.span,
                "Missing expression",
                "Expected the start of an expression, but found the end of the file.",
            )),
            _ => Err(at(
                start.span,
                "Invalid expression",
                "Expected the start of an expression, but found an invalid expression token.",
            )),
        }
    }

    fn named(&mut self, name: Token) -> Parsed<Expression> {
        let text = self.text_of(name);
        if self.next_is("(") || self.next_is("::") {
            return self.call(name);
        }
        let literal = |value| Ok(Expression::Literal { value, span: name.span });
        match text {
            "true" => literal(Value::Bool(true)),
            "false" => literal(Value::Bool(false)),
            "null" => literal(Value::NULL),
            _ => Ok(Expression::Variable(Traversal {
                root: text.to_owned(),
                root_span: name.span,
                steps: Vec::new(),
                span: name.span,
            })),
        }
    }
}

/// The operators by precedence, the weakest first.
const LEVELS: [&[(&str, BinaryOperator)]; 6] = [
    &[("||", BinaryOperator::Or)],
    &[("&&", BinaryOperator::And)],
    &[("==", BinaryOperator::Equal), ("!=", BinaryOperator::NotEqual)],
    &[
        (">", BinaryOperator::Greater),
        (">=", BinaryOperator::GreaterOrEqual),
        ("<", BinaryOperator::Less),
        ("<=", BinaryOperator::LessOrEqual),
    ],
    &[("+", BinaryOperator::Add), ("-", BinaryOperator::Subtract)],
    &[("*", BinaryOperator::Multiply), ("/", BinaryOperator::Divide), ("%", BinaryOperator::Modulo)],
];

fn number(text: &str, span: Span) -> Parsed<Value> {
    Number::parse(text).map(Value::Number).ok_or_else(|| {
        at(span, "Invalid number literal", "Failed to recognize the value of this number literal, or it is too large.")
    })
}

/// The value of a literal key.
fn literal(key: &Expression) -> Option<Value> {
    match key {
        Expression::Literal { value, .. } => Some(value.clone()),
        Expression::Template { parts, .. } => match parts.as_slice() {
            [Expression::Literal { value, .. }] => Some(value.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn with_step(source: Expression, step: Step, span: Span) -> Expression {
    match source {
        Expression::Variable(mut traversal) => {
            traversal.steps.push(step);
            traversal.span = traversal.span.to(span);
            Expression::Variable(traversal)
        }
        Expression::Relative { source, mut steps, span: before } => {
            steps.push(step);
            Expression::Relative { source, steps, span: before.to(span) }
        }
        other => {
            let whole = other.span().to(span);
            Expression::Relative { source: Box::new(other), steps: vec![step], span: whole }
        }
    }
}
