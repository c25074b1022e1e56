//! The tree of a bake file.

use super::Span;
use crate::language::bake::error::Diagnostic;
use crate::language::bake::value::Value;

/// The content between braces, or of a whole file.
#[derive(Debug, Clone, Default)]
pub struct Body {
    pub attributes: Vec<Attribute>,
    pub blocks: Vec<Block>,
    /// The place to show if something is missing.
    pub missing: Span,
}

#[derive(Debug, Clone)]
pub struct Attribute {
    pub name: String,
    pub name_span: Span,
    pub value: Expression,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Block {
    pub kind: String,
    pub kind_span: Span,
    pub labels: Vec<Label>,
    pub open: Span,
    pub body: Body,
}

#[derive(Debug, Clone)]
pub struct Label {
    pub text: String,
    pub span: Span,
}

impl Body {
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

/// One step from a value to a part of it.
#[derive(Debug, Clone)]
pub enum Step {
    Attribute { name: String, span: Span },
    Index { key: Value, span: Span },
}

/// A name and the steps after it.
#[derive(Debug, Clone)]
pub struct Traversal {
    pub root: String,
    pub root_span: Span,
    pub steps: Vec<Step>,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOperator {
    Or,
    And,
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// The key of an object's item.
#[derive(Debug, Clone)]
pub struct Key {
    pub expression: Expression,
    /// In parentheses, a name is a variable.
    pub is_forced: bool,
}

#[derive(Debug, Clone)]
pub struct ForLoop {
    pub key_name: Option<String>,
    pub value_name: String,
    pub collection: Expression,
    /// The key of an object's value; a tuple has none.
    pub key: Option<Expression>,
    pub value: Expression,
    pub condition: Option<Expression>,
    pub is_grouped: bool,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum Expression {
    Literal {
        value: Value,
        span: Span,
    },
    /// Texts and values, joined.
    Template {
        parts: Vec<Expression>,
        span: Span,
    },
    /// A template of a single value, which keeps its type.
    Wrapped {
        inner: Box<Expression>,
        span: Span,
    },
    /// The strings of a `%{ for }`, joined.
    Joined(Box<Expression>),
    Variable(Traversal),
    Relative {
        source: Box<Expression>,
        steps: Vec<Step>,
        span: Span,
    },
    Call {
        name: String,
        arguments: Vec<Expression>,
        is_expanded: bool,
        name_span: Span,
        close: Span,
    },
    Conditional {
        condition: Box<Expression>,
        yes: Box<Expression>,
        no: Box<Expression>,
        span: Span,
    },
    Index {
        collection: Box<Expression>,
        key: Box<Expression>,
        brackets: Span,
        span: Span,
    },
    Tuple {
        elements: Vec<Expression>,
        span: Span,
    },
    Object {
        items: Vec<(Key, Expression)>,
        is_json: bool,
        span: Span,
    },
    For(Box<ForLoop>),
    Splat {
        source: Box<Expression>,
        each: Box<Expression>,
        span: Span,
    },
    /// The current element of a splat.
    Element {
        span: Span,
    },
    Binary {
        operator: BinaryOperator,
        left: Box<Expression>,
        right: Box<Expression>,
        span: Span,
    },
    Not {
        inner: Box<Expression>,
        span: Span,
    },
    Negate {
        inner: Box<Expression>,
        span: Span,
    },
    Parenthesized {
        inner: Box<Expression>,
        span: Span,
    },
    /// A JSON string: a template where a value is expected, and a bare expression where a type or a name is.
    JsonText {
        text: String,
        template: Result<Box<Expression>, Box<Diagnostic>>,
        span: Span,
    },
}

impl Expression {
    pub fn span(&self) -> Span {
        match self {
            Self::Literal { span, .. }
            | Self::Template { span, .. }
            | Self::Wrapped { span, .. }
            | Self::Relative { span, .. }
            | Self::Conditional { span, .. }
            | Self::Index { span, .. }
            | Self::Tuple { span, .. }
            | Self::Object { span, .. }
            | Self::Splat { span, .. }
            | Self::Element { span }
            | Self::Binary { span, .. }
            | Self::Not { span, .. }
            | Self::Negate { span, .. }
            | Self::Parenthesized { span, .. }
            | Self::JsonText { span, .. } => *span,
            Self::Joined(inner) => inner.span(),
            Self::Variable(traversal) => traversal.span,
            Self::Call { name_span, close, .. } => name_span.to(*close),
            Self::For(for_loop) => for_loop.span,
        }
    }

    /// The name, if the expression is nothing else.
    pub fn keyword(&self) -> Option<String> {
        match self {
            Self::Variable(traversal) if traversal.steps.is_empty() => Some(traversal.root.clone()),
            // `true`, `false` and `null` are names where a key is expected.
            Self::Literal { value: Value::Bool(value), .. } => Some(value.to_string()),
            Self::Literal { value: Value::Null(_), .. } => Some("null".to_owned()),
            Self::JsonText { text, span, .. } => match super::parse_expression(text, *span).ok()? {
                Self::Variable(traversal) if traversal.steps.is_empty() => Some(traversal.root),
                _ => None,
            },
            _ => None,
        }
    }

    /// The elements of a literal list.
    pub fn listed(&self) -> Option<&[Self]> {
        if let Self::Tuple { elements, .. } = self { Some(elements) } else { None }
    }
}
