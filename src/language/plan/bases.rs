//! The base of a stage: nothing, an image, or the user's replacement; and the triggers that come with it.

use crate::image::{ImageConfig, Platform, Reference, SCRATCH_PATH};
use crate::language::dockerfile::{self, Instruction, Lines};

use super::error::{PlanError, PlanErrorKind};
use super::expand::Environment;
use super::part::Parts;
use super::request::{BaseImage, NamedContext};
use super::stages::{Built, Planner, State, unset_hint};
use super::step::{BaseIdentity, CopySource, CopyStep, Operation, Step, StepId, TreeSource};

impl Planner<'_> {
    /// The ONBUILD triggers of the stage's base, removed from the config.
    pub fn triggers(&mut self, index: usize, base: &mut Built) -> Result<Vec<Instruction>, PlanError> {
        let lines = self.nodes[index].lines;
        let place = self.nodes[index].base_place();
        let texts = std::mem::take(&mut base.config.config.on_build);
        if self.request.ignores_triggers {
            return Ok(Vec::new());
        }
        let parse = |text: &String| {
            dockerfile::parse_trigger(text, self.escape, lines)
                .map_err(|error| PlanErrorKind::Parse(Box::new(error)).at(place))
        };
        texts.iter().map(parse).collect()
    }

    /// A base that is not a stage: nothing, the user's replacement, or an image.
    pub fn external_base(&mut self, index: usize) -> Result<Built, PlanError> {
        let base_name = self.nodes[index].base_name.clone();
        let place = self.nodes[index].base_place();
        if base_name == "scratch" {
            let platform = self.request.platform.clone();
            return Ok(self.nothing(index, &platform));
        }
        if let Some(replaced) = self.named_context(&base_name, index)? {
            return Ok(replaced);
        }
        let platform = self.stage_platform_or_target(index).clone();
        let reference = base_name.parse::<Reference>().map_err(|error| {
            let hint = unset_hint(&self.nodes[index].unset);
            PlanErrorKind::Reference { value: base_name.clone(), reason: error.to_string() }.at(place).hint(hint)
        })?;
        let image = self.bases.image(&reference, &platform).map_err(|error| {
            let stage = || self.nearest_stage(&base_name).map(|near| format!("did you mean the stage `{near}`?"));
            let hint = unset_hint(&self.nodes[index].unset).or_else(stage).or_else(|| error.hint.clone());
            PlanErrorKind::Base(error).at(place).hint(hint)
        })?;
        Ok(self.image_as_base(image, index))
    }

    /// A base without files and settings.
    fn nothing(&mut self, index: usize, platform: &Platform) -> Built {
        let lines = self.nodes[index].lines;
        let step = self.add_step(Step {
            name: String::new(),
            title: String::new(),
            platform: self.shown_platform(index),
            lines,
            parts: Parts::default(),
            ignore_cache: false,
            operation: Operation::Base { layers: Vec::new(), image: None },
        });
        self.built(TreeSource::Step(step), ImageConfig::scratch(platform), lines)
    }

    /// The replacement of a stage or image by `--build-context`.
    pub fn named_context(&mut self, name: &str, index: usize) -> Result<Option<Built>, PlanError> {
        if name.eq_ignore_ascii_case("scratch") || name.eq_ignore_ascii_case("context") {
            return Ok(None);
        }
        let platform = self.stage_platform_or_target(index).clone();
        let (lines, place) = (self.nodes[index].lines, self.nodes[index].base_place());
        let found = self.bases.named_context(name, &platform).map_err(|error| {
            let hint = error.hint.clone();
            PlanErrorKind::Base(error).at(place).hint(hint)
        })?;
        Ok(match found {
            None => None,
            Some(NamedContext::Image(image)) => Some(self.image_as_base(*image, index)),
            Some(NamedContext::Nothing) => Some(self.nothing(index, &platform)),
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
            title: format!("FROM {}", image.name),
            platform: self.shown_platform(index),
            lines,
            parts: Parts::default(),
            ignore_cache: false,
            operation: Operation::Base {
                layers: image.layers,
                image: Some(BaseIdentity { name: image.name, digest: image.digest }),
            },
        });
        self.built(TreeSource::Step(step), image.config, lines)
    }

    fn built(&self, tree: TreeSource, mut config: ImageConfig, lines: Lines) -> Built {
        // Windows has its own.
        let is_windows = config.platform.os == "windows";
        if config.config.env_value("PATH").is_none() && !is_windows {
            config.config.set_env("PATH", SCRATCH_PATH);
        }
        if is_windows {
            config.config.working_dir = config.config.working_dir.replace('/', "\\");
        }
        let mut environment = Environment::default();
        for entry in &config.config.env {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            environment.set(name, value);
        }
        let base_history = config.history.len();
        Built { tree, config, environment, build_args: Vec::new(), base_history, lines }
    }

    /// Turns a context that is a stage's base into a root filesystem: all of it, on top of nothing.
    pub fn context_as_base(&mut self, index: usize, lines: &Lines) -> StepId {
        let TreeSource::Context(name) = self.context_of(index) else { return StepId(0) };
        let parent = self.add_step(Step {
            name: String::new(),
            title: String::new(),
            platform: self.shown_platform(index),
            lines: *lines,
            parts: Parts::default(),
            ignore_cache: false,
            operation: Operation::Base { layers: Vec::new(), image: None },
        });
        let shown = name.clone().unwrap_or_default();
        let source = CopySource::Path { tree: TreeSource::Context(name), path: "/".to_owned(), unpack: false };
        self.add_step(Step {
            name: format!("FROM {shown}"),
            title: format!("FROM {shown}"),
            platform: self.shown_platform(index),
            lines: *lines,
            parts: Parts::default(),
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
                latest_time: self.latest_time(),
            })),
        })
    }

    fn context_of(&self, index: usize) -> TreeSource {
        match &self.nodes[index].state {
            State::Built(built) => built.tree.clone(),
            State::Waiting | State::Started => TreeSource::Context(Some(self.nodes[index].base_name.clone())),
        }
    }
}
