//! Function calls: of the library, of the file, and of the three functions that take expressions.

use std::collections::HashMap;

use super::{Evaluated, Evaluator, Scope, UserFunction, near, type_words};
use crate::language::bake::error::Diagnostic;
use crate::language::bake::functions::{self, Failure, Function, Parameter, Wanted};
use crate::language::bake::syntax::{Expression, Span};
use crate::language::bake::value::{Type, Value, convert};

/// The functions that the evaluator implements itself.
const OWN: [&str; 4] = ["can", "convert", "homedir", "try"];

/// Whether the library has a function of that name.
pub fn is_in_library(name: &str) -> bool {
    OWN.contains(&name) || functions::find(name).is_some()
}

/// An argument: an expression, or an element of an expanded list.
enum Argument<'a> {
    Expression(&'a Expression),
    Value(Value, Span),
}

impl Argument<'_> {
    fn span(&self) -> Span {
        match self {
            Self::Expression(expression) => expression.span(),
            Self::Value(_, span) => *span,
        }
    }
}

/// A call, as named in messages.
struct Call<'a> {
    name: &'a str,
    name_span: Span,
    close: Span,
}

impl Call<'_> {
    fn span(&self) -> Span {
        self.name_span.to(self.close)
    }

    fn failed(&self, message: &str) -> Box<Diagnostic> {
        let detail = format!("Call to function {:?} failed: {message}.", self.name);
        Diagnostic::new(self.name_span, "Error in function call", detail)
    }

    fn invalid(&self, parameter: &str, span: Span, message: &str) -> Box<Diagnostic> {
        let detail = format!("Invalid value for {parameter:?} parameter: {message}.");
        Diagnostic::new(span, "Invalid function argument", detail)
    }

    /// Checks the number of arguments.
    fn check_count(&self, given: &[Argument<'_>], names: &[&str], has_more: bool) -> Result<(), Box<Diagnostic>> {
        if let Some(missing) = names.get(given.len()) {
            let least = if has_more { " at least" } else { "" };
            let detail = format!(
                "Function {:?} expects{least} {} argument(s). Missing value for {missing:?}.",
                self.name,
                names.len()
            );
            return Err(Diagnostic::new(self.close, "Not enough function arguments", detail));
        }
        if let Some(extra) = given.get(names.len()).filter(|_| !has_more) {
            let detail = format!("Function {:?} expects only {} argument(s).", self.name, names.len());
            return Err(Diagnostic::new(extra.span(), "Too many function arguments", detail));
        }
        Ok(())
    }
}

