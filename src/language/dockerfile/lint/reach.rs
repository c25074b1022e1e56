//! Which stages a target needs: its base, and the sources of its COPY and RUN.

use crate::language::dockerfile::{Command, Instruction, parse_trigger};

use super::stages::{ResolvedStage, sources};
use super::{Scope, World};

/// For each stage, whether it is in the scope. For an unknown target, none is.
pub(super) fn stages(stages: &[ResolvedStage<'_>], scope: &Scope, world: &dyn World) -> Vec<bool> {
    let target = match scope {
        Scope::All => return vec![true; stages.len()],
        Scope::Target(None) => stages.len().checked_sub(1),
        Scope::Target(Some(name)) => by_name(stages, name),
    };
    let mut reached = vec![false; stages.len()];
    let mut waiting: Vec<usize> = target.into_iter().collect();
    while let Some(index) = waiting.pop() {
        if std::mem::replace(&mut reached[index], true) {
            continue;
        }
        let resolved = &stages[index];
        let own = resolved.stage.instructions.iter().flat_map(|instruction| sources(&instruction.command));
        let triggered = triggers(stages, resolved, world);
        let triggered = triggered.iter().flat_map(|instruction| sources(&instruction.command));
        let named = own.chain(triggered).collect::<Vec<_>>();
        waiting.extend(resolved.parent);
        waiting.extend(named.iter().filter_map(|name| by_number(stages, name).or_else(|| by_name(stages, name))));
    }
    reached
}

/// The triggers that the stage's base has for it: the ONBUILD of its base stage, or of an image.
fn triggers(stages: &[ResolvedStage<'_>], resolved: &ResolvedStage<'_>, world: &dyn World) -> Vec<Instruction> {
    let texts: Vec<String> = match resolved.parent {
        Some(parent) => {
            let triggers =
                stages[parent].stage.instructions.iter().filter_map(|instruction| match &instruction.command {
                    Command::Onbuild(onbuild) => Some(onbuild.trigger.clone()),
                    _ => None,
                });
            triggers.collect()
        }
        None if resolved.base == "scratch" => Vec::new(),
        None => world.base(&resolved.base, resolved.platform.as_deref()).triggers,
    };
    // The walk reports one that can't be parsed.
    texts.iter().filter_map(|text| parse_trigger(text, '\\', resolved.stage.lines).ok()).collect()
}

fn by_number(stages: &[ResolvedStage<'_>], text: &str) -> Option<usize> {
    text.parse().ok().filter(|index| *index < stages.len())
}

/// The last of several stages with the same name.
fn by_name(stages: &[ResolvedStage<'_>], name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    stages.iter().rposition(|resolved| resolved.stage.name.as_ref() == Some(&name))
}
