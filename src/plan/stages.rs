//! Which stages the target needs, what each one stands on, and in what order they are planned.

use std::collections::HashMap;

use crate::dockerfile::mount::{self, MountKind};
use crate::dockerfile::words::Lexer;
use crate::dockerfile::{self, Command, Dockerfile, Instruction, Lines, Stage};
use crate::image::{ImageConfig, Platform, Reference, SCRATCH_PATH};

use super::error::{PlanError, PlanErrorKind};
use super::expand::{Environment, Expander};
use super::instructions::StageBuilder;
use super::predefined;
use super::request::{BaseImage, Bases, NamedContext, PlanRequest};
use super::step::{CopySource, CopyStep, Operation, Plan, Step, StepId, TreeSource};

/// Plans the build of the request's target.
pub fn plan(dockerfile: &Dockerfile, request: &PlanRequest, bases: &dyn Bases) -> Result<Plan, PlanError> {
    let mut planner = Planner::new(dockerfile, request, bases)?;
    planner.check_for_circles()?;
    let target = planner.target()?;
    let built = planner.build(target)?;
    let mut config = built.config;
    for (key, value) in &request.labels {
        config.config.labels.insert(key.clone(), value.clone());
    }
    if request.platform_is_explicit {
        config.platform = request.platform.clone();
    }
    config.platform = config.platform.normalized();
    let result = match built.tree {
        TreeSource::Step(step) => step,
        TreeSource::Context(_) => planner.context_as_base(target, &built.lines),
    };
    Ok(Plan { steps: planner.steps, result, config, base_history: built.base_history, epoch: planner.epoch })
}

/// A stage, or an image that `COPY --from` or a mount names like one.
struct Node<'a> {
    /// The name after AS.
    name: Option<&'a str>,
    base_name: String,
    /// The base name as written.
    written: String,
    platform: Option<Platform>,
    lines: Lines,
    instructions: &'a [Instruction],
    /// The stage that it stands on.
    base: Option<usize>,
    state: State,
}

enum State {
    Waiting,
    /// Being planned further up: whoever needs it now closes a circle.
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
    escape: char,
    nodes: Vec<Node<'a>>,
    /// Stages by name; of several with one name the last.
    names: HashMap<String, usize>,
    stage_count: usize,
}

