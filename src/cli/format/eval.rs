//! Evaluates a template's tree.

use std::borrow::Cow;

use serde_json::Value;

use super::parser::{Head, Node, Operand, Pipeline};
use super::{FormatError, functions, print};

/// What a field means that an object does not have.
#[derive(Debug, Clone, Copy)]
pub enum Missing<'a> {
    /// An error, as for docker.
    Error,
    /// Nothing when it is one of these, which JSON leaves out when they are empty; else an error.
    Null(&'a [&'a str]),
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    Next,
    Break,
    Continue,
}

struct Renderer<'a> {
    root: &'a Value,
    missing: Missing<'a>,
    variables: Vec<(String, Value)>,
    /// The last field that was asked for is one that a map has not.
    has_no_value: bool,
    out: String,
}

/// Where docker has maps, which answer with nothing for what they have not. All else is a struct.
const MAPS: [&str; 17] = [
    "Annotations",
    "Attributes",
    "Containers",
    "Data",
    "DriverOpts",
    "ExposedPorts",
    "Label",
    "Labels",
    "Networks",
    "Options",
    "PortBindings",
    "Ports",
    "Status",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "Volumes",
];

/// What a method of docker's rows is called that takes an argument: `{{.Label "name"}}`.
const LABEL: &str = "Label";

pub fn render(nodes: &[Node], root: &Value, missing: Missing<'_>) -> Result<String, FormatError> {
    let mut renderer = Renderer { root, missing, variables: Vec::new(), has_no_value: false, out: String::new() };
    renderer.nodes(nodes, root)?;
    Ok(renderer.out)
}

/// Go's truth: not zero, not empty, not nothing.
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

