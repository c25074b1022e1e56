//! Draws the view: layers on the left, files on the right, the selection and the keys below.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, List, ListItem, ListState, Paragraph, Wrap};

use super::state::{Page, Pane, State};
use super::tree::Row;
use crate::base::human_size;
use crate::cli::output::one_line;
use crate::engine::contents::{Change, Finding};

const KEYS: &str = "tab pane  enter open  s sort  w waste  ? help  q quit";
const HELP: &[&str] = &[
    "up down, k j        move",
    "pgup pgdn home end  move far",
    "enter, space        open or close a folder",
    "right left, l h     to the files, the layers",
    "tab                 to the other list",
    "s                   sort by size or by name",
    "w                   what could be spared",
    "?                   this page",
    "q, esc              leave",
    "",
    "+ added  ~ changed  o re-owned  - removed",
];

pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State<'_>) {
    let [head, body, detail, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(3), Constraint::Length(4), Constraint::Length(1)])
            .areas(frame.area());
    let [layers, files] = Layout::horizontal([Constraint::Percentage(40), Constraint::Percentage(60)]).areas(body);
    state.height = usize::from(files.height.saturating_sub(2));
    let size = |bytes: u64| human_size(bytes, 3);
    let title = format!(
        "{}  {} in {} layers, {} to spare",
        one_line(state.image),
        size(state.contents.bytes()),
        state.contents.layers.len(),
        size(state.waste.bytes)
    );
    frame.render_widget(Line::styled(title, Style::new().add_modifier(Modifier::BOLD)), head);
    draw_layers(frame, state, layers);
    match state.page {
        Page::Files => draw_files(frame, state, files),
        Page::Waste => draw_waste(frame, state, files),
        Page::Help => {
            let lines: Vec<Line<'_>> = HELP.iter().map(|line| Line::raw(*line)).collect();
            frame.render_widget(Paragraph::new(lines).block(block("keys", true)), files);
        }
    }
    frame.render_widget(Paragraph::new(detail_of(state)).wrap(Wrap { trim: true }), detail);
    frame.render_widget(Line::styled(KEYS, Style::new().add_modifier(Modifier::DIM)), foot);
}

fn draw_layers(frame: &mut Frame<'_>, state: &State<'_>, area: Rect) {
    let mut items = vec![ListItem::new(format!("{:>8}  all layers", human_size(visible_bytes(state), 3)))];
    items.extend(
        state.contents.layers.iter().map(|layer| {
            ListItem::new(format!("{:>8}  {}", human_size(layer.bytes, 3), one_line(&layer.cause.shown())))
        }),
    );
    let has_keys = state.pane == Pane::Layers && state.page == Page::Files;
    draw_list(frame, (items, state.layer.map_or(0, |layer| layer + 1)), block("layers", has_keys), area);
}

fn visible_bytes(state: &State<'_>) -> u64 {
    state.contents.visible.values().map(|(_, file)| file.bytes).sum()
}

fn draw_files(frame: &mut Frame<'_>, state: &State<'_>, area: Rect) {
    let items: Vec<ListItem<'_>> = state.rows.iter().map(item).collect();
    draw_list(frame, (items, state.row), block("files", state.pane == Pane::Files), area);
}

fn item(row: &Row) -> ListItem<'_> {
    let (mark, colour) = match row.change {
        None => (' ', Color::Reset),
        Some(Change::Added) => ('+', Color::Green),
        Some(Change::Changed) => ('~', Color::Yellow),
        Some(Change::Attributes) => ('o', Color::Cyan),
        Some(Change::Removed) => ('-', Color::Red),
    };
    let folder = match (row.is_folder, row.is_open) {
        (true, true) => "v ",
        (true, false) => "> ",
        (false, _) => "  ",
    };
    let slash = if row.is_folder { "/" } else { "" };
    let text = format!("{mark} {:>8}  {}{folder}", human_size(row.bytes, 3), "  ".repeat(row.depth));
    let name = format!("{}{slash}", one_line(&row.name));
    ListItem::new(Line::from(vec![
        Span::styled(text, Style::new().fg(colour)),
        Span::styled(name, Style::new().fg(colour)),
    ]))
}

fn draw_waste(frame: &mut Frame<'_>, state: &State<'_>, area: Rect) {
    let items = state.waste.findings.iter().map(|finding| {
        let first = finding.paths.first().map(|path| format!("/{}", path.display())).unwrap_or_default();
        ListItem::new(format!("{:>8}  {}: {}", human_size(finding.bytes, 3), finding.kind.name(), one_line(&first)))
    });
    draw_list(frame, (items.collect(), state.finding), block("to spare", true), area);
}

fn draw_list(frame: &mut Frame<'_>, (items, at): (Vec<ListItem<'_>>, usize), block: Block<'_>, area: Rect) {
    let selected = if items.is_empty() { None } else { Some(at) };
    let list = List::new(items).block(block).highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(list, area, &mut ListState::default().with_selected(selected));
}

fn block(title: &str, has_keys: bool) -> Block<'_> {
    let style = if has_keys { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
    Block::new().borders(Borders::ALL).title(title).title_style(style).border_style(style)
}

/// Details about the selection.
fn detail_of(state: &State<'_>) -> String {
    match (state.page, state.pane) {
        (Page::Help, _) => String::new(),
        (Page::Waste, _) => state.waste.findings.get(state.finding).map_or("nothing".to_owned(), detail_of_finding),
        (Page::Files, Pane::Layers) => match state.layer {
            None => "what a container of the image sees".to_owned(),
            Some(layer) => one_line(&state.contents.layers[layer].cause.shown()),
        },
        (Page::Files, Pane::Files) => state
            .rows
            .get(state.row)
            .map_or("nothing".to_owned(), |row| format!("/{}", one_line(&row.path.display().to_string()))),
    }
}

fn detail_of_finding(finding: &Finding) -> String {
    let files = if finding.files == 1 { "1 file".to_owned() } else { format!("{} files", finding.files) };
    format!("{files} of layer {}: {}", finding.layer + 1, one_line(&finding.advice))
}
