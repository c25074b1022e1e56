//! Blocks → targets and groups, attribute by attribute.

use std::collections::{BTreeMap, HashSet};

use super::{Failure, Made, Reader, Resolved};
use crate::language::bake::error::Diagnostic;
use crate::language::bake::syntax::Attribute;
use crate::language::bake::target::{Config, Group, Target};
use crate::language::bake::value::Value;

impl Made {
    pub(super) fn set_name(&mut self, name: &str) {
        match self {
            Self::Target(target) => name.clone_into(&mut target.name),
            Self::Group(group) => name.clone_into(&mut group.name),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Target(target) => &target.name,
            Self::Group(group) => &group.name,
        }
    }
}

impl Reader<'_> {
    /// Evaluates a block's attributes: the given ones, or all that are missing.
    pub(super) fn resolve_block(&mut self, block: usize, wanted: Option<&[String]>) -> Resolved {
        let kind = self.blocks[block].kind.clone();
        self.globals.entry(kind.clone()).or_insert_with(|| {
            Value::Map(
                crate::language::bake::value::Type::map(crate::language::bake::value::Type::String),
                BTreeMap::new(),
            )
        });
        if !self.progress[block].is_prepared {
            let contexts = self.contexts_of(block)?;
            let made = if kind == "target" { Made::Target(Box::default()) } else { Made::Group(Group::default()) };
            let progress = &mut self.progress[block];
            progress.made = vec![made; contexts.len()];
            progress.contexts = contexts;
            progress.is_prepared = true;
        }
        if wanted.is_none() && !std::mem::replace(&mut self.progress[block].is_running, true) {
            let resolved = self.resolve_attributes(block, &kind, None);
            self.progress[block].is_running = false;
            return resolved;
        }
        if wanted.is_none() {
            let label = &self.blocks[block].labels[0].text;
            return Err(Failure::Reason(format!("reference cycle not allowed for {kind}.{label}")));
        }
        self.resolve_attributes(block, &kind, wanted)
    }

    fn resolve_attributes(&mut self, block: usize, kind: &str, wanted: Option<&[String]>) -> Resolved {
        if wanted.is_some_and(<[String]>::is_empty) {
            return Ok(());
        }
        for index in 0..self.progress[block].contexts.len() {
            let attributes = self.claim(block, index, wanted)?;
            self.decode_all(block, index, &attributes)?;
            let context = self.progress[block].contexts[index];
            let done = self.progress[block].done.entry(context).or_default();
            done.extend(wanted.unwrap_or_default().iter().cloned());
            self.publish(block, index, kind);
        }
        Ok(())
    }

    /// The attributes to evaluate now; a cycle is an error.
    fn claim(&mut self, block: usize, index: usize, wanted: Option<&[String]>) -> Resolved<Vec<Attribute>> {
        let context = self.progress[block].contexts[index];
        let done = self.progress[block].done.entry(context).or_default().clone();
        let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted.iter().any(|wanted| wanted == name));
        let body = &self.blocks[block].body;
        let attributes: Vec<Attribute> = body
            .attributes
            .iter()
            .filter(|attribute| is_wanted(&attribute.name) && !done.contains(&attribute.name))
            .cloned()
            .collect();
        if let Some(wanted) = wanted {
            let label = self.blocks[block].labels[0].text.clone();
            let name = self.progress[block].names.as_ref().map_or(label, |names| names[index].clone());
            let kind = self.blocks[block].kind.clone();
            let started = self.progress[block].started.entry(context).or_default();
            for attribute in wanted.iter().filter(|attribute| !done.contains(*attribute)) {
                if !started.insert(attribute.clone()) {
                    return Err(Failure::Reason(format!("reference cycle not allowed for {kind}.{name}.{attribute}")));
                }
            }
        }
        Ok(attributes)
    }

    fn decode_all(&mut self, block: usize, index: usize, attributes: &[Attribute]) -> Resolved {
        let context = self.progress[block].contexts[index];
        for attribute in attributes {
            if super::decode::is_decoded(&self.blocks[block].kind, &attribute.name) {
                self.load(&attribute.value, context, &HashSet::new(), true)?;
            }
        }
        for attribute in attributes {
            if super::decode::is_decoded(&self.blocks[block].kind, &attribute.name) {
                let value = self.evaluate(&attribute.value, context)?;
                let made = &mut self.progress[block].made[index];
                let set = match made {
                    Made::Target(target) => super::decode::set_target(target, &attribute.name, &value),
                    Made::Group(group) => super::decode::set_group(group, &attribute.name, &value),
                };
                set.map_err(|reason| {
                    let detail = format!("Unsuitable value: {reason}");
                    Diagnostic::new(attribute.value.span(), "Unsuitable value type", detail)
                })?;
            }
            self.progress[block].done.entry(context).or_default().insert(attribute.name.clone());
        }
        Ok(())
    }

    /// Publishes what is known to other expressions.
    fn publish(&mut self, block: usize, index: usize, kind: &str) {
        let label = &self.blocks[block].labels[0].text;
        let progress = &self.progress[block];
        let name = progress.names.as_ref().map_or(label, |names| &names[index]).clone();
        let value = match &progress.made[index] {
            Made::Target(target) => super::decode::target_value(target),
            Made::Group(group) => super::decode::group_value(group),
        };
        let mut all = match self.globals.remove(kind) {
            Some(Value::Object(all)) => all,
            _ => BTreeMap::new(),
        };
        all.insert(name, value);
        self.globals.insert(kind.to_owned(), Value::Object(all));
    }

    /// Evaluates the rest, and merges it with what is already there.
    pub(super) fn resolve_blocks(&mut self, config: &mut Config) -> Result<(), Box<Diagnostic>> {
        for block in 0..self.blocks.len() {
            let span = self.blocks[block].labels[0].span;
            self.resolve_block(block, None).map_err(|failure| failure.at(span, "Invalid block"))?;
            self.check_required(block)?;
            let base = self.bases(block);
            for made in self.progress[block].made.clone() {
                let name = made.name().to_owned();
                match made {
                    Made::Target(mut target) => {
                        self.set_bases(&mut target, block, base);
                        match config.targets.iter_mut().find(|known| known.name == name) {
                            Some(known) => known.merge(&target),
                            None => config.targets.push(*target),
                        }
                    }
                    Made::Group(group) => match config.groups.iter_mut().find(|known| known.name == name) {
                        Some(known) => *known = group,
                        None => config.groups.push(group),
                    },
                }
            }
        }
        Ok(())
    }

    fn check_required(&self, block: usize) -> Result<(), Box<Diagnostic>> {
        let block = &self.blocks[block];
        if block.kind == "group" && block.body.attribute("targets").is_none() {
            let detail = "The argument \"targets\" is required, but no definition was found.";
            return Err(Diagnostic::new(block.body.missing, "Missing required argument", detail));
        }
        Ok(())
    }

    /// The index of the block's file, from which the folder of relative paths is known.
    fn bases(&self, block: usize) -> usize {
        self.blocks[block].kind_span.file
    }

    fn set_bases(&self, target: &mut Target, block: usize, file: usize) {
        let base = file.to_string();
        let body = &self.blocks[block].body;
        if let Some(attribute) = body.attribute("context") {
            target.bases.context = Some(base.clone());
            target.bases.context_of = super::decode::context_reference(&attribute.value);
        }
        if body.attribute("contexts").is_some() {
            target.bases.contexts = target.contexts.keys().map(|name| (name.clone(), base.clone())).collect();
        }
        target.bases.file = Some(base);
    }
}
