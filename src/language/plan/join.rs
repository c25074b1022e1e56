//! Merges the plans of one Dockerfile for several platforms: common steps run once.

use super::step::{CopySource, MountSource, Operation, Plan, Step, StepId, TreeSource};

impl Plan {
    /// All steps and images of the plans. A step that equals one of an earlier plan, and starts from the same steps, is
    /// that step.
    pub fn join(plans: Vec<Self>) -> Self {
        let mut plans = plans.into_iter();
        let Some(mut joined) = plans.next() else {
            return Self { steps: Vec::new(), images: Vec::new(), epoch: None };
        };
        for plan in plans {
            let mut places: Vec<StepId> = Vec::with_capacity(plan.steps.len());
            for mut step in plan.steps {
                step.operation.renumber(&|id| places[id.0]);
                places.push(joined.place(step));
            }
            joined.images.extend(plan.images.into_iter().map(|mut image| {
                image.step = places[image.step.0];
                image
            }));
        }
        joined
    }

    /// The index of the step, which is added if there is no equal one.
    fn place(&mut self, step: Step) -> StepId {
        let same = |other: &Step| {
            other.lines == step.lines && other.ignore_cache == step.ignore_cache && other.operation == step.operation
        };
        let found = self.steps.iter().position(same);
        StepId(found.unwrap_or_else(|| {
            self.steps.push(step);
            self.steps.len() - 1
        }))
    }
}

impl Operation {
    /// Updates the indexes of the steps that it starts from.
    fn renumber(&mut self, place: &impl Fn(StepId) -> StepId) {
        let renumber_tree = |tree: &mut TreeSource| {
            if let TreeSource::Step(id) = tree {
                *id = place(*id);
            }
        };
        match self {
            Self::Base { .. } => {}
            Self::Directory(step) => step.parent = place(step.parent),
            Self::Run(step) => {
                step.parent = place(step.parent);
                for mount in &mut step.mounts {
                    if let MountSource::Tree(tree) = &mut mount.source {
                        renumber_tree(tree);
                    }
                }
            }
            Self::Copy(step) => {
                step.parent = place(step.parent);
                for source in &mut step.sources {
                    if let CopySource::Path { tree, .. } = source {
                        renumber_tree(tree);
                    }
                }
            }
        }
    }
}
