//! Stages that the target does not need are not planned, but the names in them must still be valid image names.

use crate::image::Reference;
use crate::language::dockerfile::{Command, Place};

use super::circles::sources_of;
use super::error::{PlanError, PlanErrorKind};
use super::stages::{Node, Planner, State, unset_hint};

impl Planner<'_> {
    /// Checks the names in all stages that were not planned.
    pub fn check_unneeded(&self) -> Result<(), PlanError> {
        let waiting = |node: &&Node<'_>| matches!(node.state, State::Waiting);
        for node in self.nodes[..self.stage_count].iter().filter(waiting) {
            if node.base.is_none() {
                let hint = unset_hint(&node.unset);
                check_name(&node.base_name, node.base_place()).map_err(|error| error.hint(hint))?;
            }
            for instruction in node.instructions {
                for from in sources_of(instruction) {
                    let place = from.place(instruction.lines);
                    let is_copy = matches!(instruction.command, Command::Copy(_));
                    match from.parse::<i64>() {
                        Ok(index) if is_copy => self.check_index(index, place)?,
                        _ if self.names.contains_key(&from.to_lowercase()) => {}
                        _ => check_name(&from, place)?,
                    }
                }
            }
        }
        Ok(())
    }

    fn check_index(&self, index: i64, place: Place) -> Result<(), PlanError> {
        match usize::try_from(index) {
            Ok(known) if known < self.stage_count => Ok(()),
            _ => Err(PlanErrorKind::StageIndex { index, count: self.stage_count }.at(place)),
        }
    }
}

fn check_name(name: &str, place: Place) -> Result<(), PlanError> {
    let refused = |error: crate::image::InvalidReference| {
        PlanErrorKind::Reference { value: name.to_owned(), reason: error.to_string() }.at(place)
    };
    name.parse::<Reference>().map(drop).map_err(refused)
}
