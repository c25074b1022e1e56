//! Variables and attributes at the top of a file.

use std::collections::HashSet;

use super::{Context, Failure, Reader, Resolved, Variable};
use crate::language::bake::error::Diagnostic;
use crate::language::bake::evaluation::type_constraint;
use crate::language::bake::syntax::Expression;
use crate::language::bake::value::{Type, Value, convert, to_json};

/// A value from outside, and whether it is JSON.
struct Given {
    text: String,
    is_json: bool,
}

impl Reader<'_> {
    pub(super) fn resolve_value(&mut self, context: Context, name: &str) -> Resolved {
        if self.globals.contains_key(name) || self.contexts[context].contains_key(name) {
            return Ok(());
        }
        if !self.values_started.insert((context, name.to_owned())) {
            return Err(Failure::Reason(format!("variable cycle not allowed for {name}")));
        }
        let value = self.computed(context, name)?;
        self.globals.insert(name.to_owned(), value);
        Ok(())
    }

    fn computed(&mut self, context: Context, name: &str) -> Resolved<Value> {
        if let Some(text) = self.settings.built_in.get(name) {
            return Ok(Value::text(text.clone()));
        }
        let attribute = self.attributes.get(name).map(|attribute| attribute.value.clone());
        let is_variable = self.variables.contains_key(name);
        let (definition, kind, context) = match attribute {
            Some(value) => (Some(value), None, context),
            None if is_variable => {
                let body = &self.variables[name].body;
                let default = body.attribute("default").map(|attribute| attribute.value.clone());
                let kind = body.attribute("type").map(|attribute| constraint(&attribute.value)).transpose()?.flatten();
                if let Some(variable) = self.variables.get_mut(name) {
                    variable.kind.clone_from(&kind);
                }
                (default, kind, 0)
            }
            None => return Err(Failure::Undefined(format!("variable {name:?} does not exist"))),
        };
        let default = match &definition {
            Some(expression) => {
                self.load(expression, context, &HashSet::new(), true)?;
                let value = self.evaluate(expression, context)?;
                let wanted = kind.clone().unwrap_or(Type::Dynamic);
                convert(&value, &wanted).map_err(|error| {
                    let wanted = wanted.name();
                    Failure::Reason(format!("invalid type {wanted} for variable {name} default value: {error}"))
                })?
            }
            None => match &kind {
                Some(kind) => Value::Null(kind.of_values()),
                None => Value::text(""),
            },
        };
        if !is_variable && definition.is_some() {
            return Ok(default);
        }
        match self.given(name, kind.is_some()) {
            Some(given) => overridden(name, &given, kind.as_ref(), definition.is_some(), default),
            None => Ok(default),
        }
    }

    /// The value from outside for a variable: under its own name, or the name followed by `_JSON`.
    fn given(&self, name: &str, favours_json: bool) -> Option<Given> {
        let plain = self.settings.overrides.get(name).map(|text| Given { text: text.clone(), is_json: false });
        if plain.is_some() && !favours_json {
            return plain;
        }
        let json_name = format!("{name}_JSON");
        if self.variables.contains_key(&json_name) || self.settings.built_in.contains_key(&json_name) {
            return plain;
        }
        let json = self.settings.overrides.get(&json_name);
        json.map(|text| Given { text: text.clone(), is_json: true }).or(plain)
    }

    /// Evaluates all variables, and returns them as text.
    pub(super) fn resolve_variables(&mut self, names: &[String]) -> Result<Vec<Variable>, Box<Diagnostic>> {
        let mut all = Vec::new();
        for name in names {
            let end = self.variables[name].body.missing;
            self.resolve_value(0, name).map_err(|failure| failure.at(end, "Invalid value"))?;
            let variable = &self.variables[name];
            let description = match variable.body.attribute("description") {
                Some(attribute) => self.description(&attribute.value)?,
                None => String::new(),
            };
            let kind = variable.kind.as_ref();
            let value = self.globals.get(name).filter(|value| !value.is_null());
            all.push(Variable {
                name: name.clone(),
                description,
                kind: kind.map(Type::wanted).unwrap_or_default(),
                value: value.map(|value| in_words(value, kind)),
            });
        }
        all.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(all)
    }

    fn description(&self, expression: &Expression) -> Result<String, Box<Diagnostic>> {
        // Nothing is defined yet when this is read, so it has to be a literal.
        let value = self.evaluate(expression, 0)?;
        match convert(&value, &Type::String) {
            Ok(Value::String(text)) => Ok(text),
            _ => {
                let detail = "Unsuitable value: a string is required";
                Err(Diagnostic::new(expression.span(), "Unsuitable value type", detail))
            }
        }
    }

    /// Checks the variables' validation rules.
    pub(super) fn validate(&mut self, names: &[String]) -> Result<(), Box<Diagnostic>> {
        for name in names {
            let body = self.variables[name].body.clone();
            for rule in body.blocks.iter().filter(|block| block.kind == "validation") {
                let Some(condition) = rule.body.attribute("condition") else {
                    return Err(null_condition(rule.open));
                };
                let span = condition.value.span();
                self.load(&condition.value, 0, &HashSet::new(), true)
                    .map_err(|failure| failure.at(span, "Invalid expression"))?;
                let value = self.evaluate(&condition.value, 0)?;
                if value.is_null() {
                    return Err(null_condition(span));
                }
                let value = convert(&value, &Type::Bool).map_err(|error| {
                    let detail = format!("Invalid condition result value: {error}");
                    Diagnostic::new(span, "Invalid condition result", detail)
                })?;
                if matches!(value, Value::Bool(true)) {
                    continue;
                }
                let mut message = "This check failed, but has an invalid error message.".to_owned();
                if let Some(attribute) = rule.body.attribute("error_message") {
                    let text_span = attribute.value.span();
                    self.load(&attribute.value, 0, &HashSet::new(), true)
                        .map_err(|failure| failure.at(text_span, "Invalid expression"))?;
                    if let Value::String(text) = self.evaluate(&attribute.value, 0)? {
                        message = text;
                    }
                }
                return Err(Diagnostic::new(span, "Validation failed", message));
            }
        }
        Ok(())
    }
}

