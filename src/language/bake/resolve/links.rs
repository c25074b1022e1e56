//! Targets that are the contexts of others.

use super::{Entitlements, Overrides, Selection};
use crate::language::bake::entries::Output;
use crate::language::bake::error::BakeError;
use crate::language::bake::target::{Config, Target};

impl Config {
    /// Adds the targets that others use as contexts.
    pub(super) fn link(
        &self,
        selection: &mut Selection,
        overrides: &Overrides,
        allowed: &mut Entitlements,
    ) -> Result<(), BakeError> {
        let names: Vec<String> = selection.targets.keys().cloned().collect();
        for name in names {
            self.link_one(&name, selection, &mut Vec::new(), &mut |name| self.resolve(name, overrides, allowed))?;
        }
        Ok(())
    }

    fn link_one(
        &self,
        name: &str,
        selection: &mut Selection,
        visited: &mut Vec<String>,
        resolve: &mut dyn FnMut(&str) -> Result<Target, BakeError>,
    ) -> Result<(), BakeError> {
        visited.push(name.to_owned());
        let Some(target) = selection.targets.get(name).cloned() else { return Ok(()) };
        for linked in target.contexts.values().filter_map(|context| context.strip_prefix("target:")) {
            if linked == name {
                return Err(BakeError::invalid(format!("target {linked} cannot link to itself")));
            }
            if visited.iter().any(|known| known == linked) {
                return Err(BakeError::Loop { from: name.to_owned(), to: linked.to_owned() });
            }
            if !selection.targets.contains_key(linked) {
                let mut resolved = resolve(linked)?;
                resolved.outputs = Some(vec![Output::of_kind("cacheonly")]);
                resolved.is_linked = true;
                selection.targets.insert(linked.to_owned(), resolved);
            }
            self.link_one(linked, selection, visited, resolve)?;
            self.inherit(name, linked, selection)?;
        }
        visited.pop();
        Ok(())
    }

    /// A target needs what its contexts need.
    fn inherit(&self, name: &str, linked: &str, selection: &mut Selection) -> Result<(), BakeError> {
        let Some(other) = selection.targets.get(linked).cloned() else { return Ok(()) };
        let Some(target) = selection.targets.get_mut(name) else { return Ok(()) };
        for entitlement in other.entitlements.into_iter().flatten() {
            let entitlements = target.entitlements.get_or_insert_default();
            if !entitlements.contains(&entitlement) {
                entitlements.push(entitlement);
            }
        }
        let (mine, theirs) = (target.platforms.as_deref().unwrap_or_default(), other.platforms.unwrap_or_default());
        if mine.len() > 1 && theirs.len() > 1 && !mine.iter().all(|platform| theirs.contains(platform)) {
            return Err(BakeError::invalid(format!(
                "target {linked} can't be used by {name} because its platforms [{}] are not a subset of [{}]",
                mine.join(" "),
                theirs.join(" ")
            )));
        }
        Ok(())
    }
}
