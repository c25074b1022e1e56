//! Evaluates a parsed template.

use std::borrow::Cow;

use serde_json::Value;

use super::escape::json_of_row;
use super::functions::{self, Kind};
use super::printf::quoted;
use super::structs::{self, Struct};
use super::tree::{Command, Head, Node, Operand, Pipeline, Spot, Templates};
use super::{FormatError, fields, print};

type Result<T, E = FormatError> = std::result::Result<T, E>;

/// The meaning of a missing field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// An error.
    Error,
    /// An error; the value is a row of a listing, which is printed in docker's JSON.
    Row,
    /// The zero value of the field's type in docker, because JSON leaves out empty values; an error for unknown fields.
    Zero,
    /// An error: the value has all fields of its Go structs ([`structs`]), and what is no struct is a map.
    Struct,
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    Next,
    Break,
    Continue,
}

struct Renderer<'t> {
    templates: &'t Templates,
    missing: Missing,
    /// The template being executed.
    name: &'t str,
    variables: Vec<(&'t str, Value)>,
    /// There is no value: a missing key of a map, or the dot of a template without an argument.
    has_no_value: bool,
    /// The result is printed as JSON, which distinguishes `null` from empty values.
    as_json: bool,
    /// The location for errors.
    spot: Option<&'t Spot>,
    depth: usize,
    out: String,
}

/// The values of `.` and `$`. A template may have no argument.
#[derive(Clone, Copy)]
struct Scope<'v> {
    dot: Option<&'v Value>,
    root: Option<&'v Value>,
}

impl<'v> Scope<'v> {
    fn with<'w>(self, dot: &'w Value) -> Scope<'w>
    where
        'v: 'w,
    {
        Scope { dot: Some(dot), root: self.root }
    }
}

/// The limit for nested templates and blocks, like Go's on systems with little memory.
const DEPTH_LIMIT: usize = 1000;

/// Maps in docker's types, which return nothing for missing keys. All other objects are structs.
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

/// The method of docker's rows that takes an argument: `{{.Label "name"}}`.
const LABEL: &str = "Label";

/// What is rendered before an error is in `out`, too.
pub fn render(templates: &Templates, root: &Value, missing: Missing, out: &mut String) -> Result<()> {
    let mut renderer = Renderer {
        templates,
        missing,
        name: "",
        variables: Vec::new(),
        has_no_value: false,
        as_json: false,
        spot: None,
        depth: 0,
        out: String::new(),
    };
    let scope = Scope { dot: Some(root), root: Some(root) };
    let rendered = templates.get("").map(|nodes| renderer.nodes(nodes, scope)).transpose();
    out.push_str(&renderer.out);
    rendered.map(|_| ())
}

/// Go's truth: not zero, not empty, not nil.
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

impl<'t> Renderer<'t> {
    fn nodes(&mut self, nodes: &'t [Node], scope: Scope<'_>) -> Result<Flow> {
        if self.depth == DEPTH_LIMIT {
            return Err(self.wrong(format!("exceeded maximum template depth ({DEPTH_LIMIT})")));
        }
        self.depth += 1;
        let variables = self.variables.len();
        let mut flow = Flow::Next;
        for node in nodes {
            flow = self.node(node, scope)?;
            if flow != Flow::Next {
                break;
            }
        }
        self.variables.truncate(variables);
        self.depth -= 1;
        Ok(flow)
    }

    fn node(&mut self, node: &'t Node, scope: Scope<'_>) -> Result<Flow> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Output(pipeline) => {
                self.has_no_value = false;
                let value = self.pipeline(pipeline, scope)?;
                if pipeline.variables.is_empty() {
                    let is_nothing = self.has_no_value && value.is_null();
                    self.out.push_str(&if is_nothing { "<no value>".to_owned() } else { print::plain(&value) });
                }
            }
            Node::If { condition, then, otherwise } => {
                let variables = self.variables.len();
                let branch = if is_true(&self.pipeline(condition, scope)?) { then } else { otherwise };
                let flow = self.nodes(branch, scope)?;
                self.variables.truncate(variables);
                return Ok(flow);
            }
            Node::With { value, body, otherwise } => {
                let variables = self.variables.len();
                let value = self.pipeline(value, scope)?;
                let (branch, scope) = if is_true(&value) { (body, scope.with(&value)) } else { (otherwise, scope) };
                let flow = self.nodes(branch, scope)?;
                self.variables.truncate(variables);
                return Ok(flow);
            }
            Node::Range { over, body, otherwise } => return self.range(over, (body, otherwise), scope),
            Node::Call { name, value, spot } => self.template(name, value.as_ref(), spot, scope)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    /// Executes another template, without the variables of this one.
    fn template(&mut self, name: &'t str, value: Option<&'t Pipeline>, spot: &'t Spot, scope: Scope<'_>) -> Result<()> {
        self.spot = Some(spot);
        let templates = self.templates;
        let Some(nodes) = templates.get(name) else {
            return Err(self.wrong(format!("template {} not defined", quoted(name, false))));
        };
        self.has_no_value = false;
        let value = value.map(|pipeline| self.pipeline(pipeline, scope)).transpose()?;
        self.spot = Some(spot);
        let dot = value.as_ref().filter(|value| !(self.has_no_value && value.is_null()));
        let variables = std::mem::take(&mut self.variables);
        let caller = std::mem::replace(&mut self.name, name);
        self.nodes(nodes, Scope { dot, root: dot })?;
        self.name = caller;
        self.variables = variables;
        Ok(())
    }

