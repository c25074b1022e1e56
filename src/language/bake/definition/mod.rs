//! Bake files in HCL and JSON → targets, groups and variables.
//!
//! References are evaluated first, attribute by attribute, so that files may refer to each other in any order.

mod blocks;
mod decode;
mod dependencies;
mod matrix;
mod overrides;
mod variables;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::error::Diagnostic;
use super::evaluation::{Evaluator, UserFunction};
use super::syntax::{Attribute, Block, Body, Expression, Span};
use super::target::{Config, Group, Target, unique};
use super::value::{Type, Value};

/// The context of a file's evaluation.
#[derive(Debug, Default)]
pub struct Settings {
    /// The environment of variables, including the command line's settings.
    pub overrides: BTreeMap<String, String>,
    /// Predefined names.
    pub built_in: BTreeMap<String, String>,
    pub home: String,
}

/// A variable of a file, and its value as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    pub description: String,
    pub kind: String,
    /// `None` for a null.
    pub value: Option<String>,
}

/// Something in a file that has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub span: Span,
    pub message: String,
}

/// The content of the files.
#[derive(Debug, Default)]
pub struct Definition {
    pub variables: Vec<Variable>,
    pub warnings: Vec<Warning>,
}

/// Why something could not be resolved.
#[derive(Debug)]
enum Failure {
    /// An undefined name. Whether that is an error depends on whether it is used.
    Undefined(String),
    Reason(String),
    Diagnostic(Box<Diagnostic>),
}

impl From<Box<Diagnostic>> for Failure {
    fn from(diagnostic: Box<Diagnostic>) -> Self {
        Self::Diagnostic(diagnostic)
    }
}

impl Failure {
    /// As an error at a place, unless it has its own.
    fn at(self, span: Span, summary: &str) -> Box<Diagnostic> {
        match self {
            Self::Diagnostic(diagnostic) => diagnostic,
            Self::Undefined(reason) | Self::Reason(reason) => Diagnostic::new(span, summary, reason),
        }
    }
}

type Resolved<T = ()> = Result<T, Failure>;

/// The names that an expression sees besides the global ones: 0 for none, else those of one combination of a matrix.
type Context = usize;

/// A `variable` block.
#[derive(Debug)]
struct VariableBlock {
    body: Body,
    /// Its type constraint, once known.
    kind: Option<Type>,
}

/// One target or group of a block.
#[derive(Debug, Clone)]
enum Made {
    Target(Box<Target>),
    Group(Group),
}

/// The state of a block.
#[derive(Debug, Default)]
struct Progress {
    contexts: Vec<Context>,
    made: Vec<Made>,
    names: Option<Vec<String>>,
    /// For each context, the attributes being evaluated, and those that are done.
    started: HashMap<Context, HashSet<String>>,
    done: HashMap<Context, HashSet<String>>,
    is_prepared: bool,
    /// The whole block is being evaluated.
    is_running: bool,
}

/// The state of an evaluation.
struct Reader<'a> {
    settings: &'a Settings,
    variables: HashMap<String, VariableBlock>,
    attributes: HashMap<String, Attribute>,
    function_blocks: HashMap<String, Block>,
    blocks: Vec<Block>,
    progress: Vec<Progress>,
    /// The blocks of each target or group, by kind and name.
    by_name: HashMap<(String, String), Vec<usize>>,
    globals: HashMap<String, Value>,
    functions: HashMap<String, UserFunction>,
    /// The names of each context; the first has none.
    contexts: Vec<HashMap<String, Value>>,
    values_started: HashSet<(Context, String)>,
    functions_started: HashSet<(Context, String)>,
    spent: Cell<usize>,
    /// Variables and functions are resolved: from now on expressions can refer to targets and groups.
    knows_blocks: bool,
    warnings: Vec<Warning>,
}

/// Evaluates the bodies of all files, in order, into the existing targets and groups.
///
/// # Errors
/// The first error in them.
pub fn read(bodies: Vec<Body>, settings: &Settings, config: &mut Config) -> Result<Definition, Box<Diagnostic>> {
    let (mut reader, variable_order, function_order) = Reader::new(bodies, settings)?;
    for name in settings.built_in.keys() {
        _ = reader.resolve_value(0, name);
    }
    let variables = reader.resolve_variables(&variable_order)?;
    reader.validate(&variable_order)?;
    for name in &function_order {
        reader.resolve_function(0, name).map_err(|failure| {
            let block = &reader.function_blocks[name];
            let span = block.body.attribute("params").map_or(block.kind_span, |attribute| attribute.span);
            failure.at(span, "Invalid function")
        })?;
    }
    reader.knows_blocks = true;
    let renamed = reader.resolve_names()?;
    reader.resolve_blocks(config)?;
    let mut names: Vec<String> = reader.attributes.keys().cloned().collect();
    names.sort();
    for name in names {
        let span = reader.attributes[&name].span;
        reader.resolve_value(0, &name).map_err(|failure| failure.at(span, "Invalid attribute"))?;
    }
    for (label, names) in renamed {
        let names = unique(names);
        if names.as_slice() != [label.as_str()] {
            config.groups.push(Group { name: label, targets: Some(names), ..Group::default() });
        }
    }
    config.deduplicate();
    Ok(Definition { variables, warnings: reader.warnings })
}

