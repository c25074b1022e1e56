//! The layout of the screen: a header, a line for each step, and the output below running steps. Pure: from a model and
//! the available space to lines.

use std::time::Duration;

use super::model::{Item, KEPT_LINES, Model, State};
use crate::cli::output::{Style, fit, width};

/// The available space.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub rows: usize,
    pub columns: usize,
    /// Without colours, the signs are sufficient.
    pub colours: bool,
}

/// The minimum width of a reason.
const LEAST_WHY: usize = 12;
/// The width of the header before the titles.
const HEADER: usize = "building 12.3s 12 of 34 steps  ".len();
/// The minimum width of a title.
const LEAST_TITLE: usize = 16;

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// What is left out to save space, from nothing to as much as possible.
#[derive(Debug, Clone, Copy)]
struct Detail {
    folds_stages: bool,
    folds_steps: bool,
    printed: usize,
}

const DETAILS: [Detail; 6] = [
    Detail { folds_stages: false, folds_steps: false, printed: KEPT_LINES },
    Detail { folds_stages: true, folds_steps: false, printed: KEPT_LINES },
    Detail { folds_stages: true, folds_steps: false, printed: 3 },
    Detail { folds_stages: true, folds_steps: true, printed: 3 },
    Detail { folds_stages: true, folds_steps: true, printed: 1 },
    Detail { folds_stages: true, folds_steps: true, printed: 0 },
];

impl Room {
    fn paint(self, style: Style, text: &str) -> String {
        if self.colours { style.paint(text) } else { text.to_owned() }
    }

    /// `left` and `right` at both ends of a line, `behind` dimmed between them if there is space.
    fn line(self, left: &str, behind: &str, right: (Style, &str)) -> String {
        let right = if self.columns < width(right.1) + LEAST_TITLE { (right.0, "") } else { right };
        let room = self.columns.saturating_sub(width(right.1) + 1);
        let left = fit(left, room);
        let (taken, for_why) = (width(&left), room.saturating_sub(width(&left) + 2));
        let shown = match behind {
            "" => String::new(),
            behind if for_why < LEAST_WHY && for_why < width(behind) => String::new(),
            behind => format!("  {}", fit(behind, for_why)),
        };
        let blanks = " ".repeat((self.columns - taken - width(&shown)).saturating_sub(width(right.1)));
        let right = self.paint(right.0, right.1);
        format!("{left}{}{blanks}{right}", self.paint(Style::Dim, &shown))
    }
}

/// The lines to draw while the build runs, as many as fit.
pub fn frame(model: &Model, room: Room) -> Vec<String> {
    let rows = room.rows.saturating_sub(1).max(1);
    let mut lines = Vec::new();
    for detail in DETAILS {
        lines = body(model, room, detail);
        if lines.len() < rows {
            break;
        }
    }
    // Running steps come last.
    let too_many = (lines.len() + 1).saturating_sub(rows);
    lines.drain(..too_many);
    lines.insert(0, header(model, room));
    lines
}

/// `building 12.3s  7/12  [build 3/5] RUN make, [2/3] COPY a /`
fn header(model: &Model, room: Room) -> String {
    let seconds = seconds(model.begun.elapsed());
    let running: Vec<&str> =
        model.items.iter().filter(|item| item.is_running()).map(|item| item.title.as_str()).collect();
    let what = match (model.planned, running.is_empty()) {
        (0, true) => "reading the Dockerfile and its base images".to_owned(),
        (_, true) if model.pushed.is_some() => "pushing".to_owned(),
        (_, true) => "finishing".to_owned(),
        _ => {
            // Each gets a part of the line.
            let part = (room.columns.saturating_sub(HEADER) / running.len()).saturating_sub(2);
            running.iter().map(|title| fit(title, part.max(LEAST_TITLE))).collect::<Vec<_>>().join(", ")
        }
    };
    let count = match model.planned {
        0 => String::new(),
        planned => format!(" {} of {planned} steps", model.ended()),
    };
    let left = format!("building {seconds}{count}");
    let behind = fit(&format!("  {what}"), room.columns.saturating_sub(width(&left)));
    format!("{}{behind}", room.paint(Style::Bold, &fit(&left, room.columns)))
}

fn body(model: &Model, room: Room, detail: Detail) -> Vec<String> {
    let mut lines = Vec::new();
    let groups = model.items.chunk_by(|one, other| one.stage.is_some() && one.stage == other.stage);
    for group in groups {
        let is_finished = group[0].stage.as_deref().is_some_and(|stage| model.is_finished(stage));
        if group.len() > 1 && is_finished && detail.folds_stages {
            lines.push(folded(group, room));
            continue;
        }
        let settled = group.iter().take_while(|item| matches!(item.state, State::Done | State::Cached)).count();
        let folded_steps = if detail.folds_steps && settled > 1 { settled } else { 0 };
        if folded_steps > 0 {
            lines.push(folded(&group[..folded_steps], room));
        }
        for item in &group[folded_steps..] {
            lines.push(line_of(item, room));
            let from = item.printed.len().saturating_sub(detail.printed);
            lines.extend(item.printed.iter().skip(from).map(|line| below(line, room)));
        }
    }
    if let Some(pushed) = &model.pushed {
        lines.extend(pushed.lines(room.columns, (room.rows / 2).max(1)));
    }
    lines
}