    fn range(
        &mut self,
        over: &'t Pipeline,
        (body, otherwise): (&'t [Node], &'t [Node]),
        scope: Scope<'_>,
    ) -> Result<Flow> {
        let variables = self.variables.len();
        let items = match self.commands(over, scope)? {
            Value::Null => Vec::new(),
            Value::Array(items) => items.into_iter().enumerate().map(|(at, item)| (Value::from(at), item)).collect(),
            Value::Object(fields) if Struct::of(&fields).is_none() => {
                let mut items: Vec<_> = fields.into_iter().map(|(key, item)| (Value::from(key), item)).collect();
                items.sort_by(|(a, _), (b, _)| a.as_str().cmp(&b.as_str()));
                items
            }
            Value::Number(count) if !count.is_f64() => {
                (0..count.as_i64().unwrap_or(0)).map(|at| (Value::from(at), Value::from(at))).collect()
            }
            other => return Err(self.wrong(format!("range can't iterate over {}", print::plain(&other)))),
        };
        if items.is_empty() {
            // As in Go, a `break` in the `else` part ends this range, not the outer one.
            let flow = self.nodes(otherwise, scope)?;
            return Ok(if flow == Flow::Break { Flow::Next } else { flow });
        }
        for (key, item) in items {
            match over.variables.as_slice() {
                [name] if over.assigns => self.assign(name, item.clone())?,
                [name] => self.variables.push((name, item.clone())),
                [index, name] if over.assigns => {
                    self.assign(index, key)?;
                    self.assign(name, item.clone())?;
                }
                [index, name] => self.variables.extend([(index.as_str(), key), (name.as_str(), item.clone())]),
                _ => {}
            }
            let flow = self.nodes(body, scope.with(&item))?;
            self.variables.truncate(variables);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::Next)
    }

    /// The pipeline's value, which is also assigned to its variable.
    fn pipeline(&mut self, pipeline: &'t Pipeline, scope: Scope<'_>) -> Result<Value> {
        let value = self.commands(pipeline, scope)?;
        for name in &pipeline.variables {
            if pipeline.assigns {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    fn assign(&mut self, name: &str, value: Value) -> Result<()> {
        match self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, variable)) => *variable = value,
            None => return Err(self.undefined(name)),
        }
        Ok(())
    }

    fn commands(&mut self, pipeline: &'t Pipeline, scope: Scope<'_>) -> Result<Value> {
        let mut piped = None;
        for (at, command) in pipeline.commands.iter().enumerate() {
            self.as_json = pipeline.commands.get(at + 1).is_some_and(is_json);
            piped = Some(self.command(command, scope, piped)?);
        }
        self.as_json = false;
        Ok(piped.unwrap_or(Value::Null))
    }

    fn command(&mut self, command: &'t Command, scope: Scope<'_>, piped: Option<Value>) -> Result<Value> {
        let Some((first, arguments)) = command.operands.split_first() else { return Ok(Value::Null) };
        if let (Head::Function(name), true) = (&first.head, first.fields.is_empty()) {
            self.spot = Some(&first.spot);
            return self.call(name, (arguments, &command.spot), scope, piped);
        }
        let has_arguments = !arguments.is_empty() || piped.is_some();
        if has_arguments && first.fields.is_empty() {
            self.spot = Some(if matches!(first.head, Head::Group(_)) { &command.spot } else { &first.spot });
            return Err(self.wrong(format!("can't give argument to non-function {}", first.spot.text)));
        }
        if first.head == Head::Nil {
            self.spot = Some(&first.spot);
            return Err(self.wrong("nil is not a command"));
        }
        let value = self.operand(first, scope)?;
        match (first.fields.last(), arguments) {
            (Some(field), [argument]) if field == LABEL => {
                let name = self.operand(argument, scope)?;
                Ok(label(&value, name.as_str().unwrap_or_default()))
            }
            (Some(field), _) if has_arguments => Err(self.wrong(format!("{field} is not a method but has arguments"))),
            _ => Ok(value),
        }
    }

