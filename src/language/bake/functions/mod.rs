//! The functions that every bake file can call, after go-cty's library and buildx's additions.
//!
//! They are pure: the evaluator implements what depends on the machine or on the expression itself (`homedir`, `try`,
//! `can`, `convert`).

mod addresses;
mod csv;
mod dates;
mod format;
mod hashes;
mod lists;
mod logarithm;
mod maps;
mod numbers;
mod private_key;
mod regexes;
mod sets;
mod text;
mod versions;

use crate::language::bake::value::{ConversionError, Number, Type, Value};

pub use csv::fields;
pub(in crate::language::bake) use text::clean as clean_path;

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Any,
    Text,
    Number,
    Bool,
    Texts,
    List,
    Set,
    /// go-cty's buffers, which no function here returns.
    Bytes,
}

impl Wanted {
    pub fn kind(self) -> Option<Type> {
        Some(match self {
            Self::Any => Type::Dynamic,
            Self::Text => Type::String,
            Self::Number => Type::Number,
            Self::Bool => Type::Bool,
            Self::Texts => Type::list(Type::String),
            Self::List => Type::list(Type::Dynamic),
            Self::Set => Type::set(Type::Dynamic),
            Self::Bytes => return None,
        })
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    pub name: &'static str,
    pub wanted: Wanted,
    pub takes_null: bool,
}

/// Why a function failed, and the argument that caused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub argument: Option<usize>,
    pub message: String,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self { argument: None, message: message.into() }
    }

    pub fn argument(index: usize, message: impl Into<String>) -> Self {
        Self { argument: Some(index), message: message.into() }
    }
}

impl From<ConversionError> for Failure {
    fn from(error: ConversionError) -> Self {
        Self::new(error.message)
    }
}

type Outcome = Result<Value, Failure>;

/// A function: its parameters, the one for all further arguments, and its implementation.
#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
    pub parameters: &'static [Parameter],
    pub variadic: Option<Parameter>,
    pub run: fn(&[Value]) -> Outcome,
}

pub fn find(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name == name)
}

/// All functions of the library except the evaluator's own.
pub fn all() -> impl Iterator<Item = &'static Function> {
    [
        numbers::FUNCTIONS,
        text::FUNCTIONS,
        lists::FUNCTIONS,
        maps::FUNCTIONS,
        sets::FUNCTIONS,
        hashes::FUNCTIONS,
        dates::FUNCTIONS,
        addresses::FUNCTIONS,
        format::FUNCTIONS,
        regexes::FUNCTIONS,
        versions::FUNCTIONS,
        csv::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

const fn parameter(name: &'static str, wanted: Wanted) -> Parameter {
    Parameter { name, wanted, takes_null: false }
}

const fn nullable(name: &'static str) -> Parameter {
    Parameter { name, wanted: Wanted::Any, takes_null: true }
}

const fn function(name: &'static str, parameters: &'static [Parameter], run: fn(&[Value]) -> Outcome) -> Function {
    Function { name, parameters, variadic: None, run }
}

const fn variadic(
    name: &'static str,
    parameters: &'static [Parameter],
    rest: Parameter,
    run: fn(&[Value]) -> Outcome,
) -> Function {
    Function { name, parameters, variadic: Some(rest), run }
}

/// The size limit of a text.
const MAX_TEXT: usize = 16 << 20;

fn text(text: impl Into<String>) -> Outcome {
    let text = text.into();
    if text.len() > MAX_TEXT {
        return Err(too_long());
    }
    Ok(Value::text(text))
}

fn too_long() -> Failure {
    Failure::new("the result would be longer than 16 MiB")
}

/// The text of an argument, which has been converted.
fn text_of(arguments: &[Value], index: usize) -> &str {
    arguments.get(index).and_then(Value::as_text).unwrap_or_default()
}

fn number_of(arguments: &[Value], index: usize) -> Number {
    match arguments.get(index) {
        Some(Value::Number(number)) => number.clone(),
        _ => Number::small(0),
    }
}

/// An argument as a whole number.
fn whole(arguments: &[Value], index: usize) -> Result<i64, Failure> {
    number_of(arguments, index).to_i64().ok_or_else(|| {
        Failure::new(format!("value must be a whole number, between {} and {} inclusive", i64::MIN, i64::MAX))
    })
}

fn count(number: usize) -> Value {
    Value::Number(Number::count(number))
}
