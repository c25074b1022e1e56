//! Operators.

use super::{Evaluated, Evaluator, Scope};
use crate::language::bake::error::Diagnostic;
use crate::language::bake::functions::{self, Failure};
use crate::language::bake::syntax::{BinaryOperator, Expression, Span};
use crate::language::bake::value::{Type, Value, convert};

impl Evaluator<'_> {
    pub(super) fn binary(
        &self,
        operator: BinaryOperator,
        left: &Expression,
        right: &Expression,
        span: Span,
        scope: &Scope<'_>,
    ) -> Evaluated {
        let function = function_name(operator);
        let wanted = operand_kind(operator);
        let read = |expression: &Expression, side: &str| -> Evaluated {
            let value = self.value(expression, scope)?;
            convert(&value, &wanted).map_err(|error| invalid(expression.span(), &format!("{side} operand"), &error))
        };
        let (left, right) = (read(left, "left"), read(right, "right"));
        // One operand may decide alone, whatever is wrong with the other.
        let decisive = match operator {
            BinaryOperator::Or => Some(true),
            BinaryOperator::And => Some(false),
            _ => None,
        };
        let is_null = |side: &Evaluated| side.as_ref().is_ok_and(Value::is_null);
        if let Some(decisive) = decisive
            && !is_null(&left)
            && !is_null(&right)
        {
            let decides = |side: &Evaluated| matches!(side, Ok(Value::Bool(value)) if *value == decisive);
            let is_conversion = |side: &Evaluated| side.as_ref().is_err_and(|error| error.summary == INVALID);
            if !is_conversion(&left) && !is_conversion(&right) && (decides(&left) || decides(&right)) {
                return Ok(Value::Bool(decisive));
            }
        }
        self.apply(function, &[left?, right?], span)
    }

    pub(super) fn not(&self, inner: &Expression, span: Span, scope: &Scope<'_>) -> Evaluated {
        self.unary("not", &Type::Bool, inner, span, scope)
    }

    pub(super) fn negate(&self, inner: &Expression, span: Span, scope: &Scope<'_>) -> Evaluated {
        self.unary("negate", &Type::Number, inner, span, scope)
    }

    fn unary(&self, name: &str, wanted: &Type, inner: &Expression, span: Span, scope: &Scope<'_>) -> Evaluated {
        let value = self.value(inner, scope)?;
        let value = convert(&value, wanted).map_err(|error| invalid(inner.span(), "unary operand", &error))?;
        self.apply(name, &[value], span)
    }

    fn apply(&self, name: &str, operands: &[Value], span: Span) -> Evaluated {
        let failed = |failure: Failure| {
            Diagnostic::new(span, "Operation failed", format!("Error during operation: {}.", failure.message))
        };
        let function = functions::find(name).ok_or_else(|| failed(Failure::new("no such operation")))?;
        for (operand, parameter) in operands.iter().zip(function.parameters) {
            if operand.is_null() && !parameter.takes_null {
                return Err(failed(Failure::new("argument must not be null")));
            }
        }
        (function.run)(operands).map_err(failed)
    }
}

const INVALID: &str = "Invalid operand";

fn invalid(span: Span, side: &str, error: &impl std::fmt::Display) -> Box<Diagnostic> {
    Diagnostic::new(span, INVALID, format!("Unsuitable value for {side}: {error}."))
}

fn function_name(operator: BinaryOperator) -> &'static str {
    match operator {
        BinaryOperator::Or => "or",
        BinaryOperator::And => "and",
        BinaryOperator::Equal => "equal",
        BinaryOperator::NotEqual => "notequal",
        BinaryOperator::Greater => "greaterthan",
        BinaryOperator::GreaterOrEqual => "greaterthanorequalto",
        BinaryOperator::Less => "lessthan",
        BinaryOperator::LessOrEqual => "lessthanorequalto",
        BinaryOperator::Add => "add",
        BinaryOperator::Subtract => "subtract",
        BinaryOperator::Multiply => "multiply",
        BinaryOperator::Divide => "divide",
        BinaryOperator::Modulo => "modulo",
    }
}

fn operand_kind(operator: BinaryOperator) -> Type {
    match operator {
        BinaryOperator::Or | BinaryOperator::And => Type::Bool,
        BinaryOperator::Equal | BinaryOperator::NotEqual => Type::Dynamic,
        _ => Type::Number,
    }
}
