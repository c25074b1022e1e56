//! The tree of a template. Its parts have their location and Go's notation, for errors.

use std::collections::BTreeMap;

use serde_json::Value;

/// The templates of one text by name; the text itself has the empty name.
pub type Templates = BTreeMap<String, Vec<Node>>;

/// A location (column in bytes, from 0), and the source text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spot {
    pub line: usize,
    pub column: usize,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Text(String),
    Output(Pipeline),
    If {
        condition: Pipeline,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Range {
        over: Pipeline,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    With {
        value: Pipeline,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    /// `template`, and `block`, whose definition is among the templates.
    Call {
        name: String,
        value: Option<Pipeline>,
        spot: Spot,
    },
    Break,
    Continue,
}

/// Commands, each of which gets the previous result as its last argument.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pipeline {
    /// Variables for the result, with their `$`: one, or two for `range`.
    pub variables: Vec<String>,
    /// True for `=`, which assigns to an existing variable.
    pub assigns: bool,
    pub commands: Vec<Command>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    pub operands: Vec<Operand>,
    pub spot: Spot,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Operand {
    pub head: Head,
    /// The fields after it: `.A.B`.
    pub fields: Vec<String>,
    pub spot: Spot,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Head {
    Dot,
    Nil,
    /// With its `$`.
    Variable(String),
    Literal(Value),
    Function(String),
    Group(Box<Pipeline>),
}

impl Operand {
    /// As an argument, whose parentheses are kept.
    pub fn written(&self) -> String {
        match self.head {
            Head::Group(_) if self.fields.is_empty() => format!("({})", self.spot.text),
            _ => self.spot.text.clone(),
        }
    }
}

impl Pipeline {
    pub fn written(&self) -> String {
        let commands: Vec<&str> = self.commands.iter().map(|command| command.spot.text.as_str()).collect();
        let commands = commands.join(" | ");
        match self.variables.as_slice() {
            [] => commands,
            variables => format!("{} := {commands}", variables.join(", ")),
        }
    }
}

/// Whether the output is only blanks: another template of that name replaces such a one.
pub fn is_empty(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
}
