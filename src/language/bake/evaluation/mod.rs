//! Expressions → values.

pub(super) mod calls;
mod operators;
mod parts;
mod type_words;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use super::error::Diagnostic;
use super::syntax::{Expression, ForLoop, Key, Span, Traversal};
use super::value::{Type, Value, convert, unify};

pub use type_words::type_constraint;

pub type Evaluated = Result<Value, Box<Diagnostic>>;

/// A function that a bake file defines.
#[derive(Debug, Clone)]
pub struct UserFunction {
    pub parameters: Vec<String>,
    pub variadic: Option<String>,
    pub result: Expression,
}

/// Names and their values, followed by those of the enclosing scope.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub names: &'a HashMap<String, Value>,
    pub around: Option<&'a Self>,
    /// The current element of a splat.
    element: Option<&'a Value>,
}

impl<'a> Scope<'a> {
    pub fn new(names: &'a HashMap<String, Value>) -> Self {
        Self { names, around: None, element: None }
    }

    pub fn within(names: &'a HashMap<String, Value>, around: &'a Self) -> Self {
        Self { names, around: Some(around), element: around.element }
    }

    fn find(&self, name: &str) -> Option<&'a Value> {
        match self.names.get(name) {
            Some(value) => Some(value),
            None => self.around?.find(name),
        }
    }

    fn all_names(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = self.names.keys().map(String::as_str).collect();
        names.sort_unstable();
        names.extend(self.around.map(Self::all_names).unwrap_or_default());
        names
    }
}

/// The total cost limit of an evaluation: a file must not be able to keep the machine busy.
const BUDGET: usize = 5_000_000;

/// Evaluates expressions with a file's functions and global names.
#[derive(Debug)]
pub struct Evaluator<'a> {
    pub functions: &'a HashMap<String, UserFunction>,
    pub globals: &'a HashMap<String, Value>,
    pub home: &'a str,
    pub spent: &'a Cell<usize>,
}

