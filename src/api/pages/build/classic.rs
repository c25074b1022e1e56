//! A build as the classic builder tells of it: `Step 1/3 : FROM …`, one instruction after another.
//!
//! Steps are executed side by side. What one writes that is not next is held back until it is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::api::messages::Messages;
use crate::build::solve::{Event, Progress, TaskEvent};
use crate::build::{BuildError, Cause, Observer};
use crate::language::dockerfile::{Dockerfile, Lines};
use crate::language::plan::{Operation, Plan};

/// So much of what a step writes is held back; of what is more, the beginning is lost.
const HELD_BACK: usize = 1 << 20;

/// Tells a client.
pub struct Classic<'a> {
    messages: &'a Messages,
    quiet: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Everything that the file says.
    written: Vec<Written>,
    /// What is built of it, in its order.
    instructions: Vec<Instruction>,
    steps: Vec<Step>,
    /// The first instruction that has not ended.
    next: usize,
    /// Its line was said.
    is_announced: bool,
    failed: Option<usize>,
    /// What a quiet build says when it fails.
    kept: String,
}

struct Written {
    text: String,
    line: u32,
    /// The lines of its stage; nothing for what is before all.
    stage: Option<Lines>,
}

struct Instruction {
    text: String,
    line: u32,
    steps: Vec<usize>,
}

#[derive(Default)]
struct Step {
    line: u32,
    /// What a RUN executes.
    command: String,
    /// Brings a base: there is nothing to tell of it.
    is_base: bool,
    is_over: bool,
    is_cached: bool,
    /// Not yet said.
    output: Vec<u8>,
}

impl<'a> Classic<'a> {
    pub fn new(messages: &'a Messages, quiet: bool) -> Self {
        Self { messages, quiet, state: Mutex::default() }
    }

    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// The command of the step that failed.
    pub fn failed_command(&self) -> String {
        let state = self.state();
        state.failed.map(|step| state.steps[step].command.clone()).unwrap_or_default()
    }

    /// All is done: what was not said yet is said.
    pub fn finished(&self) {
        let mut state = self.state();
        state.steps.iter_mut().for_each(|step| step.is_over = true);
        self.advance(&mut state);
    }

    /// Says which instruction failed, and what it wrote. Where nothing was planned, that is one whose base is missing.
    pub fn failed(&self, error: &BuildError) {
        let mut state = self.state();
        if state.instructions.is_empty() {
            if let BuildError::Located(located) = error
                && let Cause::Plan(error) = &located.cause
                && matches!(error.kind.as_ref(), crate::language::plan::PlanErrorKind::Base(_))
                && let Some(lines) = error.lines
            {
                state.instructions = state.written.iter().map(Instruction::of).collect();
                state.next = state.instructions.iter().position(|known| known.line == lines.first).unwrap_or(0);
                self.announce(&mut state);
            }
        } else if let Some(step) = state.failed {
            let at = state.instructions.iter().position(|instruction| instruction.steps.contains(&step));
            if let Some(at) = at.filter(|at| *at > state.next) {
                state.next = at;
                state.is_announced = false;
            }
            self.announce(&mut state);
            self.flush(&mut state, step);
        }
        if self.quiet {
            let kept = std::mem::take(&mut state.kept);
            if !kept.is_empty() {
                self.messages.stream(kept);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, state: &mut State, text: String) {
        if self.quiet {
            state.kept.push_str(&text);
            let over = state.kept.len().saturating_sub(HELD_BACK);
            let cut = (over..=state.kept.len()).find(|at| state.kept.is_char_boundary(*at)).unwrap_or(0);
            state.kept.drain(..cut);
        } else {
            self.messages.stream(text);
        }
    }

    /// Goes on to the first instruction that has not ended.
    fn advance(&self, state: &mut State) {
        while state.next < state.instructions.len() {
            self.announce(state);
            let steps = state.instructions[state.next].steps.clone();
            for step in &steps {
                self.flush(state, *step);
            }
            if !steps.iter().all(|step| state.steps[*step].is_over) {
                return;
            }
            let mut told = steps.iter().map(|step| &state.steps[*step]).filter(|step| !step.is_base).peekable();
            if told.peek().is_some() && told.all(|step| step.is_cached) {
                self.say(state, " ---> Using cache\n".to_owned());
            }
            state.next += 1;
            state.is_announced = false;
        }
    }

    /// `Step 2/3 : RUN make`
    fn announce(&self, state: &mut State) {
        let Some(instruction) = state.instructions.get(state.next).filter(|_| !state.is_announced) else { return };
        let text = format!("Step {}/{} : {}", state.next + 1, state.instructions.len(), instruction.text);
        self.say(state, text);
        self.say(state, "\n".to_owned());
        state.is_announced = true;
    }

    /// Says what the step wrote. The beginning of a letter waits for its end.
    fn flush(&self, state: &mut State, step: usize) {
        let step = &mut state.steps[step];
        let ready = if step.is_over { step.output.len() } else { whole_letters(&step.output) };
        if ready > 0 {
            let bytes: Vec<u8> = step.output.drain(..ready).collect();
            self.say(state, String::from_utf8_lossy(&bytes).into_owned());
        }
    }

    fn is_next(state: &State, step: usize) -> bool {
        state.is_announced && state.instructions.get(state.next).is_some_and(|next| next.steps.contains(&step))
    }
}

impl Instruction {
    fn of(written: &Written) -> Self {
        Self { text: written.text.clone(), line: written.line, steps: Vec::new() }
    }
}

/// How many bytes there are without the beginning of a letter at the end.
fn whole_letters(bytes: &[u8]) -> usize {
    for (back, byte) in bytes.iter().rev().take(3).enumerate() {
        let length = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            _ => 1,
        };
        return if length > back + 1 { bytes.len() - back - 1 } else { bytes.len() };
    }
    bytes.len()
}

impl Observer for Classic<'_> {
    fn read(&self, file: &Dockerfile) {
        let mut written: Vec<Written> = Vec::new();
        let mut add = |text: &str, lines: Lines, stage: Option<Lines>| {
            written.push(Written { text: text.to_owned(), line: lines.first, stage });
        };
        file.global_args.iter().for_each(|argument| add(&argument.original, argument.lines, None));
        for stage in &file.stages {
            let last = stage.instructions.last().map_or(stage.lines.last, |instruction| instruction.lines.last);
            let lines = Lines { first: stage.lines.first, last };
            add(&stage.original, stage.lines, Some(lines));
            stage
                .instructions
                .iter()
                .for_each(|instruction| add(&instruction.original, instruction.lines, Some(lines)));
        }
        self.state().written = written;
    }

