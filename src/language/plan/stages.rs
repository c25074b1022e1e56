//! Which stages the target needs, their bases, and the order of planning.

use std::collections::HashMap;

use crate::image::{ImageConfig, Platform};
use crate::language::dockerfile::words::Lexer;
use crate::language::dockerfile::{Dockerfile, Instruction, Lines, Place, Stage, Word};

use super::error::{PlanError, PlanErrorKind};
use super::expand::{Environment, Expander};
use super::globals;
use super::instructions::StageBuilder;
use super::request::{Bases, PlanRequest};
use super::step::{Plan, PlannedImage, Step, StepId, TreeSource};

/// Plans the build of the request's target.
pub fn plan(dockerfile: &Dockerfile, request: &PlanRequest, bases: &dyn Bases) -> Result<Plan, PlanError> {
    let mut planner = Planner::new(dockerfile, request, bases)?;
    planner.check_for_circles()?;
    let target = planner.target()?;
    let built = planner.build(target)?;
    planner.check_unneeded()?;
    let mut config = built.config;
    for (key, value) in &request.labels {
        config.config.labels.insert(key.clone(), value.clone());
    }
    if request.platform_is_explicit {
        say_platform(&mut config.platform, &request.platform);
    }
    config.platform = config.platform.normalized();
    let result = match built.tree {
        TreeSource::Step(step) => step,
        TreeSource::Context(_) => planner.context_as_base(target, &built.lines),
    };
    let platform = request.platform.clone();
    let image = PlannedImage { platform, step: result, config, base_history: built.base_history };
    Ok(Plan { steps: planner.steps, images: vec![image], epoch: planner.epoch })
}

/// Sets the image's platform to the requested one. If it is the same platform, unspecified fields stay as in its base.
fn say_platform(platform: &mut Platform, wanted: &Platform) {
    let is_same = platform.os == wanted.os && platform.architecture == wanted.architecture;
    platform.os.clone_from(&wanted.os);
    platform.architecture.clone_from(&wanted.architecture);
    if !is_same || !wanted.variant.is_empty() {
        platform.variant.clone_from(&wanted.variant);
    }
    if !is_same || !wanted.os_version.is_empty() {
        platform.os_version.clone_from(&wanted.os_version);
    }
    if !wanted.os_features.is_empty() {
        platform.os_features.clone_from(&wanted.os_features);
    }
}

/// The hint for variables of FROM without a value.
pub(super) fn unset_hint(names: &[String]) -> Option<String> {
    let name = names.first()?;
    Some(format!(
        "the variable `{name}` has no value: pass --build-arg {name}=…, or write ARG {name}=… above the first FROM"
    ))
}

/// A stage, or an image that `COPY --from` or a mount refers to.
pub(super) struct Node<'a> {
    /// The name after AS.
    pub name: Option<&'a str>,
    pub base_name: String,
    /// The variables in the base name that have no value.
    pub unset: Vec<String>,
    /// The base name as written.
    pub written: Word,
    pub platform: Option<Platform>,
    pub lines: Lines,
    pub instructions: &'a [Instruction],
    /// The stage that is its base.
    pub base: Option<usize>,
    pub state: State,
}

impl Node<'_> {
    /// The place of the base's name.
    pub fn base_place(&self) -> Place {
        self.written.place(self.lines)
    }
}

pub(super) enum State {
    Waiting,
    /// It is being planned further up: needing it now closes a cycle.
    Started,
    Built(Box<Built>),
}

/// A planned stage.
#[derive(Debug, Clone)]
pub(super) struct Built {
    pub tree: TreeSource,
    pub config: ImageConfig,
    /// All variables that instructions see: `ENV` and `ARG`.
    pub environment: Environment,
    /// What `ARG` declared, in order.
    pub build_args: Vec<(String, Option<String>)>,
    pub base_history: usize,
    pub lines: Lines,
}

pub(super) struct Planner<'a> {
    pub request: &'a PlanRequest,
    pub bases: &'a dyn Bases,
    pub lexer: Lexer,
    pub globals: Environment,
    pub epoch: Option<i64>,
    pub proxies: Vec<(String, String)>,
    pub steps: Vec<Step>,
    pub escape: char,
    pub nodes: Vec<Node<'a>>,
    /// Stages by name; the last of several with the same name.
    pub names: HashMap<String, usize>,
    pub stage_count: usize,
}

