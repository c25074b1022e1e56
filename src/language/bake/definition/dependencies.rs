//! Evaluates the dependencies of an expression first: functions, variables, and attributes of other targets.

use std::collections::HashSet;

use super::{Context, Failure, Reader, Resolved};
use crate::language::bake::error::Diagnostic;
use crate::language::bake::evaluation::{UserFunction, calls};
use crate::language::bake::syntax::{Expression, Step, called_functions, variables};

impl Reader<'_> {
    /// Resolves everything that the expression names. With `allows_missing`, undefined names are an error only when
    /// they are used.
    pub(super) fn load(
        &mut self,
        expression: &Expression,
        context: Context,
        hidden: &HashSet<String>,
        allows_missing: bool,
    ) -> Resolved {
        let span = expression.span();
        let settle = |result: Resolved| -> Resolved {
            match result {
                Err(Failure::Undefined(_)) if allows_missing => Ok(()),
                other => other.map_err(|failure| failure.at(span, "Invalid expression").into()),
            }
        };
        for name in called_functions(expression) {
            settle(self.resolve_function(context, name))?;
        }
        for traversal in variables(expression) {
            let root = traversal.root.as_str();
            if hidden.contains(root) {
                continue;
            }
            if !self.knows_blocks || !matches!(root, "target" | "group") {
                settle(self.resolve_value(context, root))?;
                continue;
            }
            let refused = |what: String| Err(Diagnostic::new(span, "Invalid expression", what).into());
            let name = match traversal.steps.first() {
                None => return refused(format!("cannot access {root} as a variable")),
                Some(Step::Index { .. }) => return refused(format!("cannot traverse {root} without attribute")),
                Some(Step::Attribute { name, .. }) => name.clone(),
            };
            let wanted = match traversal.steps.get(1) {
                Some(Step::Attribute { name, .. }) => Some(vec![name.clone()]),
                _ => None,
            };
            let blocks = self.by_name.get(&(root.to_owned(), name)).cloned().unwrap_or_default();
            for block in blocks {
                settle(self.resolve_block(block, wanted.as_deref()))?;
            }
        }
        Ok(())
    }

    pub(super) fn resolve_function(&mut self, context: Context, name: &str) -> Resolved {
        if calls::is_in_library(name) || self.functions.contains_key(name) {
            return Ok(());
        }
        let Some(block) = self.function_blocks.get(name) else {
            return Err(Failure::Undefined(format!("function {name:?} does not exist")));
        };
        let block = block.clone();
        if !self.functions_started.insert((context, name.to_owned())) {
            return Err(Failure::Reason(format!("function cycle not allowed for {name}")));
        }
        let Some(result) = block.body.attribute("result") else {
            return Err(Failure::Reason(format!("empty result not allowed for {name}")));
        };
        let Some(parameters) = block.body.attribute("params") else {
            return Err(Failure::Reason(format!("empty params not allowed for {name}")));
        };
        let not_a_name = |expression: &Expression| {
            let detail = "Each parameter name must be an identifier.";
            Diagnostic::new(expression.span(), "Invalid param element", detail)
        };
        let Some(listed) = parameters.value.listed() else {
            let detail = "A static list expression is required.";
            return Err(Diagnostic::new(parameters.value.span(), "Invalid expression", detail).into());
        };
        let name_of = |expression: &Expression| expression.keyword().ok_or_else(|| not_a_name(expression));
        let names = listed.iter().map(name_of).collect::<Result<Vec<_>, _>>()?;
        let variadic =
            block.body.attribute("variadic_params").map(|attribute| name_of(&attribute.value)).transpose()?;
        let hidden = names.iter().chain(&variadic).cloned().collect();
        self.load(&result.value, 0, &hidden, false)?;
        let function = UserFunction { parameters: names, variadic, result: result.value.clone() };
        self.functions.insert(name.to_owned(), function);
        Ok(())
    }
}