type Order = Vec<String>;

impl<'a> Reader<'a> {
    fn new(bodies: Vec<Body>, settings: &'a Settings) -> Result<(Self, Order, Order), Box<Diagnostic>> {
        let mut reader = Self {
            settings,
            variables: HashMap::new(),
            attributes: HashMap::new(),
            function_blocks: HashMap::new(),
            blocks: Vec::new(),
            progress: Vec::new(),
            by_name: HashMap::new(),
            globals: HashMap::new(),
            functions: HashMap::new(),
            contexts: vec![HashMap::new()],
            values_started: HashSet::new(),
            functions_started: HashSet::new(),
            spent: Cell::new(0),
            knows_blocks: false,
            warnings: Vec::new(),
        };
        let (mut variables, mut functions) = (Vec::new(), Vec::new());
        for body in bodies {
            for attribute in body.attributes {
                if !reader.is_reserved(&attribute.name) && attribute.name != "function" {
                    reader.attributes.insert(attribute.name.clone(), attribute);
                }
            }
            for block in body.blocks {
                reader.add_block(block, &mut variables, &mut functions)?;
            }
        }
        reader.progress.resize_with(reader.blocks.len(), Progress::default);
        Ok((reader, unique(variables), unique(functions)))
    }

    fn is_reserved(&self, name: &str) -> bool {
        matches!(name, "target" | "group") || self.settings.built_in.contains_key(name)
    }

    fn add_block(&mut self, block: Block, variables: &mut Order, functions: &mut Order) -> Result<(), Box<Diagnostic>> {
        let known = ["variable", "function", "target", "group"];
        if !known.contains(&block.kind.as_str()) {
            let hint = super::evaluation::near(&block.kind, &known);
            let message = format!("blocks of type {:?} have no effect.{hint}", block.kind);
            self.warnings.push(Warning { span: block.kind_span, message });
            return Ok(());
        }
        check_labels(&block)?;
        let name = block.labels[0].text.clone();
        match block.kind.as_str() {
            "variable" if self.is_reserved(&name) => {}
            "variable" => {
                self.warn_of_unknown(&block, &["type", "default", "description"]);
                variables.push(name.clone());
                self.variables.insert(name, VariableBlock { body: block.body, kind: None });
            }
            "function" if self.is_reserved(&name) => {}
            "function" => {
                self.warn_of_unknown(&block, &["params", "variadic_params", "result"]);
                functions.push(name.clone());
                self.function_blocks.insert(name, block);
            }
            _ => {
                let known = if block.kind == "target" { decode::TARGET_ATTRIBUTES } else { decode::GROUP_ATTRIBUTES };
                self.warn_of_unknown(&block, known);
                self.blocks.push(block);
            }
        }
        Ok(())
    }

    fn warn_of_unknown(&mut self, block: &Block, known: &[&str]) {
        let has_effect = |kind: &str| block.kind == "variable" && kind == "validation";
        let unknown_blocks = block
            .body
            .blocks
            .iter()
            .filter(|inner| !has_effect(&inner.kind))
            .map(|inner| (&inner.kind, inner.kind_span));
        let attributes = block.body.attributes.iter().map(|attribute| (&attribute.name, attribute.name_span));
        for (name, span) in attributes.filter(|(name, _)| !known.contains(&name.as_str())).chain(unknown_blocks) {
            let hint = super::evaluation::near(name, known);
            let message = format!("{:?} has no effect in a {}.{hint}", name, block.kind);
            self.warnings.push(Warning { span, message });
        }
    }

    fn evaluator(&self) -> Evaluator<'_> {
        Evaluator { functions: &self.functions, globals: &self.globals, home: &self.settings.home, spent: &self.spent }
    }

    /// The value of an expression whose dependencies are evaluated.
    fn evaluate(&self, expression: &Expression, context: Context) -> Result<Value, Box<Diagnostic>> {
        use super::evaluation::Scope;
        let globals = Scope::new(&self.globals);
        let scope = if context == 0 { globals } else { Scope::within(&self.contexts[context], &globals) };
        self.evaluator().value(expression, &scope)
    }
}

fn check_labels(block: &Block) -> Result<(), Box<Diagnostic>> {
    let kind = &block.kind;
    match block.labels.as_slice() {
        [_] => Ok(()),
        [] => Err(Diagnostic::new(
            block.open,
            format!("Missing name for {kind}"),
            format!("All {kind} blocks must have 1 labels (name)."),
        )),
        [_, extra, ..] => Err(Diagnostic::new(
            extra.span,
            format!("Extraneous label for {kind}"),
            format!("Only 1 labels (name) are expected for {kind} blocks."),
        )),
    }
}
