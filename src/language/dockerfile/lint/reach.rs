//! Which stages a target needs: what it stands on, and what its COPY and RUN take files from.

use crate::language::dockerfile::{Command, Instruction, parse_trigger};

use super::stages::{ResolvedStage, sources};
use super::{Scope, World};

/// For each stage, whether it is in the scope. Of a target that is unknown, nothing is.
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

/// What the stage's base left to be done in it: the ONBUILD of the stage that it stands on, or of an image.
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
    // One that can't be read is the walk's to report.
    texts.iter().filter_map(|text| parse_trigger(text, '\\', resolved.stage.lines).ok()).collect()
}

fn by_number(stages: &[ResolvedStage<'_>], text: &str) -> Option<usize> {
    text.parse().ok().filter(|index| *index < stages.len())
}

/// Of several stages with one name the last.
fn by_name(stages: &[ResolvedStage<'_>], name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    stages.iter().rposition(|resolved| resolved.stage.name.as_ref() == Some(&name))
}
