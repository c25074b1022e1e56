//! Reports a build in the format of the classic builder: `Step 1/3 : FROM …`, one instruction after another.
//!
//! Steps are executed concurrently. The output of a step is held back until it is the step's turn.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::api::messages::Messages;
use crate::build::solve::{Event, Progress, TaskEvent};
use crate::build::{BuildError, Cause, Observer};
use crate::language::dockerfile::{Dockerfile, Lines};
use crate::language::plan::{Operation, Plan, StepId};

/// How much output of a step is held back; its start is dropped beyond that.
const HELD_BACK: usize = 1 << 20;

/// Printed around a program's standard error.
const RED: &str = "\u{1b}[91m";
const PLAIN: &str = "\u{1b}[0m";

/// Reports to a client.
pub struct Classic<'a> {
    messages: &'a Messages,
    quiet: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// All instructions of the file.
    written: Vec<Written>,
    /// The instructions that are built, in order.
    instructions: Vec<Instruction>,
    steps: Vec<Step>,
    /// The first unfinished instruction.
    next: usize,
    /// Its line was printed.
    is_announced: bool,
    failed: Option<usize>,
    /// The output of a quiet build, printed if it fails.
    kept: String,
    /// Whether the image had been built before; unknown until the end.
    was_there: Option<bool>,
}

struct Written {
    text: String,
    line: u32,
    /// The lines of its stage; `None` before the first one.
    stage: Option<Lines>,
}

struct Instruction {
    text: String,
    line: u32,
    /// The first line of its stage; `None` before the first one.
    stage: Option<u32>,
    /// It is a `FROM`.
    begins_stage: bool,
    steps: Vec<usize>,
}

#[derive(Default)]
struct Step {
    line: u32,
    /// The command of a RUN.
    command: String,
    /// Fetches a base, which is not reported.
    is_base: bool,
    is_over: bool,
    is_cached: bool,
    /// It has begun, or was found in the cache.
    is_known: bool,
    /// Not printed yet.
    output: Vec<Piece>,
}

/// Output of a program to one of its streams.
struct Piece {
    is_error: bool,
    bytes: Vec<u8>,
}

impl<'a> Classic<'a> {
    pub fn new(messages: &'a Messages, quiet: bool) -> Self {
        Self { messages, quiet, state: Mutex::default() }
    }

    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// The command of the failed step.
    pub fn failed_command(&self) -> String {
        let state = self.state();
        state.failed.map(|step| state.steps[step].command.clone()).unwrap_or_default()
    }

    /// The build has finished: prints the rest. `was_there`: this image had been built before.
    pub fn finished(&self, was_there: bool) {
        let mut state = self.state();
        state.steps.iter_mut().for_each(|step| (step.is_over, step.is_known) = (true, true));
        state.was_there = Some(was_there);
        self.advance(&mut state);
    }

    /// Reports the failed instruction and its output. Without a plan, this is an instruction whose base is missing.
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

    /// Advances to the first unfinished instruction.
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
            match state.is_cached(state.next) {
                None => return,
                Some(true) => self.say(state, " ---> Using cache\n".to_owned()),
                Some(false) => {}
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

    /// Prints the step's output, except for an incomplete character at the end.
    fn flush(&self, state: &mut State, step: usize) {
        let step = &mut state.steps[step];
        let mut pieces = std::mem::take(&mut step.output);
        if let Some(last) = pieces.last_mut().filter(|_| !step.is_over) {
            let rest = last.bytes.split_off(whole_letters(&last.bytes));
            step.output.extend((!rest.is_empty()).then_some(Piece { is_error: last.is_error, bytes: rest }));
        }
        for Piece { is_error, bytes } in pieces.into_iter().filter(|piece| !piece.bytes.is_empty()) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            self.say(state, if is_error { format!("{RED}{text}{PLAIN}") } else { text });
        }
    }