/// Several steps of a stage on one line.
fn folded(items: &[Item], room: Room) -> String {
    let stage = items[0].stage.as_deref().unwrap_or_default();
    let cached = items.iter().filter(|item| item.state == State::Cached).count();
    let stage = if stage.is_empty() { String::new() } else { format!("[{stage}] ") };
    let cached_note = if cached > 0 { format!(", {cached} of them cached") } else { String::new() };
    let took = seconds(items.iter().map(|item| item.took).sum());
    let sign = room.paint(Style::Green, "✔");
    room.line(&format!(" {sign} {stage}{} steps{cached_note}", items.len()), "", (Style::Plain, &took))
}

/// A line of a step's output, below the step.
fn below(line: &str, room: Room) -> String {
    fit(&format!("   {} {line}", room.paint(Style::Dim, "│")), room.columns)
}

/// A step or a task on one line, in its present state.
pub fn line_of(item: &Item, room: Room) -> String {
    let took = seconds(item.took);
    let (style, sign, right) = match item.state {
        State::Running => {
            let elapsed = item.begun.elapsed();
            let turn = (elapsed.as_millis() / 100) as usize % SPINNER.len();
            (Style::Cyan, SPINNER[turn], seconds(elapsed))
        }
        State::Done => (Style::Green, "✔", took),
        State::Cached => (Style::Cyan, "=", "cached".to_owned()),
        State::Failed => (Style::Red, "✘", took),
        State::Canceled => (Style::Yellow, "–", "canceled".to_owned()),
    };
    let title = match item.state {
        State::Failed => room.paint(Style::Red, &item.title),
        _ => item.title.clone(),
    };
    let left = format!(" {} {title}", room.paint(style, sign));
    // A long title leaves some space for the reason.
    let room_left = room.columns.saturating_sub(width(&right) + 1);
    let for_why = match width(&item.why) {
        0 => 0,
        whole => whole.min(room_left / 3) + 2,
    };
    let for_title = room_left.saturating_sub(for_why);
    let left = if for_title >= LEAST_TITLE && for_why > LEAST_WHY { fit(&left, for_title) } else { left };
    let right_style = if item.state == State::Cached { Style::Dim } else { Style::Plain };
    room.line(&left, &item.why, (right_style, &right))
}

/// `0.3s`, `1m 05s`
pub fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    match whole {
        0..60 => format!("{:.1}s", time.as_secs_f64()),
        60..3600 => format!("{}m {:02}s", whole / 60, whole % 60),
        _ => format!("{}h {:02}m", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::solve::Event;
    use crate::language::plan::StepId;

    /// Two stages; one step of the second is running, with output, and one is left.
    fn model() -> Model {
        let titles =
            (1..=9).map(|number| format!("[tools {number}/9] RUN --mount=type=tmpfs,target=/t make {number} 漢字"));
        let titles = titles.chain((1..=3).map(|number| format!("[{number}/3] COPY a b")));
        let titles: Vec<String> = titles.collect();
        let mut model = Model::new();
        model.add(&titles);
        let why = [crate::build::explain::Reason::FirstTime];
        // The later stage has the first event.
        model.step(&Event::Cached { step: StepId(9) });
        for step in (0..9).map(StepId) {
            model.step(&Event::Started { step, why: &why });
            model.step(&Event::Done { step, took: Duration::from_millis(1234) });
        }
        model.step(&Event::Started { step: StepId(10), why: &why });
        model.step(&Event::Output { step: StepId(10), bytes: b"one\n\x1b[31mtwo\x1b[0m and \x1b]0;x\x07\nthree\n" });
        model
    }

    #[test]
    fn everything_fits_whatever_the_room() {
        let model = model();
        for columns in [1, 2, 5, 10, 20, 40, 59, 80, 200] {
            for rows in [2, 3, 5, 8, 24] {
                for colours in [false, true] {
                    let lines = frame(&model, Room { rows, columns, colours });
                    assert!(lines.len() < rows.max(3), "{rows} rows: {lines:#?}");
                    assert!(lines.iter().all(|line| width(line) <= columns), "{columns}: {lines:#?}");
                }
            }
        }
    }

    #[test]
    fn stages_stand_in_their_order_and_fold_when_there_is_no_room() {
        let model = model();
        let lines = frame(&model, Room { rows: 24, columns: 60, colours: false });
        assert!(lines[0].contains("10 of 12 steps  [2/3] COPY a b"), "{lines:#?}");
        assert!(lines[1].starts_with(" ✔ [tools 1/9] RUN --mount=type=") && lines[1].ends_with(" 1.2s"));
        assert!(lines[10].starts_with(" = [1/3] COPY a b") && lines[10].ends_with("cached"), "{lines:#?}");
        assert!(lines[11].contains("[2/3] COPY a b  first time seen"), "{lines:#?}");
        assert!(lines[12] == "   │ one" && lines[13].starts_with("   │ ") && lines[13].contains("and \\x1b]0;x\\x07"));
        let lines = frame(&model, Room { rows: 8, columns: 60, colours: false });
        assert!(lines[1].starts_with(" ✔ [tools] 9 steps ") && lines[1].ends_with("11.1s"), "{lines:#?}");
        assert_eq!(lines.last().map(String::as_str), Some("   │ three"));
    }
}