impl Renderer<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, FormatError> {
        let scope = self.variables.len();
        let mut flow = Flow::Next;
        for node in nodes {
            flow = self.node(node, dot)?;
            if flow != Flow::Next {
                break;
            }
        }
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, FormatError> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Output(pipeline) => {
                self.has_no_value = false;
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    let is_nothing = self.has_no_value && value.is_null();
                    self.out.push_str(&if is_nothing { "<no value>".to_owned() } else { print::plain(&value) });
                }
            }
            Node::If { condition, then, otherwise } => {
                let scope = self.variables.len();
                let branch = if is_true(&self.pipeline(condition, dot)?) { then } else { otherwise };
                let flow = self.nodes(branch, dot)?;
                self.variables.truncate(scope);
                return Ok(flow);
            }
            Node::With { value, body, otherwise } => {
                let scope = self.variables.len();
                let value = self.pipeline(value, dot)?;
                let flow = if is_true(&value) { self.nodes(body, &value)? } else { self.nodes(otherwise, dot)? };
                self.variables.truncate(scope);
                return Ok(flow);
            }
            Node::Range { over, body, otherwise } => return self.range(over, body, otherwise, dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn range(&mut self, over: &Pipeline, body: &[Node], otherwise: &[Node], dot: &Value) -> Result<Flow, FormatError> {
        let scope = self.variables.len();
        let items = self.commands(over, dot)?;
        let items: Vec<(Value, Value)> = match items {
            Value::Null => Vec::new(),
            Value::Array(items) => items.into_iter().enumerate().map(|(at, item)| (Value::from(at), item)).collect(),
            Value::Object(fields) => {
                let mut items: Vec<_> = fields.into_iter().map(|(key, item)| (Value::from(key), item)).collect();
                items.sort_by(|(a, _), (b, _)| a.as_str().cmp(&b.as_str()));
                items
            }
            Value::Number(count) => {
                (0..count.as_i64().unwrap_or(0)).map(|at| (Value::from(at), Value::from(at))).collect()
            }
            other => return Err(wrong("range", format!("can't iterate over {}", print::plain(&other)))),
        };
        if items.is_empty() {
            return self.nodes(otherwise, dot);
        }
        for (key, item) in items {
            match over.variables.as_slice() {
                [name] => self.variables.push((name.clone(), item.clone())),
                [index, name] => {
                    self.variables.extend([(index.clone(), key), (name.clone(), item.clone())]);
                }
                _ => {}
            }
            let flow = self.nodes(body, &item)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::Next)
    }

    /// The pipeline's value, which its variable gets too.
    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, FormatError> {
        let value = self.commands(pipeline, dot)?;
        if let [name] = pipeline.variables.as_slice() {
            if pipeline.assigns {
                let variable = self.variables.iter_mut().rev().find(|(known, _)| known == name);
                variable.ok_or_else(|| undefined(name))?.1 = value.clone();
            } else {
                self.variables.push((name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    fn commands(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, FormatError> {
        let mut piped = None;
        for command in &pipeline.commands {
            piped = Some(self.command(command, dot, piped)?);
        }
        Ok(piped.unwrap_or(Value::Null))
    }

    fn command(&mut self, operands: &[Operand], dot: &Value, piped: Option<Value>) -> Result<Value, FormatError> {
        let Some((first, arguments)) = operands.split_first() else { return Ok(Value::Null) };
        if let Head::Function(name) = &first.head {
            return self.call(name, arguments, dot, piped);
        }
        let value = self.operand(first, dot)?;
        let mut arguments =
            arguments.iter().map(|argument| self.operand(argument, dot)).collect::<Result<Vec<_>, _>>()?;
        arguments.extend(piped);
        match arguments.as_slice() {
            [] => Ok(value),
            [Value::String(name)] if first.fields.last().is_some_and(|field| field == LABEL) => Ok(label(&value, name)),
            _ => Err(wrong(&print::plain(&value), "can't give an argument to a non-function".to_owned())),
        }
    }

    fn call(
        &mut self,
        name: &str,
        operands: &[Operand],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, FormatError> {
        let mut arguments = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            let value = self.operand(operand, dot)?;
            // `and` and `or` don't look at what follows once they know.
            if (name == "and" && !is_true(&value)) || (name == "or" && is_true(&value)) {
                return Ok(value);
            }
            arguments.push(value);
        }
        arguments.extend(piped);
        functions::call(name, &arguments)
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, FormatError> {
        let head: Cow<'_, Value> = match &operand.head {
            Head::Dot => Cow::Borrowed(dot),
            Head::Variable(name) if name.is_empty() => Cow::Borrowed(self.root),
            Head::Variable(name) => {
                let variable = self.variables.iter().rev().find(|(known, _)| known == name);
                Cow::Borrowed(&variable.ok_or_else(|| undefined(name))?.1)
            }
            Head::Literal(value) => Cow::Borrowed(value),
            Head::Group(pipeline) => Cow::Owned(self.commands(pipeline, dot)?),
            Head::Function(name) => Cow::Owned(functions::call(name, &[])?),
        };
        let mut value = head.as_ref();
        let mut around = "";
        let mut has_no_value = false;
        for name in &operand.fields {
            has_no_value = MAPS.contains(&around) && value.as_object().is_some_and(|map| !map.contains_key(name));
            value = if has_no_value { &Value::Null } else { self.field(value, name)? };
            around = name;
        }
        self.has_no_value = has_no_value;
        Ok(value.clone())
    }

    fn field<'v>(&self, value: &'v Value, name: &str) -> Result<&'v Value, FormatError> {
        let is_optional = matches!(self.missing, Missing::Null(optional) if optional.contains(&name));
        match value {
            Value::Object(fields) => match fields.get(name) {
                Some(value) => Ok(value),
                None if is_optional => Ok(&Value::Null),
                None => Err(wrong(&format!(".{name}"), format!("map has no entry for key {name:?}"))),
            },
            Value::Null => Err(wrong(&format!(".{name}"), format!("nil pointer evaluating .{name}"))),
            other => {
                Err(wrong(&format!(".{name}"), format!("can't evaluate field {name} in `{}`", print::plain(other))))
            }
        }
    }
}

/// A label's value; in the headings of a table, which have no labels, the last word of its name.
fn label(labels: &Value, name: &str) -> Value {
    match labels {
        Value::Object(labels) => labels.get(name).cloned().unwrap_or_else(|| Value::from("")),
        _ => Value::from(name.rsplit('.').next().unwrap_or(name).replace(['-', '_'], " ")),
    }
}

pub fn wrong(expression: &str, reason: String) -> FormatError {
    FormatError::Evaluation { expression: expression.to_owned(), reason }
}

fn undefined(name: &str) -> FormatError {
    wrong(&format!("${name}"), "undefined variable".to_owned())
}