    /// What no stage that is built has is left out.
    fn planned(&self, plan: &Plan) {
        let mut state = self.state();
        let state = &mut *state;
        state.steps = plan.steps.iter().map(step_of).collect();
        let is_built = |stage: Lines| state.steps.iter().any(|step| (stage.first..=stage.last).contains(&step.line));
        let built = state.written.iter().filter(|written| written.stage.is_none_or(is_built));
        state.instructions = built.map(Instruction::of).collect();
        for (place, step) in state.steps.iter().enumerate() {
            let owner = state.instructions.iter_mut().find(|instruction| instruction.line == step.line);
            owner.into_iter().for_each(|instruction| instruction.steps.push(place));
        }
        self.advance(state);
    }
}

fn step_of(step: &crate::language::plan::Step) -> Step {
    let command = match &step.operation {
        Operation::Run(run) => run.arguments.join(" "),
        _ => String::new(),
    };
    let is_base = matches!(step.operation, Operation::Base { .. });
    Step { line: step.lines.first, command, is_base, is_over: is_base, ..Step::default() }
}

impl Progress for Classic<'_> {
    fn event(&self, event: Event<'_>) {
        let mut state = self.state();
        let state = &mut *state;
        match event {
            Event::Started { .. } | Event::Canceled { .. } => {}
            Event::Output { step, bytes } => {
                let output = &mut state.steps[step.0].output;
                output.extend_from_slice(bytes);
                if Self::is_next(state, step.0) {
                    self.flush(state, step.0);
                } else {
                    let output = &mut state.steps[step.0].output;
                    let over = output.len().saturating_sub(HELD_BACK);
                    output.drain(..over);
                }
            }
            Event::Cached { step } => {
                state.steps[step.0].is_cached = true;
                state.steps[step.0].is_over = true;
                self.advance(state);
            }
            Event::Done { step, .. } => {
                state.steps[step.0].is_over = true;
                self.advance(state);
            }
            Event::Failed { step, .. } => {
                state.failed.get_or_insert(step.0);
            }
        }
    }

    /// The classic builder has no words for what is done beside its steps.
    fn task(&self, _: TaskEvent<'_>) {}

    fn warn(&self, text: &str) {
        let mut state = self.state();
        self.say(&mut state, format!("[Warning] {text}\n"));
    }
}
