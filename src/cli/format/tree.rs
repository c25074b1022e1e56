//! The tree of a template. Its parts know where they stand and how Go writes them, for errors.

use std::collections::BTreeMap;

use serde_json::Value;

/// The templates of one text by their names; the text itself has the empty name.
pub type Templates = BTreeMap<String, Vec<Node>>;

/// Where something stands (bytes within a line are counted from 0), and how it reads.
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

/// Commands, each of which gets the result of the one before as its last argument.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pipeline {
    /// Variables that get the result, with their `$`: one, or for `range` two.
    pub variables: Vec<String>,
    /// True for `=`, which changes a variable instead of making one.
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
    /// The fields that follow: `.A.B`.
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
    /// As an argument: what is in parentheses stays there.
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

/// Whether nothing is put out but blanks: such a template gives way to another of its name.
pub fn is_empty(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
}