fn null_condition(span: crate::language::bake::syntax::Span) -> Box<Diagnostic> {
    let detail = "Condition expression must return either true or false, not null.";
    Diagnostic::new(span, "Invalid condition result", detail)
}

/// The type constraint; none for `null`.
fn constraint(expression: &Expression) -> Result<Option<Type>, Box<Diagnostic>> {
    match expression {
        Expression::Literal { value: Value::Null(_), .. } => Ok(None),
        other => type_constraint(other).map(Some),
    }
}

/// The value from outside, converted to the variable's type.
fn overridden(name: &str, given: &Given, kind: Option<&Type>, has_default: bool, default: Value) -> Resolved<Value> {
    use super::overrides;
    let text = &given.text;
    match kind {
        Some(kind) if given.is_json => overrides::from_json(name, text, kind),
        Some(kind) if overrides::is_list_of_values(kind) => overrides::from_csv(name, text, kind),
        Some(kind) if kind.is_primitive() => overrides::primitive(name, text, kind),
        Some(kind) => Err(Failure::Reason(format!("unsupported type {} for variable {name}", kind.name()))),
        None if !has_default => Ok(Value::text(text.clone())),
        None => match default.kind() {
            Type::Dynamic => Ok(Value::text(text.clone())),
            kind if kind.is_primitive() => overrides::primitive(name, text, &kind),
            kind => Err(Failure::Reason(format!("unsupported type {} for variable {name}", kind.name()))),
        },
    }
}

fn in_words(value: &Value, kind: Option<&Type>) -> String {
    match (value, kind) {
        (Value::String(text), None) => text.clone(),
        (Value::Number(number), None) => number.text(),
        (value, kind) => {
            let json = to_json(value).unwrap_or_default();
            if kind == Some(&Type::String) { json.trim_matches('"').to_owned() } else { json }
        }
    }
}
