//! A live display: finished steps scroll by, running ones stay below with their time and the last lines they wrote.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::plain::one_line;
use crate::build::Observer;
use crate::cli::transfers::{self, Kind};
use crate::explain::{Reason, in_words};
use crate::plan::{Plan, StepId};
use crate::registry;
use crate::solve::{Event, Progress, TaskEvent};

/// How many lines of a running step's output are shown.
const SHOWN_LINES: usize = 6;
const REDRAW_EVERY: Duration = Duration::from_millis(100);

pub struct Terminal {
    bars: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    names: Vec<String>,
    running: BTreeMap<StepId, Running>,
}

struct Running {
    bar: ProgressBar,
    begun: Instant,
    lines: Vec<String>,
    unfinished: Vec<u8>,
}

impl Terminal {
    pub fn new() -> Self {
        Self { bars: MultiProgress::new(), state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn start(&self, state: &mut State, step: StepId, why: &[Reason]) {
        let bar = self.bars.add(ProgressBar::new_spinner());
        let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let name = shown(&state.names, step);
        let begun = Instant::now();
        bar.set_style(style);
        bar.set_message(format!(" => {name}"));
        bar.enable_steady_tick(REDRAW_EVERY);
        if !why.is_empty() && *why != [Reason::FirstTime] {
            self.line(&format!(" => {name}: {}", one_line(&in_words(why))));
        }
        state.running.insert(step, Running { bar, begun, lines: Vec::new(), unfinished: Vec::new() });
    }

    fn end(&self, state: &mut State, step: StepId, mark: &str) {
        if let Some(running) = state.running.remove(&step) {
            running.bar.finish_and_clear();
            self.bars.remove(&running.bar);
        }
        self.line(&format!(" => {mark}{}", shown(&state.names, step)));
    }

    fn line(&self, text: &str) {
        // Nobody may be there to read it; the build goes on.
        let _ = self.bars.println(text);
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

impl Running {
    fn output(&mut self, name: &str, bytes: &[u8]) {
        self.unfinished.extend_from_slice(bytes);
        while let Some(end) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).collect();
            let text = String::from_utf8_lossy(&line);
            self.lines.push(text.trim_end().rsplit('\r').next().unwrap_or_default().to_owned());
        }
        let from = self.lines.len().saturating_sub(SHOWN_LINES);
        self.lines.drain(..from);
        let mut message = format!(" => {name} {:.1}s", self.begun.elapsed().as_secs_f64());
        for line in &self.lines {
            let _ = write!(message, "\n => => # {line}");
        }
        self.bar.set_message(message);
    }
}

impl Progress for Terminal {
    fn event(&self, event: Event<'_>) {
        let mut state = self.lock();
        match event {
            Event::Started { step, why } => self.start(&mut state, step, why),
            Event::Cached { step } => self.end(&mut state, step, "CACHED "),
            Event::Output { step, bytes } => {
                let name = shown(&state.names, step);
                if let Some(running) = state.running.get_mut(&step) {
                    running.output(&name, bytes);
                }
            }
            Event::Done { step, took } => self.end(&mut state, step, &format!("DONE {:.1}s ", took.as_secs_f64())),
            Event::Failed { step, took } => self.end(&mut state, step, &format!("ERROR {:.1}s ", took.as_secs_f64())),
            Event::Canceled { step } => self.end(&mut state, step, "CANCELED "),
        }
    }

    fn task(&self, event: TaskEvent<'_>) {
        match event {
            TaskEvent::Started { .. } | TaskEvent::Note { .. } => {}
            TaskEvent::Done { task, took } => self.line(&format!(" => DONE {:.1}s {task}", took.as_secs_f64())),
            TaskEvent::Failed { task, message } => self.line(&format!(" => ERROR {task}: {message}")),
        }
    }

    fn warn(&self, text: &str) {
        self.line(&format!("warning: {text}"));
    }
}

impl Observer for Terminal {
    fn transfers(&self) -> Box<dyn registry::Progress> {
        transfers::display_on_stderr(Kind::Push, true)
    }

    fn planned(&self, plan: &Plan) {
        self.lock().names = plan.steps.iter().map(|step| step.name.clone()).collect();
    }
}

fn shown(names: &[String], step: StepId) -> String {
    one_line(names.get(step.0).map_or("", String::as_str))
}