impl Evaluator<'_> {
    pub(super) fn call(&self, expression: &Expression, scope: &Scope<'_>) -> Evaluated {
        let Expression::Call { name, arguments, is_expanded, name_span, close } = expression else {
            return Ok(Value::NULL);
        };
        let call = Call { name, name_span: *name_span, close: *close };
        if !is_in_library(name) && !self.functions.contains_key(name) {
            return Err(self.unknown(&call));
        }
        let arguments = self.expanded(&call, arguments, *is_expanded, scope)?;
        let value = match name.as_str() {
            "try" => self.try_each(&call, &arguments, scope),
            "can" => self.can(&call, &arguments, scope),
            "convert" => self.convert(&call, &arguments, scope),
            "homedir" => {
                call.check_count(&arguments, &[], false)?;
                Ok(Value::text(self.home))
            }
            _ => match functions::find(name) {
                Some(function) => self.library(&call, function, &arguments, scope),
                None => match self.functions.get(name) {
                    Some(function) => self.user(&call, function, &arguments, scope),
                    None => Err(self.unknown(&call)),
                },
            },
        }?;
        self.checked(value, call.span())
    }

    fn unknown(&self, call: &Call<'_>) -> Box<Diagnostic> {
        let mut known: Vec<&str> = self.functions.keys().map(String::as_str).collect();
        known.sort_unstable();
        known.extend(functions::all().map(|function| function.name).chain(OWN));
        let hint = near(call.name, &known);
        let detail = format!("There is no function named {:?}.{hint}", call.name);
        Diagnostic::new(call.name_span, "Call to unknown function", detail)
    }

    /// The arguments; with `...`, the elements of the last one.
    fn expanded<'e>(
        &self,
        call: &Call<'_>,
        arguments: &'e [Expression],
        is_expanded: bool,
        scope: &Scope<'_>,
    ) -> Result<Vec<Argument<'e>>, Box<Diagnostic>> {
        let (last, rest) = match arguments.split_last() {
            Some((last, rest)) if is_expanded => (last, rest),
            _ => return Ok(arguments.iter().map(Argument::Expression).collect()),
        };
        let span = last.span();
        let value = self.value(last, scope)?;
        let wrong = |detail: &str| Err(Diagnostic::new(span, "Invalid expanding argument value", detail));
        if value.is_null() {
            return wrong("The expanding argument (indicated by ...) must not be null.");
        }
        let Some(elements) = value.elements() else {
            return wrong("The expanding argument (indicated by ...) must be of a tuple, list, or set type.");
        };
        self.spend(elements.len(), call.span())?;
        let mut all: Vec<Argument<'e>> = rest.iter().map(Argument::Expression).collect();
        all.extend(elements.iter().map(|element| Argument::Value(element.clone(), span)));
        Ok(all)
    }

    fn argument(&self, argument: &Argument<'_>, scope: &Scope<'_>) -> Evaluated {
        match argument {
            Argument::Expression(expression) => self.value(expression, scope),
            Argument::Value(value, _) => Ok(value.clone()),
        }
    }

    fn library(&self, call: &Call<'_>, function: &Function, given: &[Argument<'_>], scope: &Scope<'_>) -> Evaluated {
        let names: Vec<&str> = function.parameters.iter().map(|parameter| parameter.name).collect();
        call.check_count(given, &names, function.variadic.is_some())?;
        let parameter = |index: usize| function.parameters.get(index).copied().or(function.variadic);
        let mut values = Vec::new();
        for (index, argument) in given.iter().enumerate() {
            let value = self.argument(argument, scope)?;
            let Some(parameter) = parameter(index) else { continue };
            values.push(converted(call, &parameter, value, argument.span())?);
        }
        for (index, value) in values.iter().enumerate() {
            if let Some(parameter) = parameter(index).filter(|parameter| value.is_null() && !parameter.takes_null) {
                return Err(call.invalid(parameter.name, given[index].span(), "argument must not be null"));
            }
        }
        (function.run)(&values).map_err(|Failure { argument, message }| {
            let blamed = argument.and_then(|index| Some((parameter(index)?, given.get(index))));
            match blamed {
                Some((parameter, argument)) => {
                    let span = argument.map_or_else(|| call.span(), Argument::span);
                    call.invalid(parameter.name, span, &message)
                }
                None => call.failed(&message),
            }
        })
    }

    fn user(&self, call: &Call<'_>, function: &UserFunction, given: &[Argument<'_>], scope: &Scope<'_>) -> Evaluated {
        let names: Vec<&str> = function.parameters.iter().map(String::as_str).collect();
        call.check_count(given, &names, function.variadic.is_some())?;
        let mut values = Vec::new();
        for (index, argument) in given.iter().enumerate() {
            let value = self.argument(argument, scope)?;
            if value.is_null() {
                let name = names.get(index).copied().or(function.variadic.as_deref()).unwrap_or_default();
                return Err(call.invalid(name, argument.span(), "argument must not be null"));
            }
            values.push(value);
        }
        let rest = values.split_off(names.len());
        let mut locals: HashMap<String, Value> = function.parameters.iter().cloned().zip(values).collect();
        if let Some(name) = &function.variadic {
            locals.insert(name.clone(), Value::Tuple(rest));
        }
        let globals = Scope::new(self.globals);
        let inner = Scope::within(&locals, &globals);
        self.value(&function.result, &inner).map_err(|error| call.failed(&error.to_string()))
    }

    fn try_each(&self, call: &Call<'_>, given: &[Argument<'_>], scope: &Scope<'_>) -> Evaluated {
        if given.is_empty() {
            return Err(call.failed("at least one argument is required"));
        }
        let mut reasons = Vec::new();
        for argument in given {
            match self.argument(argument, scope) {
                Ok(value) => return Ok(value),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        Err(call.failed(&format!(
            "no expression succeeded: {}. At least one expression must produce a successful result",
            reasons.join("; ")
        )))
    }

    fn can(&self, call: &Call<'_>, given: &[Argument<'_>], scope: &Scope<'_>) -> Evaluated {
        call.check_count(given, &["expression"], false)?;
        Ok(Value::Bool(self.argument(&given[0], scope).is_ok()))
    }

    fn convert(&self, call: &Call<'_>, given: &[Argument<'_>], scope: &Scope<'_>) -> Evaluated {
        call.check_count(given, &["value", "type"], false)?;
        let value = self.argument(&given[0], scope)?;
        let Argument::Expression(wanted) = &given[1] else {
            return Err(call.invalid("type", given[1].span(), "a type is required"));
        };
        let kind: Type = type_words::type_constraint(wanted)?;
        convert(&value, &kind).map_err(|error| call.invalid("value", given[0].span(), &error.to_string()))
    }
}

fn converted(call: &Call<'_>, parameter: &Parameter, value: Value, span: Span) -> Evaluated {
    match parameter.wanted {
        Wanted::Any => Ok(value),
        wanted => match wanted.kind() {
            Some(kind) => {
                convert(&value, &kind).map_err(|error| call.invalid(parameter.name, span, &error.to_string()))
            }
            None => Err(call.invalid(parameter.name, span, "bytes required")),
        },
    }
}
