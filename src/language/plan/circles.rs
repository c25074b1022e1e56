//! Stages that depend on each other.

use crate::language::dockerfile::mount::{self, MountKind};
use crate::language::dockerfile::{Command, Instruction, Place, Word};

use super::error::{PlanError, PlanErrorKind};
use super::stages::Planner;

impl Planner<'_> {
    /// Fails if stages depend on each other, including those that the target does not need.
    pub fn check_for_circles(&mut self) -> Result<(), PlanError> {
        let mut needs: Vec<Vec<(usize, Place)>> = Vec::new();
        for index in 0..self.stage_count {
            let mut stage_needs: Vec<(usize, Place)> = Vec::new();
            stage_needs.extend(self.nodes[index].base.map(|base| (base, self.nodes[index].base_place())));
            for instruction in self.nodes[index].instructions {
                for from in sources_of(instruction) {
                    let named = self.names.get(&from.to_lowercase()).copied();
                    let numbered = from.parse::<usize>().ok().filter(|number| *number < self.stage_count);
                    let copied = numbered.filter(|_| matches!(instruction.command, Command::Copy(_)));
                    stage_needs.extend(copied.or(named).map(|node| (node, from.place(instruction.lines))));
                }
            }
            needs.push(stage_needs);
        }
        for start in 0..self.stage_count {
            for &(next, place) in &needs[start] {
                if reaches(&needs, next, start) {
                    return Err(PlanErrorKind::Circular { stage: self.shown_name(start) }.at(place));
                }
            }
        }
        Ok(())
    }
}

/// The stages or images that an instruction takes files from.
pub(super) fn sources_of(instruction: &Instruction) -> Vec<Word> {
    match &instruction.command {
        Command::Copy(copy) => copy.from.iter().cloned().collect(),
        Command::Run(run) => run
            .mounts
            .iter()
            .filter_map(|word| Some((word, mount::parse(word).ok()?)))
            .filter(|(_, mount)| mount.kind != MountKind::Tmpfs)
            .filter_map(|(word, mount)| Some(Word { text: mount.from?, span: word.span }))
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether there is a path from `start` to `end`.
fn reaches(needs: &[Vec<(usize, Place)>], start: usize, end: usize) -> bool {
    let mut seen = vec![false; needs.len()];
    let mut waiting = vec![start];
    while let Some(node) = waiting.pop() {
        if node == end {
            return true;
        }
        if !std::mem::replace(&mut seen[node], true) {
            waiting.extend(needs[node].iter().map(|(next, _)| *next));
        }
    }
    false
}
