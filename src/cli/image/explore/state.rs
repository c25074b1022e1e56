//! The state of the view, and the effect of keys.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::keys::Key;
use super::tree::{Node, Row};
use crate::engine::contents::{Contents, FileKind, Waste};

/// The pane with the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    Layers,
    Files,
}

/// What is shown in place of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Files,
    Waste,
    Help,
}

pub(super) struct State<'a> {
    pub image: &'a str,
    pub contents: &'a Contents,
    pub waste: &'a Waste,
    pub pane: Pane,
    pub page: Page,
    /// `None` for all layers together.
    pub layer: Option<usize>,
    pub rows: Vec<Row>,
    pub row: usize,
    pub finding: usize,
    pub by_size: bool,
    /// How many lines of a list are visible; set by the view.
    pub height: usize,
    open: BTreeSet<PathBuf>,
    root: Node,
    is_over: bool,
}

impl<'a> State<'a> {
    pub fn new(image: &'a str, contents: &'a Contents, waste: &'a Waste) -> Self {
        let mut state = Self {
            image,
            contents,
            waste,
            pane: Pane::Layers,
            page: Page::Files,
            layer: None,
            rows: Vec::new(),
            row: 0,
            finding: 0,
            by_size: true,
            height: 1,
            open: BTreeSet::new(),
            root: Node::default(),
            is_over: false,
        };
        state.show_layer(None);
        state
    }

    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Handles a key.
    pub fn press(&mut self, key: Key) {
        match key {
            Key::Letter('q') => self.is_over = true,
            Key::Escape if self.page == Page::Files => self.is_over = true,
            Key::Escape => self.page = Page::Files,
            Key::Letter('?') => self.toggle(Page::Help),
            Key::Letter('w') => self.toggle(Page::Waste),
            Key::Letter('s') => {
                self.by_size = !self.by_size;
                self.list();
            }
            Key::Tab => {
                self.page = Page::Files;
                self.pane = if self.pane == Pane::Layers { Pane::Files } else { Pane::Layers };
            }
            _ if self.page == Page::Help => {}
            _ if self.page == Page::Waste => {
                self.finding = moved(key, self.finding, self.waste.findings.len(), self.height)
            }
            _ if self.pane == Pane::Layers => self.press_in_layers(key),
            _ => self.press_in_files(key),
        }
    }

    fn toggle(&mut self, page: Page) {
        self.page = if self.page == page { Page::Files } else { page };
    }

    fn press_in_layers(&mut self, key: Key) {
        if matches!(key, Key::Right | Key::Enter | Key::Letter('l' | ' ')) {
            self.pane = Pane::Files;
            return;
        }
        let place = self.layer.map_or(0, |layer| layer + 1);
        let next = moved(key, place, self.contents.layers.len() + 1, self.height);
        if next != place {
            self.show_layer(next.checked_sub(1));
        }
    }

    fn press_in_files(&mut self, key: Key) {
        let row = self.rows.get(self.row).cloned();
        match (key, row) {
            (Key::Enter | Key::Letter(' '), Some(row)) if row.is_folder => self.set_open(&row, !row.is_open),
            (Key::Right | Key::Letter('l'), Some(row)) if row.is_folder => self.set_open(&row, true),
            (Key::Left | Key::Letter('h'), Some(row)) if row.is_folder && row.is_open => self.set_open(&row, false),
            (Key::Left | Key::Letter('h'), Some(row)) => match row.path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => {
                    self.row = self.rows.iter().position(|row| row.path == parent).unwrap_or(self.row);
                }
                _ => self.pane = Pane::Layers,
            },
            _ => self.row = moved(key, self.row, self.rows.len(), self.height),
        }
    }

    fn set_open(&mut self, row: &Row, is_open: bool) {
        match is_open {
            true => _ = self.open.insert(row.path.clone()),
            false => _ = self.open.remove(&row.path),
        }
        self.list();
    }

    fn show_layer(&mut self, layer: Option<usize>) {
        let mut root = Node::default();
        match layer {
            None => {
                for (path, (_, file)) in &self.contents.visible {
                    root.add(path, file.bytes, None, file.kind == FileKind::Folder);
                }
            }
            Some(layer) => {
                for file in &self.contents.layers[layer].files {
                    // For a removed file, its former type.
                    let shown = file.file.as_ref().or(file.below.as_ref().map(|(_, below)| below));
                    let is_folder = shown.is_some_and(|shown| shown.kind == FileKind::Folder);
                    root.add(&file.path, shown.map_or(0, |shown| shown.bytes), Some(file.change), is_folder);
                }
            }
        }
        (self.layer, self.root, self.row) = (layer, root, 0);
        self.list();
    }

    fn list(&mut self) {
        let path = self.rows.get(self.row).map(|row| row.path.clone());
        self.rows = self.root.rows(&self.open, self.by_size);
        let place = path.and_then(|path| self.rows.iter().position(|row| row.path == path));
        self.row = place.unwrap_or(self.row).min(self.rows.len().saturating_sub(1));
    }
}

/// The new position in a list after a key.
fn moved(key: Key, place: usize, count: usize, height: usize) -> usize {
    let last = count.saturating_sub(1);
    let page = height.max(1);
    match key {
        Key::Up | Key::Letter('k') => place.saturating_sub(1),
        Key::Down | Key::Letter('j') => (place + 1).min(last),
        Key::PageUp => place.saturating_sub(page),
        Key::PageDown => (place + page).min(last),
        Key::Home | Key::Letter('g') => 0,
        Key::End | Key::Letter('G') => last,
        _ => place,
    }
}
