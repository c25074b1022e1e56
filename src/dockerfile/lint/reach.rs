//! Which stages a target needs: what it stands on, and what its COPY and RUN take files from.

use super::Scope;
use super::stages::{ResolvedStage, sources};

/// For each stage, whether it is in the scope. Of a target that is unknown, nothing is.
pub(super) fn stages(stages: &[ResolvedStage<'_>], scope: &Scope) -> Vec<bool> {
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
        let named = resolved.stage.instructions.iter().flat_map(|instruction| sources(&instruction.command));
        waiting.extend(resolved.parent);
        waiting.extend(named.filter_map(|name| by_number(stages, &name).or_else(|| by_name(stages, &name))));
    }
    reached
}

fn by_number(stages: &[ResolvedStage<'_>], text: &str) -> Option<usize> {
    text.parse().ok().filter(|index| *index < stages.len())
}

/// Of several stages with one name the last.
fn by_name(stages: &[ResolvedStage<'_>], name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    stages.iter().rposition(|resolved| resolved.stage.name.as_ref() == Some(&name))
}
