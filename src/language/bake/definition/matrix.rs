//! Targets that are built once for each combination of values.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Context, Failure, Reader, Resolved};
use crate::language::bake::syntax::Span;
use crate::language::bake::value::{Type, Value, convert};

/// More targets than anyone builds at once.
const MAX_TARGETS: usize = 10_000;

impl Reader<'_> {
    /// The contexts in which a block is evaluated.
    pub(super) fn contexts_of(&mut self, block: usize) -> Resolved<Vec<Context>> {
        let kind = self.blocks[block].kind.clone();
        let Some(attribute) = self.blocks[block].body.attribute("matrix").cloned() else { return Ok(vec![0]) };
        // Buildx's error: a group names targets, and is evaluated once.
        if kind == "group" {
            return Err(Failure::Reason("matrix is not supported for groups".to_owned()));
        }
        self.load(&attribute.value, 0, &HashSet::new(), true)?;
        let value = self.evaluate(&attribute.value, 0)?;
        let Some(axes) = value.entries() else {
            return Err(Failure::Reason("matrix must be a map".to_owned()));
        };
        let mut combinations = vec![HashMap::new()];
        for (name, axis) in axes {
            let Some(pairs) = axis.pairs() else {
                return Err(Failure::Reason("matrix values must be a list".to_owned()));
            };
            let count = combinations.len().saturating_mul(pairs.len());
            if count > MAX_TARGETS {
                let reason = format!("matrix makes {count} targets or more; at most {MAX_TARGETS} are supported");
                return Err(Failure::Reason(reason));
            }
            combinations = combinations
                .iter()
                .flat_map(|combination: &HashMap<String, Value>| {
                    pairs.iter().map(move |(_, value)| {
                        let mut combination = combination.clone();
                        combination.insert(name.clone(), value.clone());
                        combination
                    })
                })
                .collect();
        }
        let first = self.contexts.len();
        self.contexts.extend(combinations);
        Ok((first..self.contexts.len()).collect())
    }

    /// The names of a block's targets, one for each context.
    pub(super) fn names_of(&mut self, block: usize) -> Resolved<Vec<String>> {
        if let Some(names) = &self.progress[block].names {
            return Ok(names.clone());
        }
        self.resolve_block(block, Some(&[]))?;
        let contexts = self.progress[block].contexts.clone();
        let label = self.blocks[block].labels[0].text.clone();
        let mut names = Vec::new();
        for context in contexts {
            check_name(&label)?;
            let name = self.name_in(block, context)?.unwrap_or_else(|| label.clone());
            check_name(&name)?;
            if names.contains(&name) {
                return Err(Failure::Reason(format!("duplicate name {name:?}")));
            }
            names.push(name);
        }
        for (index, name) in names.iter().enumerate() {
            self.progress[block].made[index].set_name(name);
        }
        self.progress[block].names = Some(names.clone());
        Ok(names)
    }

    fn name_in(&mut self, block: usize, context: Context) -> Resolved<Option<String>> {
        let body = &self.blocks[block].body;
        let is_group = self.blocks[block].kind == "group";
        let Some(attribute) = body.attribute("name").cloned() else { return Ok(None) };
        // As in buildx: the name is what a matrix gives to each of its targets.
        if is_group {
            return Err(Failure::Reason("name is not supported for groups".to_owned()));
        }
        if body.attribute("matrix").is_none() {
            return Err(Failure::Reason("name requires matrix".to_owned()));
        }
        self.load(&attribute.value, context, &HashSet::new(), true)?;
        let value = self.evaluate(&attribute.value, context)?;
        match convert(&value, &Type::String) {
            Ok(Value::String(name)) => Ok(Some(name)),
            Ok(_) => Err(Failure::Reason("name must not be null".to_owned())),
            Err(error) => Err(Failure::Reason(error.to_string())),
        }
    }

    /// Assigns names to all blocks. Returns the labels that stand for other names, in order.
    pub(super) fn resolve_names(
        &mut self,
    ) -> Result<Vec<(String, Vec<String>)>, Box<crate::language::bake::error::Diagnostic>> {
        let mut by_name: HashMap<(String, String), Vec<usize>> = HashMap::new();
        let mut renamed: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for block in 0..self.blocks.len() {
            let span: Span = self.blocks[block].labels[0].span;
            let names = self.names_of(block).map_err(|failure| failure.at(span, "Invalid name"))?;
            let (kind, label) = (self.blocks[block].kind.clone(), self.blocks[block].labels[0].text.clone());
            for name in names {
                by_name.entry((kind.clone(), name.clone())).or_default().push(block);
                renamed.entry((kind.clone(), label.clone())).or_default().push(name);
            }
        }
        self.by_name = by_name;
        Ok(renamed.into_iter().map(|((_, label), names)| (label, names)).collect())
    }
}

fn check_name(name: &str) -> Resolved {
    let is_valid =
        !name.is_empty() && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'_' | b'-'));
    if is_valid { Ok(()) } else { Err(Failure::Reason("only \"[a-zA-Z0-9_-]+\" are allowed".to_owned())) }
}