    /// `operands` are the arguments and the location of the call.
    fn call(
        &mut self,
        name: &str,
        (operands, whole): (&'t [Operand], &'t Spot),
        scope: Scope<'_>,
        piped: Option<Value>,
    ) -> Result<Value> {
        let parameters = functions::parameters(name);
        let (least, count) = (parameters.fixed.len(), operands.len() + usize::from(piped.is_some()));
        if count < least || (count > least && !parameters.is_open) {
            let at_least = if parameters.is_open { "at least " } else { "" };
            let count = if parameters.is_open { operands.len() } else { count };
            return Err(self.wrong(format!("wrong number of args for {name}: want {at_least}{least} got {count}")));
        }
        let mut arguments = Vec::with_capacity(count);
        for (at, operand) in operands.iter().enumerate() {
            self.as_json = name == "json";
            let value = self.argument(operand, parameters.at(at), scope)?;
            self.as_json = false;
            // `and` and `or` stop once the result is known.
            if (name == "and" && !is_true(&value)) || (name == "or" && is_true(&value)) {
                return Ok(value);
            }
            arguments.push(value);
        }
        if let Some(piped) = piped {
            arguments.push(self.fitting(piped, parameters.at(count - 1))?);
        }
        if name == "json" && self.missing == Missing::Row && scope.root == arguments.first() {
            return Ok(Value::from(json_of_row(&arguments[0])));
        }
        if name == "json" && self.missing == Missing::Struct {
            return Ok(Value::from(structs::to_json(&arguments[0])));
        }
        if name == "index"
            && self.missing == Missing::Struct
            && let Some(zero) = structs::missing_statement(&operands[0].fields, &arguments)
        {
            return Ok(zero);
        }
        functions::call(name, &arguments).map_err(|reason| {
            self.spot = Some(whole);
            self.wrong(format!("error calling {name}: {reason}"))
        })
    }

    /// An argument of the kind that the function takes.
    fn argument(&mut self, operand: &'t Operand, kind: Kind, scope: Scope<'_>) -> Result<Value> {
        self.spot = Some(&operand.spot);
        let expected = match kind {
            Kind::Text => "string",
            Kind::Whole => "integer",
            _ => "",
        };
        match &operand.head {
            Head::Nil if matches!(kind, Kind::Text | Kind::Whole) => {
                Err(self.wrong(format!("cannot assign nil to {}", kind.name())))
            }
            Head::Literal(value) => match kind {
                Kind::Any => Ok(value.clone()),
                Kind::Text if value.is_string() => Ok(value.clone()),
                Kind::Whole if functions::whole(value).is_some() => Ok(value.clone()),
                Kind::Texts => Err(self.wrong(format!("can't handle {} for arg of type []string", operand.spot.text))),
                _ => Err(self.wrong(format!("expected {expected}; found {}", operand.spot.text))),
            },
            _ => {
                let value = self.operand(operand, scope)?;
                self.fitting(value, kind)
            }
        }
    }

    /// The value, if it is of that kind.
    fn fitting(&self, value: Value, kind: Kind) -> Result<Value> {
        let fits = match (kind, &value) {
            (Kind::Any, _) | (Kind::Text, Value::String(_)) | (Kind::Texts, Value::Null) => true,
            (Kind::Whole, Value::Number(number)) => !number.is_f64(),
            (Kind::Texts, Value::Array(items)) => items.iter().all(Value::is_string),
            (Kind::Text | Kind::Whole, Value::Null) => {
                return Err(self.wrong(format!("dereference of nil pointer of type {}", kind.name())));
            }
            _ => false,
        };
        let reason = || format!("wrong type for value; expected {}; got {}", kind.name(), print::type_name(&value));
        if fits { Ok(value) } else { Err(self.wrong(reason())) }
    }