impl Evaluator<'_> {
    /// The value of an expression.
    ///
    /// # Errors
    /// The first error.
    pub fn value(&self, expression: &Expression, scope: &Scope<'_>) -> Evaluated {
        self.spend(1, expression.span())?;
        match expression {
            Expression::Literal { value, .. } => Ok(value.clone()),
            Expression::Template { parts, .. } => self.template(parts, scope),
            Expression::Wrapped { inner, .. } | Expression::Parenthesized { inner, .. } => self.value(inner, scope),
            Expression::Joined(inner) => self.joined(inner, scope),
            Expression::Variable(traversal) => self.variable(traversal, scope),
            Expression::Relative { source, steps, .. } => {
                let value = self.value(source, scope)?;
                self.checked(parts::follow(&value, steps)?, expression.span())
            }
            Expression::Call { .. } => self.call(expression, scope),
            Expression::Conditional { condition, yes, no, span } => {
                self.conditional([condition, yes, no], *span, scope)
            }
            Expression::Index { collection, key, brackets, .. } => {
                let collection = self.value(collection, scope)?;
                let key = self.value(key, scope)?;
                parts::index(&collection, &key, *brackets)
            }
            Expression::Tuple { elements, .. } => {
                elements.iter().map(|element| self.value(element, scope)).collect::<Result<_, _>>().map(Value::Tuple)
            }
            Expression::Object { items, is_json, .. } => self.object(items, *is_json, scope),
            Expression::For(for_loop) => self.for_loop(for_loop, scope),
            Expression::Splat { source, each, .. } => self.splat(source, each, scope),
            Expression::Element { span } => match scope.element {
                Some(value) => Ok(value.clone()),
                None => Err(Diagnostic::new(*span, "Invalid expression", "There is no element here.")),
            },
            Expression::Binary { operator, left, right, span } => self.binary(*operator, left, right, *span, scope),
            Expression::Not { inner, span } => self.not(inner, *span, scope),
            Expression::Negate { inner, span } => self.negate(inner, *span, scope),
            Expression::JsonText { template, .. } => match template {
                Ok(template) => self.value(template, scope),
                Err(error) => Err(error.clone()),
            },
        }
    }

    fn spend(&self, cost: usize, span: Span) -> Result<(), Box<Diagnostic>> {
        let spent = self.spent.get().saturating_add(cost);
        self.spent.set(spent);
        if spent > BUDGET {
            let detail = "This file needs more steps to be evaluated than bake takes.";
            return Err(Diagnostic::new(span, "Evaluation too expensive", detail));
        }
        Ok(())
    }

    /// A copied value counts with its size.
    fn checked(&self, value: Value, span: Span) -> Evaluated {
        self.spend(value.size(), span)?;
        Ok(value)
    }

    fn variable(&self, traversal: &Traversal, scope: &Scope<'_>) -> Evaluated {
        let Some(value) = scope.find(&traversal.root) else {
            let hint = near(&traversal.root, &scope.all_names());
            let detail = format!("There is no variable named {:?}.{hint}", traversal.root);
            return Err(Diagnostic::new(traversal.root_span, "Unknown variable", detail));
        };
        self.checked(parts::follow(value, &traversal.steps)?, traversal.span)
    }

    fn template(&self, template: &[Expression], scope: &Scope<'_>) -> Evaluated {
        let mut text = String::new();
        for part in template {
            let value = self.value(part, scope)?;
            let span = part.span();
            const SUMMARY: &str = "Invalid template interpolation value";
            if value.is_null() {
                let detail = "The expression result is null. Cannot include a null value in a string template.";
                return Err(Diagnostic::new(span, SUMMARY, detail));
            }
            let value = convert(&value, &Type::String).map_err(|error| {
                let detail = format!("Cannot include the given value in a string template: {error}.");
                Diagnostic::new(span, SUMMARY, detail)
            })?;
            text.push_str(value.as_text().unwrap_or_default());
            self.spend(value.size(), span)?;
            check_length(&text, span)?;
        }
        Ok(Value::text(text))
    }

    fn joined(&self, inner: &Expression, scope: &Scope<'_>) -> Evaluated {
        let tuple = self.value(inner, scope)?;
        let span = inner.span();
        let mut text = String::new();
        for value in tuple.elements().unwrap_or_default() {
            text.push_str(value.as_text().unwrap_or_default());
            check_length(&text, span)?;
        }
        Ok(Value::text(text))
    }

    fn conditional(&self, parts: [&Expression; 3], span: Span, scope: &Scope<'_>) -> Evaluated {
        let [condition, yes, no] = parts;
        // An error in the other branch does not matter, but its type is then unknown.
        let branches = [self.value(yes, scope), self.value(no, scope)];
        let kinds = branches.each_ref().map(|branch| branch.as_ref().map_or(Type::Dynamic, Value::kind));
        let is_open = |branch: &Evaluated| match branch {
            Ok(value) => matches!(value, Value::Null(Type::Dynamic)),
            Err(_) => false,
        };
        let kind = match (is_open(&branches[0]), is_open(&branches[1])) {
            (true, _) => Some(kinds[1].clone()),
            (_, true) => Some(kinds[0].clone()),
            _ if kinds.contains(&Type::Dynamic) => Some(Type::Dynamic),
            _ => unify(&kinds, true),
        };
        let Some(kind) = kind else {
            let detail = format!(
                "The true and false result expressions must have consistent types. {}.",
                type_words::difference(&kinds[0], &kinds[1])
            );
            return Err(Diagnostic::new(yes.span().to(no.span()), "Inconsistent conditional result types", detail));
        };
        let chosen = self.value(condition, scope)?;
        if chosen.is_null() {
            let detail = "The condition value is null. Conditions must either be true or false.";
            return Err(Diagnostic::new(condition.span(), "Null condition", detail));
        }
        let chosen = convert(&chosen, &Type::Bool).map_err(|_| {
            let detail = "The condition expression must be of type bool.";
            Diagnostic::new(condition.span(), "Incorrect condition type", detail)
        })?;
        let is_true = matches!(chosen, Value::Bool(true));
        let [when_true, when_false] = branches;
        let value = if is_true { when_true } else { when_false }?;
        convert(&value, &kind).map_err(|error| {
            let detail = format!("The {is_true} result value has the wrong type: {error}.");
            Diagnostic::new(span, "Inconsistent conditional result types", detail)
        })
    }

    fn object(&self, items: &[(Key, Expression)], is_json: bool, scope: &Scope<'_>) -> Evaluated {
        let mut entries = BTreeMap::new();
        for (key, value) in items {
            let span = key.expression.span();
            let name = self.key(key, scope)?;
            let content = self.value(value, scope)?;
            if name.is_null() {
                return Err(Diagnostic::new(value.span(), "Null value as key", "Can't use a null value as a key."));
            }
            let name = convert(&name, &Type::String).map_err(|error| {
                Diagnostic::new(span, "Incorrect key type", format!("Can't use this value as a key: {error}."))
            })?;
            let Value::String(name) = name else { continue };
            if is_json && entries.contains_key(&name) {
                let detail = format!("An attribute named {name:?} was already defined.");
                return Err(Diagnostic::new(span, "Duplicate object attribute", detail));
            }
            entries.insert(name, content);
        }
        Ok(Value::Object(entries))
    }

    /// A bare name is the key itself.
    fn key(&self, key: &Key, scope: &Scope<'_>) -> Evaluated {
        if !key.is_forced {
            if let Expression::Variable(traversal) = &key.expression
                && !traversal.steps.is_empty()
            {
                let detail = "If this expression is intended to be a reference, wrap it in parentheses. If it's \
                              instead intended as a literal name containing periods, wrap it in quotes to create a \
                              string literal.";
                return Err(Diagnostic::new(traversal.span, "Ambiguous attribute key", detail));
            }
            if let Some(name) = key.expression.keyword() {
                return Ok(Value::text(name));
            }
        }
        self.value(&key.expression, scope)
    }

    fn for_loop(&self, for_loop: &ForLoop, scope: &Scope<'_>) -> Evaluated {
        let span = for_loop.collection.span();
        let collection = self.value(&for_loop.collection, scope)?;
        if collection.is_null() {
            let detail = "A null value cannot be used as the collection in a 'for' expression.";
            return Err(Diagnostic::new(span, "Iteration over null value", detail));
        }
        let Some(pairs) = collection.pairs() else {
            let kind = collection.kind().name();
            let detail = format!("A value of type {kind} cannot be used as the collection in a 'for' expression.");
            return Err(Diagnostic::new(span, "Iteration over non-iterable value", detail));
        };
        let mut elements = Vec::new();
        let mut entries: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (key, value) in pairs {
            self.spend(key.size() + value.size(), span)?;
            let mut names = HashMap::from([(for_loop.value_name.clone(), value)]);
            if let Some(name) = &for_loop.key_name {
                names.entry(name.clone()).or_insert(key);
            }
            let inner = Scope::within(&names, scope);
            if !self.is_included(for_loop, &inner)? {
                continue;
            }
            let Some(key) = &for_loop.key else {
                elements.push(self.value(&for_loop.value, &inner)?);
                continue;
            };
            let name = self.loop_key(key, &inner)?;
            let value = self.value(&for_loop.value, &inner)?;
            let known = entries.entry(name.clone()).or_default();
            if !for_loop.is_grouped && !known.is_empty() {
                let detail = format!(
                    "Two different items produced the key {name:?} in this 'for' expression. If duplicates are \
                     expected, use the ellipsis (...) after the value expression to enable grouping by key."
                );
                return Err(Diagnostic::new(key.span(), "Duplicate object key", detail));
            }
            known.push(value);
        }
        if for_loop.key.is_none() {
            return Ok(Value::Tuple(elements));
        }
        let value_of = |mut values: Vec<Value>| {
            if for_loop.is_grouped { Value::Tuple(values) } else { values.pop().unwrap_or(Value::NULL) }
        };
        Ok(Value::Object(entries.into_iter().map(|(name, values)| (name, value_of(values))).collect()))
    }

    fn is_included(&self, for_loop: &ForLoop, scope: &Scope<'_>) -> Result<bool, Box<Diagnostic>> {
        let Some(condition) = &for_loop.condition else { return Ok(true) };
        const SUMMARY: &str = "Invalid 'for' condition";
        let value = self.value(condition, scope)?;
        if value.is_null() {
            let detail = "The value of the 'if' clause must not be null.";
            return Err(Diagnostic::new(condition.span(), SUMMARY, detail));
        }
        let value = convert(&value, &Type::Bool).map_err(|error| {
            Diagnostic::new(condition.span(), SUMMARY, format!("The 'if' clause value is invalid: {error}."))
        })?;
        Ok(matches!(value, Value::Bool(true)))
    }

    fn loop_key(&self, key: &Expression, scope: &Scope<'_>) -> Result<String, Box<Diagnostic>> {
        const SUMMARY: &str = "Invalid object key";
        let value = self.value(key, scope)?;
        if value.is_null() {
            let detail = "Key expression in 'for' expression must not produce a null value.";
            return Err(Diagnostic::new(key.span(), SUMMARY, detail));
        }
        let value = convert(&value, &Type::String).map_err(|error| {
            Diagnostic::new(key.span(), SUMMARY, format!("The key expression produced an invalid result: {error}."))
        })?;
        Ok(value.as_text().unwrap_or_default().to_owned())
    }

    fn splat(&self, source: &Expression, each: &Expression, scope: &Scope<'_>) -> Evaluated {
        let value = self.value(source, scope)?;
        let (elements, is_list) = match &value {
            Value::Null(kind) if kind.is_sequence() => {
                let detail = "Splat expressions (with the * symbol) cannot be applied to null sequences.";
                return Err(Diagnostic::new(source.span(), "Splat of null value", detail));
            }
            Value::Null(_) => return Ok(Value::Tuple(Vec::new())),
            Value::Tuple(elements) => (elements.clone(), false),
            Value::List(_, elements) | Value::Set(_, elements) => (elements.clone(), true),
            single => (vec![single.clone()], false),
        };
        let mut made = Vec::new();
        for element in &elements {
            let inner = Scope { element: Some(element), ..*scope };
            made.push(self.value(each, &inner)?);
        }
        if !is_list {
            return Ok(Value::Tuple(made));
        }
        let kinds: Vec<Type> = made.iter().map(Value::kind).collect();
        match kinds.first() {
            None => Ok(Value::List(Type::Dynamic, made)),
            Some(first) if kinds.iter().all(|kind| kind == first) => Ok(Value::List(first.clone(), made)),
            Some(_) => {
                let detail = "The second level of splat expression produced elements of different types, so it isn't \
                              possible to construct a valid list to represent the top-level result.";
                Err(Diagnostic::new(each.span(), "Invalid nested splat expressions", detail))
            }
        }
    }
}

/// The size limit of a text.
const MAX_TEXT: usize = 16 << 20;

fn check_length(text: &str, span: Span) -> Result<(), Box<Diagnostic>> {
    if text.len() > MAX_TEXT {
        return Err(Diagnostic::new(span, "Text too long", "No text may be longer than 16 MiB."));
    }
    Ok(())
}

/// ` Did you mean …?`, if a known name is close.
pub fn near(name: &str, known: &[&str]) -> String {
    let near = crate::base::nearest(name, known).or_else(|| {
        // Almost all short names are close to each other: prefers the shortest, then the first.
        let close = known.iter().filter(|other| name.len() > 2 && other.len() > 1 && edits(name, other) <= 2);
        close.min_by_key(|other| (other.len(), **other)).copied()
    });
    near.map(|near| format!(" Did you mean {near:?}?")).unwrap_or_default()
}

/// The number of letters to change, add or remove; `usize::MAX` if the lengths differ too much.
fn edits(from: &str, to: &str) -> usize {
    if from.len().abs_diff(to.len()) > 2 || from.len() > 64 {
        return usize::MAX;
    }
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
