//! A line for each thing that happens, in the form that BuildKit's plain progress has: `#5 [2/3] RUN make`.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use crate::build::Observer;
use crate::cli::transfers::{self, Kind};
use crate::explain::in_words;
use crate::plan::{Plan, StepId};
use crate::registry;
use crate::solve::{Event, Progress, TaskEvent};

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
    /// What a step wrote without ending its line yet.
    unfinished: HashMap<StepId, Vec<u8>>,
}

impl Plain {
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    /// The step's number; announces the step when it is new.
    fn number(&mut self, step: StepId, out: &mut Vec<u8>) -> usize {
        let next = self.numbers.len() + self.tasks.len() + 1;
        let number = *self.numbers.entry(step).or_insert(next);
        if number == next {
            let name = self.names.get(step.0).map_or("", String::as_str);
            let _ = writeln!(out, "#{number} {}", one_line(name));
        }
        number
    }

    /// The task's number; announces the task when it is new.
    fn task_number(&mut self, task: &str, out: &mut Vec<u8>) -> usize {
        let next = self.numbers.len() + self.tasks.len() + 1;
        let number = *self.tasks.entry(task.to_owned()).or_insert(next);
        if number == next {
            let _ = writeln!(out, "#{number} {task}");
        }
        number
    }

    fn output(&mut self, step: StepId, bytes: &[u8], out: &mut Vec<u8>) {
        let number = self.number(step, out);
        let seconds = self.begun.get(&step).map_or(0.0, |begun| begun.elapsed().as_secs_f64());
        let mut text = self.unfinished.remove(&step).unwrap_or_default();
        text.extend_from_slice(bytes);
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |position| position + 1);
        for line in text[..end].split_inclusive(|byte| *byte == b'\n') {
            let _ = write!(out, "#{number} {seconds:.3} ");
            out.extend_from_slice(line);
        }
        if end < text.len() {
            self.unfinished.insert(step, text.split_off(end));
        }
    }

    fn end_line(&mut self, step: StepId, out: &mut Vec<u8>) {
        if self.unfinished.contains_key(&step) {
            self.output(step, b"\n", out);
        }
    }
}

impl Progress for Plain {
    fn event(&self, event: Event<'_>) {
        let mut state = self.lock();
        let mut out = Vec::new();
        match event {
            Event::Started { step, why } => {
                state.begun.insert(step, Instant::now());
                let number = state.number(step, &mut out);
                if !why.is_empty() {
                    let _ = writeln!(out, "#{number} why: {}", one_line(&in_words(why)));
                }
            }
            Event::Cached { step } => {
                let number = state.number(step, &mut out);
                let _ = writeln!(out, "#{number} CACHED\n");
            }
            Event::Output { step, bytes } => state.output(step, bytes, &mut out),
            Event::Done { step, took } => {
                state.end_line(step, &mut out);
                let number = state.number(step, &mut out);
                let _ = writeln!(out, "#{number} DONE {:.1}s\n", took.as_secs_f64());
            }
            Event::Failed { step, took } => {
                state.end_line(step, &mut out);
                let number = state.number(step, &mut out);
                let _ = writeln!(out, "#{number} ERROR after {:.1}s\n", took.as_secs_f64());
            }
            Event::Canceled { step } => {
                state.end_line(step, &mut out);
                let number = state.number(step, &mut out);
                let _ = writeln!(out, "#{number} CANCELED\n");
            }
        }
        // Nobody may be there to read it; the build goes on.
        let _ = std::io::stderr().lock().write_all(&out);
    }

    fn task(&self, event: TaskEvent<'_>) {
        let mut state = self.lock();
        let mut out = Vec::new();
        let (TaskEvent::Started { task }
        | TaskEvent::Note { task, .. }
        | TaskEvent::Done { task, .. }
        | TaskEvent::Failed { task, .. }) = event;
        let number = state.task_number(task, &mut out);
        let _ = match event {
            TaskEvent::Started { .. } => Ok(()),
            TaskEvent::Note { text, .. } => writeln!(out, "#{number} {text}"),
            TaskEvent::Done { took, .. } => writeln!(out, "#{number} DONE {:.1}s\n", took.as_secs_f64()),
            TaskEvent::Failed { message, .. } => writeln!(out, "#{number} ERROR: {message}\n"),
        };
        let _ = std::io::stderr().lock().write_all(&out);
    }

    fn warn(&self, text: &str) {
        eprintln!("warning: {text}");
    }
}

impl Observer for Plain {
    fn transfers(&self) -> Box<dyn registry::Progress> {
        transfers::display_on_stderr(Kind::Push, false)
    }

    fn planned(&self, plan: &Plan) {
        self.lock().names = plan.steps.iter().map(|step| step.name.clone()).collect();
    }
}

/// A name over several lines in one.
pub(super) fn one_line(name: &str) -> String {
    name.replace('\n', " ")
}