    fn operand(&mut self, operand: &'t Operand, scope: Scope<'_>) -> Result<Value> {
        self.spot = Some(&operand.spot);
        let head: Option<Cow<'_, Value>> = match &operand.head {
            Head::Dot => scope.dot.map(Cow::Borrowed),
            Head::Nil if !operand.fields.is_empty() => {
                return Err(self.wrong(format!("indirection through explicit nil in {}", operand.spot.text)));
            }
            Head::Nil => Some(Cow::Owned(Value::Null)),
            Head::Variable(name) if name == "$" => scope.root.map(Cow::Borrowed),
            Head::Variable(name) => {
                let variable = self.variables.iter().rev().find(|(known, _)| known == name);
                Some(Cow::Owned(variable.ok_or_else(|| self.undefined(name))?.1.clone()))
            }
            Head::Literal(value) => Some(Cow::Borrowed(value)),
            Head::Group(pipeline) => Some(Cow::Owned(self.pipeline(pipeline, scope)?)),
            Head::Function(name) => Some(Cow::Owned(self.call(name, (&[], &operand.spot), scope, None)?)),
        };
        // Fields of nothing are nothing.
        self.has_no_value = head.is_none();
        let Some(mut value) = head else { return Ok(Value::Null) };
        let mut around = "";
        for name in &operand.fields {
            let is_absent = self.is_absent(&value, around, name);
            self.has_no_value = is_absent;
            value = if is_absent { Cow::Owned(Value::Null) } else { self.field(value, around, name)? };
            around = name;
            if is_absent && self.missing == Missing::Struct {
                return Ok(Value::Null);
            }
        }
        if self.missing == Missing::Struct && value.is_null() && structs::is_interface(around) {
            self.has_no_value = true;
        }
        Ok(value.into_owned())
    }

    /// Whether something is a map, called `around`, that has no such key.
    fn is_absent(&self, value: &Value, around: &str, name: &str) -> bool {
        let Some(map) = value.as_object().filter(|map| !map.contains_key(name)) else { return false };
        match self.missing {
            Missing::Struct => Struct::of(map).is_none(),
            _ => MAPS.contains(&around),
        }
    }

    /// The field `name` of the value that is called `around`.
    fn field<'v>(&self, value: Cow<'v, Value>, around: &str, name: &str) -> Result<Cow<'v, Value>> {
        if self.missing == Missing::Struct {
            let field = structs::field(&value, around, name, self.as_json);
            return field.map(Cow::Owned).map_err(|reason| self.wrong(reason));
        }
        let found = match &value {
            Cow::Borrowed(Value::Object(map)) => map.get(name).map(Cow::Borrowed),
            other => other.as_object().and_then(|map| map.get(name)).cloned().map(Cow::Owned),
        };
        if let Some(field) = found {
            let is_typed = self.missing == Missing::Zero && !self.as_json;
            let filled = if is_typed { fields::filled(&field, around, name) } else { None };
            return Ok(filled.map_or(field, Cow::Owned));
        }
        if let Some(json) = fields::in_json(name).filter(|_| self.missing == Missing::Zero && value.get(name).is_none())
        {
            return self.field(value, around, json);
        }
        if let Some(answer) = fields::method(&value, around, name) {
            return Ok(Cow::Owned(answer));
        }
        let zero = || fields::left_out(around, name, self.as_json).filter(|_| self.missing == Missing::Zero);
        match value.as_ref() {
            Value::Object(_) => zero()
                .map(Cow::Owned)
                .ok_or_else(|| self.wrong(format!("map has no entry for key {}", quoted(name, false)))),
            // docker evaluates fields that its types lack on the JSON of the response, so its error names no type.
            Value::Null => Err(self.wrong(format!("nil pointer evaluating interface {{}}.{name}"))),
            _ => Err(self.wrong(format!("can't evaluate field {name} in type interface {{}}"))),
        }
    }

    fn wrong(&self, reason: impl Into<String>) -> FormatError {
        let spot = self.spot.cloned().unwrap_or_default();
        FormatError::Evaluation { spot, template: quoted(self.name, false), reason: reason.into() }
    }

    fn undefined(&self, name: &str) -> FormatError {
        self.wrong(format!("undefined variable: {name}"))
    }
}

fn is_json(command: &Command) -> bool {
    let head = command.operands.first().map(|operand| &operand.head);
    matches!(head, Some(Head::Function(name)) if name == "json")
}

/// A label's value; in the headings of a table, which have no labels, the last word of its name.
fn label(labels: &Value, name: &str) -> Value {
    match labels {
        Value::Object(labels) => labels.get(name).cloned().unwrap_or_else(|| Value::from("")),
        _ => Value::from(name.rsplit('.').next().unwrap_or(name).replace(['-', '_'], " ")),
    }
}
