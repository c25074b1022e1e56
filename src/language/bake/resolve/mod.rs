//! A request → the targets to build, with inheritance and the command line's overrides applied.

mod entitlements;
mod links;
mod overrides;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::error::BakeError;
use super::target::{Config, Group, Target, unique};

pub use entitlements::{Entitlements, Needed};
pub use overrides::Overrides;

/// The requested targets and groups.
#[derive(Debug, Default, Clone)]
pub struct Selection {
    pub groups: BTreeMap<String, Group>,
    pub targets: BTreeMap<String, Target>,
}

impl Config {
    /// Resolves the requested names.
    ///
    /// # Errors
    /// If a name does not exist, or a target cannot be assembled.
    pub fn select(
        &self,
        names: &[String],
        overrides: &Overrides,
        allowed: &mut Entitlements,
    ) -> Result<Selection, BakeError> {
        let mut wanted = Vec::new();
        for name in names {
            wanted.extend(self.matching(&name.replace('.', "_"))?);
        }
        let wanted = unique(wanted);
        let mut selection = Selection::default();
        for name in &wanted {
            let members = self.members(name);
            for target in members.targets {
                if let Entry::Vacant(vacant) = selection.targets.entry(target) {
                    let resolved = self.resolve(vacant.key(), overrides, allowed)?;
                    vacant.insert(resolved);
                }
            }
            for group in members.groups {
                if let Some(found) = self.groups.iter().find(|known| known.name == group) {
                    selection.groups.insert(group, found.clone());
                }
            }
        }
        add_default(&mut selection, &wanted);
        self.link(&mut selection, overrides, allowed)?;
        Ok(selection)
    }

    /// All names that match a shell pattern; a plain name stands for itself.
    fn matching(&self, pattern: &str) -> Result<Vec<String>, BakeError> {
        if !pattern.contains(['*', '?', '[', ']']) {
            return Ok(vec![pattern.to_owned()]);
        }
        let groups = self.groups.iter().map(|group| &group.name);
        let names = groups.chain(self.targets.iter().map(|target| &target.name));
        let found: Vec<String> = names.filter(|name| overrides::matches(pattern, name)).cloned().collect();
        if found.is_empty() {
            return Err(BakeError::NoMatch { pattern: pattern.to_owned() });
        }
        Ok(found)
    }

    /// The targets and groups that a name stands for.
    fn members(&self, name: &str) -> Members {
        let mut visited = HashMap::new();
        let members = self.members_of(name, &mut visited, 0);
        Members { targets: unique(members.targets), groups: unique(members.groups) }
    }

    fn members_of(&self, name: &str, visited: &mut HashMap<String, Members>, depth: usize) -> Members {
        if let Some(known) = visited.get(name) {
            return known.clone();
        }
        let group = self.groups.iter().find(|group| group.name == name);
        let (Some(group), true) = (group, depth < MAX_DEPTH) else {
            return Members { targets: vec![name.to_owned()], groups: Vec::new() };
        };
        visited.insert(name.to_owned(), Members::default());
        let mut members = Members { targets: Vec::new(), groups: vec![name.to_owned()] };
        for target in group.targets.iter().flatten() {
            let inner = self.members_of(target, visited, depth + 1);
            if inner.targets.is_empty() {
                members.targets.push(target.clone());
            }
            members.targets.extend(inner.targets);
            members.groups.extend(inner.groups);
        }
        visited.insert(name.to_owned(), members.clone());
        members
    }

    /// Why there is no target of that name, as far as it can be told.
    fn no_target(&self, name: &str) -> BakeError {
        let groups = self.groups.iter().map(|group| group.name.as_str());
        let known: Vec<&str> = self.targets.iter().map(|target| target.name.as_str()).chain(groups).collect();
        let why = match (self.way_back_to(name), self.groups.iter().any(|group| group.name == name)) {
            (Some(way), _) => format!(": the group contains itself, by {}", way.join(" → ")),
            (None, true) => ": it is a group".to_owned(),
            (None, false) => {
                let near = crate::base::nearest(name, &known).filter(|near| *near != name);
                near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default()
            }
        };
        BakeError::NoTarget { name: name.to_owned(), why }
    }

    /// Through which groups that group contains itself; nothing where it does not.
    fn way_back_to(&self, name: &str) -> Option<Vec<&str>> {
        let find = |name: &str| self.groups.iter().find(|group| group.name == name);
        let mut ways = VecDeque::from([vec![find(name)?.name.as_str()]]);
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop_front() {
            for member in find(way.last()?)?.targets.iter().flatten().filter_map(|member| find(member)) {
                let longer = [&way[..], &[member.name.as_str()]].concat();
                if member.name == name {
                    return Some(longer);
                }
                if seen.insert(member.name.as_str()) {
                    ways.push_back(longer);
                }
            }
        }
        None
    }

    /// A target including everything that it inherits.
    fn resolve(&self, name: &str, overrides: &Overrides, allowed: &mut Entitlements) -> Result<Target, BakeError> {
        let mut inheritance = Inheritance { config: self, overrides, visited: HashMap::new() };
        let Some(mut target) = inheritance.resolve(name, allowed, 0)? else {
            return Err(self.no_target(name));
        };
        target.inherits.clear();
        target.context.get_or_insert_with(|| ".".to_owned());
        if target.dockerfile.as_deref().is_none_or(str::is_empty) {
            target.dockerfile = Some("Dockerfile".to_owned());
        }
        Ok(target)
    }
}

/// Deeper inheritance and groups are cut off: they would exhaust the stack.
const MAX_DEPTH: usize = 1000;

#[derive(Debug, Clone, Default)]
struct Members {
    targets: Vec<String>,
    groups: Vec<String>,
}

/// Resolved inheritance, each target once. Inheriting from itself adds nothing.
struct Inheritance<'a> {
    config: &'a Config,
    overrides: &'a Overrides,
    visited: HashMap<String, Option<Target>>,
}

impl Inheritance<'_> {
    fn resolve(&mut self, name: &str, allowed: &mut Entitlements, depth: usize) -> Result<Option<Target>, BakeError> {
        if let Some(known) = self.visited.get(name) {
            return Ok(known.clone());
        }
        self.visited.insert(name.to_owned(), None);
        let Some(target) = self.config.targets.iter().find(|target| target.name == name) else {
            return Err(self.config.no_target(name));
        };
        if depth > MAX_DEPTH {
            return Err(BakeError::invalid(format!("target {name} inherits from more than {MAX_DEPTH} levels")));
        }
        let mut merged = Target::default();
        for parent in &target.inherits {
            if let Some(parent) = self.resolve(parent, allowed, depth + 1)? {
                merged.merge(&parent);
            }
        }
        merged.merge(target);
        merged.name = name.to_owned();
        self.overrides.apply(name, &mut merged, allowed)?;
        merged.normalize();
        self.visited.insert(name.to_owned(), Some(merged.clone()));
        Ok(Some(merged))
    }
}

/// The group `default` contains everything requested.
fn add_default(selection: &mut Selection, wanted: &[String]) {
    const DEFAULT: &str = "default";
    for name in wanted {
        if name == DEFAULT && selection.groups.contains_key(DEFAULT) {
            continue;
        }
        let group = selection
            .groups
            .entry(DEFAULT.to_owned())
            .or_insert_with(|| Group { name: DEFAULT.to_owned(), ..Group::default() });
        group.targets.get_or_insert_default().push(name.clone());
    }
    if let Some(group) = selection.groups.get_mut(DEFAULT)
        && let Some(targets) = &mut group.targets
    {
        *targets = std::mem::take(targets).into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    }
}
