//! The summary of a build at its end.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::layout::seconds;
use crate::build::Findings;
use crate::build::solve::Event;
use crate::cli::build::warnings;
use crate::cli::format::human_size;
use crate::cli::output;
use crate::language::plan::{Operation, Plan, StepId};

/// The outcome of a build.
#[derive(Debug)]
pub struct End {
    /// The name of one of several builds.
    pub name: Option<String>,
    /// The numbers of its steps.
    pub steps: Range<usize>,
    pub tally: Tally,
    pub findings: Findings,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub enum Outcome {
    Built(Built),
    /// With the error message.
    Failed(String),
}

/// The result, for reporting.
#[derive(Debug, Default)]
pub struct Built {
    pub images: Vec<BuiltImage>,
    /// In short form.
    pub names: Vec<String>,
    /// The names with digests in their registries.
    pub pushed: Vec<String>,
}

#[derive(Debug)]
pub struct BuiltImage {
    /// `sha256:…`
    pub id: String,
    /// Its first twelve digits.
    pub short_id: String,
    /// If there are several.
    pub platform: Option<String>,
    pub size: u64,
}

/// BuildKit's vertex for the result.
pub const EXPORT: &str = "exporting to image";

/// A title with the build's name, in buildx's form for several builds: `[app 2/3] RUN make`.
pub fn named<'t>(build: Option<&str>, title: &'t str) -> Cow<'t, str> {
    match (build, title.strip_prefix('[')) {
        (None, _) => Cow::Borrowed(title),
        _ if title.is_empty() => Cow::Borrowed(title),
        (Some(name), Some(rest)) => Cow::Owned(format!("[{name} {rest}")),
        (Some(name), None) => Cow::Owned(format!("[{name}] {title}")),
    }
}

impl End {
    /// The title in this build.
    pub fn named<'t>(&self, title: &'t str) -> Cow<'t, str> {
        named(self.name.as_deref(), title)
    }

    /// Prints the warnings and the result to standard error.
    pub fn say(&self) {
        if let Outcome::Built(built) = &self.outcome {
            for pushed in &built.pushed {
                output::say(format_args!("pushed {pushed}"));
            }
            let target = self.name.as_ref().map(|name| format!("[{name}] ")).unwrap_or_default();
            output::say(format_args!("{target}{}", built.line(&self.tally)));
        }
        warnings::print(self.name.as_deref(), &self.findings);
    }
}

impl Built {
    /// `built app:latest 1a2b3c4d5e6f 4.2MB in 12.3s: 3 steps cached, 2 executed, slowest [2/3] 8.1s`
    fn line(&self, tally: &Tally) -> String {
        let mut parts = vec!["built".to_owned()];
        parts.extend((!self.names.is_empty()).then(|| self.names.join(", ")));
        let images: Vec<String> = self.images.iter().map(BuiltImage::words).collect();
        parts.extend((!images.is_empty()).then(|| images.join(", ")));
        let steps = |count: usize| format!("{count} {}", if count == 1 { "step" } else { "steps" });
        let counts = match (tally.cached(), tally.executed()) {
            (0, 0) => String::new(),
            (0, executed) => format!(": {} executed", steps(executed)),
            (cached, 0) => format!(": {} cached", steps(cached)),
            (cached, executed) => format!(": {} cached, {executed} executed", steps(cached)),
        };
        let line = format!("{} in {}{counts}", parts.join(" "), seconds(tally.begun.elapsed()));
        let Some((title, longest)) = tally.slowest() else { return line };
        // The step's number identifies it in the lines above.
        let place = title.find("] ").map_or(title, |end| &title[..=end]);
        format!("{line}, slowest {place} {}", seconds(longest))
    }
}

impl BuiltImage {
    fn words(&self) -> String {
        let platform = self.platform.as_ref().map(|platform| format!(" for {platform}")).unwrap_or_default();
        format!("{}{platform} {}", self.short_id, human_size(self.size, 3))
    }
}

/// Counts the outcomes of the steps.
#[derive(Debug)]
pub struct Tally {
    begun: Instant,
    /// Of all steps except base images.
    names: HashMap<StepId, String>,
    /// The durations of executed steps; `None` for cached ones.
    endings: HashMap<StepId, Option<Duration>>,
}

impl Tally {
    pub fn new() -> Self {
        Self { begun: Instant::now(), names: HashMap::new(), endings: HashMap::new() }
    }

    pub fn plan(&mut self, plan: &Plan) {
        let own = plan
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| !step.name.is_empty() && !matches!(step.operation, Operation::Base { .. }));
        self.names = own.map(|(index, step)| (StepId(index), step.title.clone())).collect();
    }

    pub fn step(&mut self, event: &Event<'_>) {
        match *event {
            Event::Cached { step } => drop(self.endings.insert(step, None)),
            Event::Done { step, took } => drop(self.endings.insert(step, Some(took))),
            _ => {}
        }
    }

    fn endings(&self) -> impl Iterator<Item = (&String, Option<Duration>)> {
        self.endings.iter().filter_map(|(step, took)| Some((self.names.get(step)?, *took)))
    }

    fn cached(&self) -> usize {
        self.endings().filter(|(_, took)| took.is_none()).count()
    }

    fn executed(&self) -> usize {
        self.endings().filter(|(_, took)| took.is_some()).count()
    }

    /// The executed step that took longest.
    fn slowest(&self) -> Option<(&str, Duration)> {
        let slowest = self.endings().filter_map(|(name, took)| Some((name.as_str(), took?)));
        slowest.max_by_key(|(_, took)| *took)
    }
}