impl<'a> Planner<'a> {
    pub fn new(dockerfile: &'a Dockerfile, request: &'a PlanRequest, bases: &'a dyn Bases) -> Result<Self, PlanError> {
        let last = dockerfile.stages.last().ok_or_else(|| PlanErrorKind::NoStages.nowhere())?;
        let target_name = request.target.as_deref().or(last.name.as_deref());
        let lexer = Lexer::new(dockerfile.escape);
        let globals = declare_globals(dockerfile, request, &lexer, predefined::global_args(request, target_name))?;
        let epoch = epoch(request, &globals)?;
        let mut planner = Self {
            request,
            bases,
            lexer,
            globals,
            epoch,
            proxies: predefined::proxies(&request.build_args),
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
        let base_name = expander.word(&stage.base, &self.globals)?;
        if base_name.is_empty() {
            return Err(PlanErrorKind::EmptyBase { written: stage.base.clone() }.at(stage.lines));
        }
        let platform = match &stage.platform {
            Some(written) => Some(self.stage_platform(written, &expander)?),
            None => None,
        };
        self.nodes.push(Node {
            name: stage.name.as_deref(),
            base: self.names.get(&base_name).copied(),
            base_name,
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

    fn stage_platform(&self, written: &str, expander: &Expander<'_>) -> Result<Platform, PlanError> {
        let value = expander.word(written, &self.globals)?;
        if value.is_empty() {
            return Err(PlanErrorKind::EmptyPlatform { written: written.to_owned() }.at(expander.lines));
        }
        let parsed = value.parse::<Platform>();
        parsed.map_err(|error| PlanErrorKind::Platform { value, reason: error.to_string() }.at(expander.lines))
    }

    pub fn target(&self) -> Result<usize, PlanError> {
        let Some(name) = &self.request.target else { return Ok(self.stage_count - 1) };
        self.names.get(&name.to_lowercase()).copied().ok_or_else(|| {
            let nearest = self.nearest_stage(name);
            let error = PlanErrorKind::UnknownTarget { name: name.clone() }.nowhere();
            error.hint(nearest.map(|near| format!("did you mean `{near}`?")))
        })
    }

    /// What `--from` names: a stage by name or number, or else an image.
    pub fn source_node(&mut self, from: &str, lines: Lines) -> Result<usize, PlanError> {
        if let Ok(index) = from.parse::<i64>() {
            let known = usize::try_from(index).ok().filter(|index| *index < self.stage_count);
            return known.ok_or_else(|| PlanErrorKind::StageIndex { index, count: self.stage_count }.at(lines));
        }
        Ok(self.named_node(from, lines))
    }

    /// The stage of that name, or an image.
    pub fn named_node(&mut self, name: &str, lines: Lines) -> usize {
        if let Some(&index) = self.names.get(&name.to_lowercase()) {
            return index;
        }
        let same_image = |node: &Node<'_>| node.written == name && node.instructions.is_empty() && node.name.is_none();
        if let Some(known) = self.nodes[self.stage_count..].iter().position(same_image) {
            return self.stage_count + known;
        }
        self.nodes.push(Node {
            name: None,
            base_name: name.to_owned(),
            written: name.to_owned(),
            platform: None,
            lines,
            instructions: &[],
            base: None,
            state: State::Waiting,
        });
        self.nodes.len() - 1
    }

    /// The files of a node that stage `user` takes something from.
    pub fn source_tree(&mut self, node: usize, user: usize, lines: Lines) -> Result<TreeSource, PlanError> {
        if node < self.stage_count && node >= user {
            if node == user || matches!(self.nodes[node].state, State::Started) {
                return Err(PlanErrorKind::Circular { stage: self.shown_name(user) }.at(lines));
            }
            let (from, stage) = (self.shown_name(node), self.shown_name(user));
            return Err(PlanErrorKind::LaterStage { from, stage }.at(lines));
        }
        Ok(self.build(node)?.tree)
    }

    /// Plans a node, once.
    pub fn build(&mut self, index: usize) -> Result<Built, PlanError> {
        match &self.nodes[index].state {
            State::Built(built) => return Ok(built.as_ref().clone()),
            State::Started => {
                let error = PlanErrorKind::Circular { stage: self.shown_name(index) };
                return Err(error.at(self.nodes[index].lines));
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

    /// The ONBUILD triggers that the stage's base left for it, taken out of the config.
    fn triggers(&mut self, index: usize, base: &mut Built) -> Result<Vec<Instruction>, PlanError> {
        let lines = self.nodes[index].lines;
        let texts = std::mem::take(&mut base.config.config.on_build);
        let parse = |text: &String| {
            dockerfile::parse_trigger(text, self.escape, lines)
                .map_err(|error| PlanErrorKind::Parse(Box::new(error)).at(lines))
        };
        texts.iter().map(parse).collect()
    }

    /// A base that is no stage: nothing, what the user put in its place, or an image.
    fn external_base(&mut self, index: usize) -> Result<Built, PlanError> {
        let base_name = self.nodes[index].base_name.clone();
        let lines = self.nodes[index].lines;
        if base_name == "scratch" {
            let config = ImageConfig::scratch(&self.request.platform);
            let step = self.add_step(Step {
                name: String::new(),
                lines,
                ignore_cache: false,
                operation: Operation::Base { layers: Vec::new() },
            });
            return Ok(self.built(TreeSource::Step(step), config, lines));
        }
        if let Some(replaced) = self.named_context(&base_name, index)? {
            return Ok(replaced);
        }
        let platform = self.nodes[index].platform.clone().unwrap_or_else(|| self.request.platform.clone());
        let reference = base_name.parse::<Reference>().map_err(|error| {
            PlanErrorKind::Reference { value: base_name.clone(), reason: error.to_string() }.at(lines)
        })?;
        let image = self.bases.image(&reference, &platform).map_err(|error| {
            let hint = error
                .hint
                .clone()
                .or_else(|| self.nearest_stage(&base_name).map(|near| format!("did you mean the stage `{near}`?")));
            PlanErrorKind::Base(error).at(lines).hint(hint)
        })?;
        Ok(self.image_as_base(image, index))
    }

    /// What `--build-context` put in the place of a stage or image.
    fn named_context(&mut self, name: &str, index: usize) -> Result<Option<Built>, PlanError> {
        if name.eq_ignore_ascii_case("scratch") || name.eq_ignore_ascii_case("context") {
            return Ok(None);
        }
        let platform = self.nodes[index].platform.clone().unwrap_or_else(|| self.request.platform.clone());
        let lines = self.nodes[index].lines;
        let found = self.bases.named_context(name, &platform).map_err(|error| {
            let hint = error.hint.clone();
            PlanErrorKind::Base(error).at(lines).hint(hint)
        })?;
        Ok(match found {
            None => None,
            Some(NamedContext::Image(image)) => Some(self.image_as_base(*image, index)),
            Some(NamedContext::Directory) => {
                let config = ImageConfig::scratch(&platform);
                Some(self.built(TreeSource::Context(Some(name.to_owned())), config, lines))
            }
        })
    }

    fn image_as_base(&mut self, image: BaseImage, index: usize) -> Built {
        let lines = self.nodes[index].lines;
        let step = self.add_step(Step {
            name: format!("FROM {}", image.name),
            lines,
            ignore_cache: false,
            operation: Operation::Base { layers: image.layers },
        });
        self.built(TreeSource::Step(step), image.config, lines)
    }

    fn built(&self, tree: TreeSource, mut config: ImageConfig, lines: Lines) -> Built {
        if config.config.env_value("PATH").is_none() {
            config.config.set_env("PATH", SCRATCH_PATH);
        }
        let mut environment = Environment::default();
        for entry in &config.config.env {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            environment.set(name, value);
        }
        let base_history = config.history.len();
        Built { tree, config, environment, build_args: Vec::new(), base_history, lines }
    }

    /// Turns a context that a stage stands on into a root filesystem: all of it, on nothing.
    pub fn context_as_base(&mut self, index: usize, lines: &Lines) -> StepId {
        let TreeSource::Context(name) = self.context_of(index) else { return StepId(0) };
        let parent = self.add_step(Step {
            name: String::new(),
            lines: *lines,
            ignore_cache: false,
            operation: Operation::Base { layers: Vec::new() },
        });
        let shown = name.clone().unwrap_or_default();
        let source = CopySource::Path { tree: TreeSource::Context(name), path: "/".to_owned(), unpack: false };
        self.add_step(Step {
            name: format!("FROM {shown}"),
            lines: *lines,
            ignore_cache: false,
            operation: Operation::Copy(Box::new(CopyStep {
                parent,
                sources: vec![source],
                destination: "/".to_owned(),
                chown: None,
                chmod: None,
                excludes: Vec::new(),
                parents: false,
                link: false,
                epoch: self.epoch,
            })),
        })
    }

    fn context_of(&self, index: usize) -> TreeSource {
        match &self.nodes[index].state {
            State::Built(built) => built.tree.clone(),
            State::Waiting | State::Started => TreeSource::Context(Some(self.nodes[index].base_name.clone())),
        }
    }

    pub fn add_step(&mut self, step: Step) -> StepId {
        self.steps.push(step);
        StepId(self.steps.len() - 1)
    }

    /// How a stage is shown: by its name, or by its number.
    pub fn shown_name(&self, index: usize) -> String {
        match self.nodes[index].name {
            Some(name) => name.to_owned(),
            None if index < self.stage_count => format!("stage-{index}"),
            None => self.nodes[index].written.clone(),
        }
    }

    /// What stands before a step's number: nothing when there is only one stage.
    pub fn step_prefix(&self, index: usize) -> String {
        if self.nodes.len() == 1 { String::new() } else { self.shown_name(index) }
    }

    fn nearest_stage(&self, written: &str) -> Option<&str> {
        let names: Vec<&str> = self.names.keys().map(String::as_str).collect();
        dockerfile::nearest(written, &names)
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

    /// Fails when stages need each other, also those that the target does not need.
    pub fn check_for_circles(&mut self) -> Result<(), PlanError> {
        let mut needs: Vec<Vec<(usize, Lines)>> = Vec::new();
        for index in 0..self.stage_count {
            let mut stage_needs: Vec<(usize, Lines)> = Vec::new();
            stage_needs.extend(self.nodes[index].base.map(|base| (base, self.nodes[index].lines)));
            for instruction in self.nodes[index].instructions {
                for from in sources_of(instruction) {
                    let named = self.names.get(&from.to_lowercase()).copied();
                    let numbered = from.parse::<usize>().ok().filter(|number| *number < self.stage_count);
                    let copied = numbered.filter(|_| matches!(instruction.command, Command::Copy(_)));
                    stage_needs.extend(copied.or(named).map(|node| (node, instruction.lines)));
                }
            }
            needs.push(stage_needs);
        }
        for start in 0..self.stage_count {
            for &(next, lines) in &needs[start] {
                if reaches(&needs, next, start) {
                    return Err(PlanErrorKind::Circular { stage: self.shown_name(start) }.at(lines));
                }
            }
        }
        Ok(())
    }
}

/// The stages or images that an instruction takes files from.
fn sources_of(instruction: &Instruction) -> Vec<String> {
    match &instruction.command {
        Command::Copy(copy) => copy.from.iter().cloned().collect(),
        Command::Run(run) => run
            .mounts
            .iter()
            .filter_map(|text| mount::parse(text).ok())
            .filter(|mount| mount.kind != MountKind::Tmpfs)
            .filter_map(|mount| mount.from)
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether a way leads from `start` to `end`.
fn reaches(needs: &[Vec<(usize, Lines)>], start: usize, end: usize) -> bool {
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

/// The global ARGs with their values: from the command line, or else their defaults.
fn declare_globals(
    dockerfile: &Dockerfile,
    request: &PlanRequest,
    lexer: &Lexer,
    mut globals: Environment,
) -> Result<Environment, PlanError> {
    for instruction in &dockerfile.global_args {
        let Command::Arg(declarations) = &instruction.command else { continue };
        let expander = Expander { lexer, lines: instruction.lines };
        for declaration in declarations {
            if let Some(given) = request.build_args.get(&declaration.name) {
                globals.set(&declaration.name, given);
            } else if let Some(default) = &declaration.default {
                let value = expander.word(default, &globals)?;
                globals.set(&declaration.name, &value);
            }
        }
    }
    Ok(globals)
}

fn epoch(request: &PlanRequest, globals: &Environment) -> Result<Option<i64>, PlanError> {
    const NAME: &str = "SOURCE_DATE_EPOCH";
    let given = request.build_args.get(NAME).map(String::as_str).or_else(|| globals.get(NAME));
    match given {
        None | Some("") => Ok(None),
        Some(text) => {
            let seconds = text.parse::<i64>().ok().filter(|seconds| *seconds >= 0);
            seconds.map(Some).ok_or_else(|| PlanErrorKind::Epoch(text.to_owned()).nowhere())
        }
    }
}
