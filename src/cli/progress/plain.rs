//! One line for each event, in the form that BuildKit's plain progress has: `#5 [2/3] RUN make`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use super::lines::{Line, Lines, Long};
use super::shown::{Shown, Steps};
use super::summary::End;
use crate::build::explain::in_words;
use crate::build::solve::{Event, Progress, TaskEvent};
use crate::cli::output::{self, Stream, one_line};
use crate::cli::transfers::{self, Kind};
use crate::language::plan::StepId;
use crate::transport::registry;

#[derive(Default)]
pub struct Plain {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    names: Vec<String>,
    /// The numbers that steps got when something was first said of them.
    numbers: HashMap<StepId, usize>,
    begun: HashMap<StepId, Instant>,
    /// The numbers of what is done beside the steps.
    tasks: HashMap<String, usize>,
    /// What steps write.
    lines: HashMap<StepId, Lines>,
}

/// What is ready to be written.
#[derive(Default)]
struct Ready(Vec<u8>);

impl Ready {
    /// A line about the thing with that number.
    fn line(&mut self, number: usize, text: &str) {
        self.0.extend_from_slice(format!("#{number} {}\n", text.replace('\n', " ")).as_bytes());
    }

    /// A line that a step wrote: as it is, unless a terminal gets it.
    fn printed(&mut self, number: usize, seconds: f64, line: Line<'_>) {
        self.0.extend_from_slice(format!("#{number} {seconds:.3} ").as_bytes());
        match Stream::Error.is_terminal() {
            true => self.0.extend_from_slice(line.shown().as_bytes()),
            false => self.0.extend_from_slice(line.bytes),
        }
        self.0.push(b'\n');
    }

    /// What rbuild itself says of names from elsewhere.
    fn write(self) {
        if !self.0.is_empty() {
            output::say_prepared(&self.0);
        }
    }
}

impl Plain {
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A name on one line, which a terminal may have.
fn safe(text: &str) -> String {
    if Stream::Error.is_terminal() { one_line(text) } else { text.to_owned() }
}

impl State {
    /// The step's number; announces the step when it is new.
    fn number(&mut self, step: StepId, ready: &mut Ready) -> usize {
        let next = self.numbers.len() + self.tasks.len() + 1;
        let number = *self.numbers.entry(step).or_insert(next);
        if number == next {
            ready.line(number, &safe(self.names.get(step.0).map_or("", String::as_str)));
        }
        number
    }

    /// The task's number; announces the task when it is new.
    fn task_number(&mut self, task: &str, ready: &mut Ready) -> usize {
        let next = self.numbers.len() + self.tasks.len() + 1;
        let number = *self.tasks.entry(task.to_owned()).or_insert(next);
        if number == next {
            ready.line(number, &safe(task));
        }
        number
    }

    fn output(&mut self, step: StepId, bytes: &[u8], ready: &mut Ready) {
        let (number, seconds) = (self.number(step, ready), self.seconds(step));
        let lines = self.lines.entry(step).or_insert_with(|| match Stream::Error.is_terminal() {
            true => Lines::for_terminal(),
            false => Lines::for_file(Long::Split),
        });
        lines.push(bytes, |line| ready.printed(number, seconds, line));
    }

    /// The step has ended: what it wrote last is told, and then how it ended.
    fn end(&mut self, step: StepId, ending: &str, ready: &mut Ready) {
        let (number, seconds) = (self.number(step, ready), self.seconds(step));
        if let Some(mut lines) = self.lines.remove(&step) {
            lines.finish(|line| ready.printed(number, seconds, line));
        }
        ready.line(number, ending);
    }

    fn seconds(&self, step: StepId) -> f64 {
        self.begun.get(&step).map_or(0.0, |begun| begun.elapsed().as_secs_f64())
    }
}

impl Progress for Plain {
    fn event(&self, event: Event<'_>) {
        let mut state = self.lock();
        let mut ready = Ready::default();
        match event {
            Event::Started { step, why } => {
                state.begun.insert(step, Instant::now());
                let number = state.number(step, &mut ready);
                if !why.is_empty() {
                    ready.line(number, &format!("why: {}", safe(&in_words(why))));
                }
            }
            Event::Cached { step } => state.end(step, "CACHED", &mut ready),
            Event::Output { step, bytes } => state.output(step, bytes, &mut ready),
            Event::Done { step, took } => state.end(step, &format!("DONE {:.1}s", took.as_secs_f64()), &mut ready),
            Event::Failed { step, took } => {
                state.end(step, &format!("ERROR after {:.1}s", took.as_secs_f64()), &mut ready);
            }
            Event::Canceled { step } => state.end(step, "CANCELED", &mut ready),
        }
        ready.write();
    }

    fn task(&self, event: TaskEvent<'_>) {
        let mut state = self.lock();
        let mut ready = Ready::default();
        let number = state.task_number(event.task(), &mut ready);
        match event {
            TaskEvent::Started { .. } => {}
            TaskEvent::Note { text, .. } => ready.line(number, &safe(text)),
            // How much it was stands in a note.
            TaskEvent::Moved { .. } => {}
            TaskEvent::Done { took, .. } => ready.line(number, &format!("DONE {:.1}s", took.as_secs_f64())),
            TaskEvent::Failed { message, .. } => ready.line(number, &format!("ERROR: {}", safe(message))),
        }
        ready.write();
    }

    fn warn(&self, text: &str) {
        output::say(format_args!("warning: {text}"));
    }
}

impl Shown for Plain {
    fn add(&self, steps: &Steps) {
        self.lock().names.extend_from_slice(&steps.titles);
    }

    fn transfers(&self, _: &str) -> Box<dyn registry::Progress> {
        transfers::lines_on_stderr(Kind::Push)
    }

    fn end(&self, end: End) {
        // No other build says anything in between.
        let _state = self.lock();
        end.say();
    }
}
