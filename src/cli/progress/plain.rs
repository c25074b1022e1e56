//! One line for each event, in the format of BuildKit's plain progress: `#5 [2/3] RUN make`.

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
    /// The numbers of steps, in the order of their first events.
    numbers: HashMap<StepId, usize>,
    begun: HashMap<StepId, Instant>,
    /// The numbers of tasks besides the steps.
    tasks: HashMap<String, usize>,
    /// The output of steps.
    lines: HashMap<StepId, Lines>,
}

/// Output that is ready to be written.
#[derive(Default)]
struct Ready(Vec<u8>);

impl Ready {
    /// A line about the step or task with that number.
    fn line(&mut self, number: usize, text: &str) {
        self.0.extend_from_slice(format!("#{number} {}\n", text.replace('\n', " ")).as_bytes());
    }

    /// A line of a step's output: verbatim, unless it goes to a terminal.
    fn printed(&mut self, number: usize, seconds: f64, line: Line<'_>) {
        self.0.extend_from_slice(format!("#{number} {seconds:.3} ").as_bytes());
        match Stream::Error.is_terminal() {
            true => self.0.extend_from_slice(line.shown().as_bytes()),
            false => self.0.extend_from_slice(line.bytes),
        }
        self.0.push(b'\n');
    }

    /// Names in it are already safe for a terminal.
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

/// A name on one line, safe for a terminal.
fn safe(text: &str) -> String {
    if Stream::Error.is_terminal() { one_line(text) } else { text.to_owned() }
}

impl State {
    /// The step's number; announces a new step.
    fn number(&mut self, step: StepId, ready: &mut Ready) -> usize {
        let next = self.numbers.len() + self.tasks.len() + 1;
        let number = *self.numbers.entry(step).or_insert(next);
        if number == next {
            ready.line(number, &safe(self.names.get(step.0).map_or("", String::as_str)));
        }
        number
    }

    /// The task's number; announces a new task.
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

    /// The step has ended: prints the rest of its output, and the outcome.
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
            // A note reports the total.
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
        // No other build prints anything in between.
        let _state = self.lock();
        end.say();
    }
}