impl<'a> Planner<'a> {
    /// Copied files are not younger than this.
    pub fn latest_time(&self) -> Option<i64> {
        self.epoch.filter(|_| self.request.reproducible)
    }

    pub fn new(dockerfile: &'a Dockerfile, request: &'a PlanRequest, bases: &'a dyn Bases) -> Result<Self, PlanError> {
        let last = dockerfile.stages.last().ok_or_else(|| PlanErrorKind::NoStages.nowhere())?;
        let target_name = request.target.as_deref().or(last.name.as_deref());
        let lexer = Lexer::new(dockerfile.escape);
        let mut globals = globals::declare(dockerfile, request, &lexer, target_name)?;
        let epoch = globals::settle_epoch(request, &mut globals)?;
        let mut planner = Self {
            request,
            bases,
            lexer,
            globals,
            epoch,
            proxies: globals::proxies(&request.build_args),
            steps: Vec::new(),
            escape: dockerfile.escape,
            nodes: Vec::new(),
            names: HashMap::new(),
            stage_count: dockerfile.stages.len(),
        };
        for stage in &dockerfile.stages {
            planner.add_stage(stage)?;
        }
        Ok(planner)
    }

    fn add_stage(&mut self, stage: &'a Stage) -> Result<(), PlanError> {
        let expander = Expander { lexer: &self.lexer, lines: stage.lines };
        let (base_name, unset) = expander.word_and_unset(&stage.base, &self.globals)?;
        if base_name.is_empty() {
            let hint = unset_hint(&unset);
            return Err(PlanErrorKind::EmptyBase { written: stage.base.text.clone() }
                .at(stage.base.place(stage.lines))
                .hint(hint));
        }
        let platform = match &stage.platform {
            Some(written) => Some(self.stage_platform(written, &expander)?),
            None => None,
        };
        self.nodes.push(Node {
            name: stage.name.as_deref(),
            base: self.names.get(&base_name).copied(),
            base_name,
            unset,
            written: stage.base.clone(),
            platform,
            lines: stage.lines,
            instructions: &stage.instructions,
            state: State::Waiting,
        });
        if let Some(name) = &stage.name {
            self.names.insert(name.to_lowercase(), self.nodes.len() - 1);
        }
        Ok(())
    }

    fn stage_platform(&self, written: &Word, expander: &Expander<'_>) -> Result<Platform, PlanError> {
        let (value, place) = (expander.word(written, &self.globals)?, written.place(expander.lines));
        if value.is_empty() {
            return Err(PlanErrorKind::EmptyPlatform { written: written.text.clone() }.at(place));
        }
        let parsed = value.parse::<Platform>();
        parsed.map_err(|error| PlanErrorKind::Platform { value, reason: error.to_string() }.at(place))
    }

    pub fn target(&self) -> Result<usize, PlanError> {
        let Some(name) = &self.request.target else { return Ok(self.stage_count - 1) };
        self.names.get(&name.to_lowercase()).copied().ok_or_else(|| {
            let nearest = self.nearest_stage(name);
            let error = PlanErrorKind::UnknownTarget { name: name.clone() }.nowhere();
            error.hint(nearest.map(|near| format!("did you mean `{near}`?")))
        })
    }

    /// What `--from` refers to: a stage by name or number, or else an image.
    pub fn source_node(&mut self, from: &Word, lines: Lines) -> Result<usize, PlanError> {
        if let Ok(index) = from.parse::<i64>() {
            let known = usize::try_from(index).ok().filter(|index| *index < self.stage_count);
            return known
                .ok_or_else(|| PlanErrorKind::StageIndex { index, count: self.stage_count }.at(from.place(lines)));
        }
        Ok(self.named_node(from, lines))
    }

    /// The stage of that name, or an image. `name` is the word, or the flag that contains it.
    pub fn named_node(&mut self, name: &Word, lines: Lines) -> usize {
        if let Some(&index) = self.names.get(&name.to_lowercase()) {
            return index;
        }
        let same_image =
            |node: &Node<'_>| *node.written == **name && node.instructions.is_empty() && node.name.is_none();
        if let Some(known) = self.nodes[self.stage_count..].iter().position(same_image) {
            return self.stage_count + known;
        }
        self.nodes.push(Node {
            name: None,
            base_name: name.text.clone(),
            unset: Vec::new(),
            written: name.clone(),
            platform: None,
            lines,
            instructions: &[],
            base: None,
            state: State::Waiting,
        });
        self.nodes.len() - 1
    }

