//! The state of a running build, to be shown. Pure: knows no terminal.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::lines::Lines;
use crate::build::explain::{Reason, in_words};
use crate::build::solve::{Event, TaskEvent};
use crate::cli::format::human_size;
use crate::cli::output::one_line;
use crate::cli::transfers::Blobs;
use crate::language::plan::StepId;

/// How many lines of a step's output are kept.
pub const KEPT_LINES: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Running,
    Done,
    Cached,
    Failed,
    Canceled,
}

/// A step with an event, or a task besides the steps.
#[derive(Debug)]
pub struct Item {
    /// On one line.
    pub title: String,
    /// `build` of `[build 2/5] RUN make`; `None` for a task.
    pub stage: Option<String>,
    pub state: State,
    /// Why it is executed.
    pub why: String,
    pub begun: Instant,
    /// How long it took, once it has ended.
    pub took: Duration,
    /// The last lines of its output.
    pub printed: VecDeque<String>,
    lines: Lines,
}

/// A stage of the plan.
#[derive(Debug, Default)]
struct Stage {
    steps: usize,
    /// The index of its last step: a stage comes after those that it needs.
    last: usize,
}

/// The present state of a build.
#[derive(Debug)]
pub struct Model {
    pub begun: Instant,
    /// In the order of their first events, with the steps of a stage together.
    pub items: Vec<Item>,
    /// The number of steps in the plan.
    pub planned: usize,
    stages: HashMap<String, Stage>,
    names: Vec<String>,
    steps: HashMap<StepId, usize>,
    tasks: HashMap<String, usize>,
    /// What is being pushed.
    pub pushed: Option<Blobs>,
}

impl Model {
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            items: Vec::new(),
            planned: 0,
            stages: HashMap::new(),
            names: Vec::new(),
            steps: HashMap::new(),
            tasks: HashMap::new(),
            pushed: None,
        }
    }

    /// Adds steps of a plan.
    pub fn add(&mut self, titles: &[String]) {
        let first = self.names.len();
        self.names.extend(titles.iter().map(|title| one_line(title)));
        for (place, name) in self.names.iter().enumerate().skip(first).filter(|(_, name)| !name.is_empty()) {
            self.planned += 1;
            let stage = self.stages.entry(stage_of(name)).or_default();
            stage.steps += 1;
            stage.last = place;
        }
    }

    /// Handles an event of a step; returns the index of the step.
    pub fn step(&mut self, event: &Event<'_>) -> usize {
        let place = self.place_of(event.step());
        let item = &mut self.items[place];
        match *event {
            Event::Started { why, .. } => item.start(why),
            Event::Cached { .. } => item.state = State::Cached,
            Event::Output { bytes, .. } => item.print(bytes),
            Event::Done { took, .. } => item.end(State::Done, took),
            Event::Failed { took, .. } => item.end(State::Failed, took),
            Event::Canceled { .. } => item.end(State::Canceled, item.begun.elapsed()),
        }
        place
    }

    pub fn task(&mut self, event: &TaskEvent<'_>) -> usize {
        let name = event.task();
        let place = match self.tasks.get(name) {
            Some(place) => *place,
            None => {
                self.items.push(Item::new(one_line(name), None));
                self.tasks.insert(name.to_owned(), self.items.len() - 1);
                self.items.len() - 1
            }
        };
        let item = &mut self.items[place];
        match *event {
            TaskEvent::Started { .. } => {}
            TaskEvent::Note { text, .. } => item.keep(one_line(text)),
            TaskEvent::Moved { bytes, .. } => item.why = format!("{} sent", human_size(bytes, 3)),
            TaskEvent::Done { took, .. } => item.end(State::Done, took),
            TaskEvent::Failed { message, .. } => {
                item.why = one_line(message);
                item.end(State::Failed, item.begun.elapsed());
            }
        }
        place
    }

    /// The index of the step among the items: after the others of its stage, or before later stages.
    fn place_of(&mut self, step: StepId) -> usize {
        if let Some(place) = self.steps.get(&step) {
            return *place;
        }
        let title = self.names.get(step.0).cloned().unwrap_or_default();
        let stage = stage_of(&title);
        let last = self.items.iter().rposition(|item| item.stage.as_deref() == Some(stage.as_str()));
        let rank = |stage: &str| self.stages.get(stage).map_or(0, |stage| stage.last);
        let later =
            || self.items.iter().position(|item| item.stage.as_deref().is_some_and(|other| rank(other) > rank(&stage)));
        let place = last.map(|last| last + 1).or_else(later).unwrap_or(self.items.len());
        for other in self.steps.values_mut().chain(self.tasks.values_mut()).filter(|other| **other >= place) {
            *other += 1;
        }
        self.items.insert(place, Item::new(title, Some(stage)));
        self.steps.insert(step, place);
        place
    }

    /// Ends everything that runs.
    pub fn stop(&mut self) {
        for item in self.items.iter_mut().filter(|item| item.is_running()) {
            item.end(State::Canceled, item.begun.elapsed());
        }
    }

    /// How many steps have a result.
    pub fn ended(&self) -> usize {
        let has_result = |item: &&Item| item.stage.is_some() && matches!(item.state, State::Done | State::Cached);
        self.items.iter().filter(has_result).count()
    }

    /// Whether all steps of the stage have results.
    pub fn is_finished(&self, stage: &str) -> bool {
        let has_result =
            |item: &&Item| item.stage.as_deref() == Some(stage) && matches!(item.state, State::Done | State::Cached);
        self.stages.get(stage).is_some_and(|stage| stage.steps == self.items.iter().filter(has_result).count())
    }
}

impl Item {
    fn new(title: String, stage: Option<String>) -> Self {
        Self {
            title,
            stage,
            state: State::Running,
            why: String::new(),
            begun: Instant::now(),
            took: Duration::ZERO,
            printed: VecDeque::new(),
            lines: Lines::for_terminal(),
        }
    }

    fn start(&mut self, why: &[Reason]) {
        (self.state, self.begun) = (State::Running, Instant::now());
        self.why = one_line(&in_words(why));
    }

    fn end(&mut self, state: State, took: Duration) {
        (self.state, self.took) = (state, took);
        self.printed.clear();
    }

    fn print(&mut self, bytes: &[u8]) {
        let printed = &mut self.printed;
        self.lines.push(bytes, |line| {
            // Overwritten and empty lines would only take space.
            if !line.bytes.is_empty() {
                keep(printed, line.shown().replace('\t', "    "));
            }
        });
    }

    fn keep(&mut self, line: String) {
        keep(&mut self.printed, line);
    }

    pub fn is_running(&self) -> bool {
        self.state == State::Running
    }
}

fn keep(printed: &mut VecDeque<String>, line: String) {
    if printed.len() == KEPT_LINES {
        printed.pop_front();
    }
    printed.push_back(line);
}

/// `build` of `[build 2/5] RUN make`, `linux/arm64 build` with several platforms.
fn stage_of(title: &str) -> String {
    let inside = title.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or("", |(inside, _)| inside);
    inside.rsplit_once(' ').map_or("", |(stage, _)| stage).trim_end().to_owned()
}