    /// A step's program wrote something.
    fn wrote(&self, step: usize, is_error: bool, bytes: &[u8]) {
        let mut state = self.state();
        let state = &mut *state;
        let output = &mut state.steps[step].output;
        match output.last_mut().filter(|last| last.is_error == is_error) {
            Some(last) => last.bytes.extend_from_slice(bytes),
            None => output.push(Piece { is_error, bytes: bytes.to_vec() }),
        }
        if Self::is_next(state, step) {
            self.flush(state, step);
        } else {
            hold_back(&mut state.steps[step].output);
        }
    }

    fn is_next(state: &State, step: usize) -> bool {
        state.is_announced && state.instructions.get(state.next).is_some_and(|next| next.steps.contains(&step))
    }
}

impl State {
    /// Whether an instruction's result was cached. One that only changes the config counts like the next step of its
    /// stage, or like the image: `None` if that is not known yet.
    fn is_cached(&self, place: usize) -> Option<bool> {
        let instruction = &self.instructions[place];
        let of = |steps: &[usize]| steps.iter().all(|step| self.steps[*step].is_cached);
        if !instruction.steps.is_empty() {
            let is_base = instruction.steps.iter().all(|step| self.steps[*step].is_base);
            return Some(!is_base && of(&instruction.steps));
        }
        if instruction.begins_stage || instruction.stage.is_none() {
            return Some(false);
        }
        let is_same_stage = |other: &&Instruction| other.stage == instruction.stage;
        let mut later = self.instructions[place..].iter().take_while(is_same_stage);
        let Some(next) = later.find(|other| !other.steps.is_empty()) else {
            let is_last_stage = self.instructions.last().is_some_and(|last| last.stage == instruction.stage);
            // Of a stage that others only copy from, only its executed steps are known.
            let before = || self.instructions[..place].iter().filter(is_same_stage).filter(|one| !one.begins_stage);
            return if is_last_stage { self.was_there } else { Some(before().all(|one| of(&one.steps))) };
        };
        next.steps.iter().all(|step| self.steps[*step].is_known).then(|| of(&next.steps))
    }
}

/// Drops the start of too much output.
fn hold_back(output: &mut Vec<Piece>) {
    let mut over = output.iter().map(|piece| piece.bytes.len()).sum::<usize>().saturating_sub(HELD_BACK);
    for piece in output.iter_mut() {
        let length = piece.bytes.len().min(over);
        piece.bytes.drain(..length);
        over -= length;
    }
    output.retain(|piece| !piece.bytes.is_empty());
}

impl Instruction {
    fn of(written: &Written) -> Self {
        let stage = written.stage.map(|stage| stage.first);
        let begins_stage = stage == Some(written.line);
        Self { text: written.text.clone(), line: written.line, stage, begins_stage, steps: Vec::new() }
    }
}

/// The length without an incomplete character at the end.
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

    /// Leaves out what is in no stage of the build.
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
    Step { line: step.lines.first, command, is_base, is_over: is_base, is_known: is_base, ..Step::default() }
}

impl Progress for Classic<'_> {
    fn tells_errors_apart(&self) -> bool {
        true
    }

    fn errors(&self, step: StepId, bytes: &[u8]) {
        self.wrote(step.0, true, bytes);
    }

    fn event(&self, event: Event<'_>) {
        if let Event::Output { step, bytes } = event {
            return self.wrote(step.0, false, bytes);
        }
        let mut state = self.state();
        let state = &mut *state;
        match event {
            Event::Canceled { .. } | Event::Output { .. } => {}
            Event::Started { step, .. } => {
                state.steps[step.0].is_known = true;
                self.advance(state);
            }
            Event::Cached { step } => {
                let step = &mut state.steps[step.0];
                (step.is_cached, step.is_over, step.is_known) = (true, true, true);
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

    /// The classic builder has no messages about tasks besides its steps.
    fn task(&self, _: TaskEvent<'_>) {}

    fn warn(&self, text: &str) {
        let mut state = self.state();
        self.say(&mut state, format!("[Warning] {text}\n"));
    }
}