    /// The files of a node from which stage `user` takes something.
    pub fn source_tree(&mut self, node: usize, user: usize, place: Place) -> Result<TreeSource, PlanError> {
        if node < self.stage_count && node >= user {
            if node == user || matches!(self.nodes[node].state, State::Started) {
                return Err(PlanErrorKind::Circular { stage: self.shown_name(user) }.at(place));
            }
            let (from, stage) = (self.shown_name(node), self.shown_name(user));
            return Err(PlanErrorKind::LaterStage { from, stage }.at(place));
        }
        Ok(self.build(node)?.tree)
    }

    /// Plans a node, once.
    pub fn build(&mut self, index: usize) -> Result<Built, PlanError> {
        match &self.nodes[index].state {
            State::Built(built) => return Ok(built.as_ref().clone()),
            State::Started => {
                let error = PlanErrorKind::Circular { stage: self.shown_name(index) };
                return Err(error.at(self.nodes[index].base_place()));
            }
            State::Waiting => {}
        }
        self.nodes[index].state = State::Started;
        let built = self.build_now(index)?;
        self.nodes[index].state = State::Built(Box::new(built.clone()));
        Ok(built)
    }

    fn build_now(&mut self, index: usize) -> Result<Built, PlanError> {
        let (name, lines) = (self.nodes[index].name, self.nodes[index].lines);
        if let Some(name) = name
            && let Some(replaced) = self.named_context(name, index)?
        {
            return Ok(replaced);
        }
        let mut base = match self.nodes[index].base {
            Some(base) => self.build(base)?,
            None => self.external_base(index)?,
        };
        base.lines = lines;
        if index >= self.stage_count {
            return Ok(base);
        }
        let triggers = self.triggers(index, &mut base)?;
        let mut builder = StageBuilder::new(self, index, base, triggers.len())?;
        for trigger in &triggers {
            builder.trigger(trigger)?;
        }
        for instruction in builder.planner.nodes[index].instructions {
            builder.instruction(instruction)?;
        }
        Ok(builder.finish())
    }

    pub fn add_step(&mut self, step: Step) -> StepId {
        self.steps.push(step);
        StepId(self.steps.len() - 1)
    }

    /// The stage's platform: the one in its FROM, that of its base stage, or the one being built.
    pub fn stage_platform_or_target(&self, index: usize) -> &Platform {
        let mut node = &self.nodes[index];
        while let (None, Some(base)) = (&node.platform, node.base) {
            node = &self.nodes[base];
        }
        node.platform.as_ref().unwrap_or(&self.request.platform)
    }

    /// The stage's platform, if the build has several.
    pub fn shown_platform(&self, index: usize) -> Option<Platform> {
        self.request.several_platforms.then(|| self.stage_platform_or_target(index).clone())
    }

    /// A stage's display name: its name, or its number.
    pub fn shown_name(&self, index: usize) -> String {
        match self.nodes[index].name {
            Some(name) => name.to_owned(),
            None if index < self.stage_count => format!("stage-{index}"),
            None => self.nodes[index].written.text.clone(),
        }
    }

    /// The prefix of a step's number: empty if there is only one stage.
    pub fn step_prefix(&self, index: usize) -> String {
        if self.nodes.len() == 1 { String::new() } else { self.shown_name(index) }
    }

    pub fn nearest_stage(&self, written: &str) -> Option<&str> {
        let mut names: Vec<&str> = self.names.keys().map(String::as_str).collect();
        names.sort_unstable();
        let begins = |name: &&&str| !written.is_empty() && name.starts_with(&written.to_lowercase());
        crate::base::nearest(written, &names).or_else(|| names.iter().find(begins).copied())
    }

    pub fn stage_name(&self, index: usize) -> Option<&'a str> {
        self.nodes[index].name
    }

    pub fn stage_instructions(&self, index: usize) -> &'a [Instruction] {
        self.nodes[index].instructions
    }

    pub fn stands_on_image(&self, index: usize) -> bool {
        self.nodes[index].base.is_none() && self.nodes[index].base_name != "scratch"
    }
}
