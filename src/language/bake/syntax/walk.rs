//! Which names an expression uses.

use std::collections::BTreeSet;

use super::tree::{Expression, Traversal};

/// The variables in order of appearance; the names of a loop are not variables inside it.
pub fn variables(expression: &Expression) -> Vec<&Traversal> {
    let mut walk = Walk::default();
    walk.visit(expression);
    walk.variables
}

/// The functions, each once.
pub fn called_functions(expression: &Expression) -> BTreeSet<&str> {
    let mut walk = Walk::default();
    walk.visit(expression);
    walk.functions
}

#[derive(Default)]
struct Walk<'a> {
    variables: Vec<&'a Traversal>,
    functions: BTreeSet<&'a str>,
    hidden: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, expression: &'a Expression) {
        match expression {
            Expression::Literal { .. } | Expression::Element { .. } => {}
            Expression::Template { parts, .. } => parts.iter().for_each(|part| self.visit(part)),
            Expression::Tuple { elements, .. } => elements.iter().for_each(|element| self.visit(element)),
            Expression::Wrapped { inner, .. }
            | Expression::Joined(inner)
            | Expression::Not { inner, .. }
            | Expression::Negate { inner, .. }
            | Expression::Parenthesized { inner, .. } => self.visit(inner),
            Expression::Relative { source, .. } => self.visit(source),
            Expression::Variable(traversal) => {
                if !self.hidden.contains(&traversal.root.as_str()) {
                    self.variables.push(traversal);
                }
            }
            Expression::Call { name, arguments, .. } => {
                self.functions.insert(name);
                arguments.iter().for_each(|argument| self.visit(argument));
            }
            Expression::Conditional { condition, yes, no, .. } => {
                [condition, yes, no].into_iter().for_each(|part| self.visit(part));
            }
            Expression::Index { collection, key, .. } => {
                self.visit(collection);
                self.visit(key);
            }
            Expression::Object { items, .. } => {
                for (key, value) in items {
                    if key.is_forced || key.expression.keyword().is_none() {
                        self.visit(&key.expression);
                    }
                    self.visit(value);
                }
            }
            Expression::For(for_loop) => {
                self.visit(&for_loop.collection);
                let count = self.hidden.len();
                self.hidden.extend(for_loop.key_name.as_deref());
                self.hidden.push(&for_loop.value_name);
                for part in for_loop.key.iter().chain([&for_loop.value]).chain(&for_loop.condition) {
                    self.visit(part);
                }
                self.hidden.truncate(count);
            }
            Expression::Splat { source, each, .. } => {
                self.visit(source);
                self.visit(each);
            }
            Expression::Binary { left, right, .. } => {
                self.visit(left);
                self.visit(right);
            }
            Expression::JsonText { template, .. } => {
                if let Ok(template) = template {
                    self.visit(template);
                }
            }
        }
    }
}
