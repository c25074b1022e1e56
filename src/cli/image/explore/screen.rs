//! The terminal backend of ratatui: writes cells as control sequences (ECMA-48, xterm's ctlseqs) to standard output.

use std::fs::File;
use std::io::{self, Write as _};

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};

use crate::base::io_error::IoError;
use crate::cli::output;
use crate::container::window_size;

/// The size if the terminal does not report one.
const DEFAULT_SIZE: (u16, u16) = (24, 80);

pub(super) struct Screen {
    out: File,
    /// Output that is not written yet.
    bytes: Vec<u8>,
    has_colours: bool,
}

impl Screen {
    /// Switches to the alternate screen: the previous content comes back at the end.
    pub fn enter() -> Result<Self, IoError> {
        let mut screen =
            Self { out: output::raw_stdout()?, bytes: Vec::new(), has_colours: output::colours_are_wanted() };
        screen.bytes.extend_from_slice(b"\x1b[?1049h\x1b[?25l\x1b[2J");
        Ok(screen)
    }

    fn style(&mut self, cell: &Cell) {
        self.bytes.extend_from_slice(b"\x1b[0");
        for (modifier, number) in [(Modifier::BOLD, 1), (Modifier::DIM, 2), (Modifier::REVERSED, 7)] {
            if cell.modifier.contains(modifier) {
                self.bytes.extend_from_slice(format!(";{number}").as_bytes());
            }
        }
        let colour = match cell.fg {
            Color::Red => Some(31),
            Color::Green => Some(32),
            Color::Yellow => Some(33),
            Color::Cyan => Some(36),
            _ => None,
        };
        if let Some(colour) = colour.filter(|_| self.has_colours) {
            self.bytes.extend_from_slice(format!(";{colour}").as_bytes());
        }
        self.bytes.push(b'm');
    }

    fn go_to(&mut self, x: u16, y: u16) {
        self.bytes.extend_from_slice(format!("\x1b[{};{}H", y + 1, x + 1).as_bytes());
    }

    fn write(&mut self) -> io::Result<()> {
        self.out.write_all(&std::mem::take(&mut self.bytes))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.bytes.extend_from_slice(b"\x1b[0m\x1b[?25h\x1b[?1049l");
        // The terminal may be gone.
        let _ = self.write();
    }
}

impl Backend for Screen {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        let mut last: Option<(u16, u16, &Cell)> = None;
        for (x, y, cell) in content {
            if last.is_none_or(|(last_x, last_y, _)| (last_x + 1, last_y) != (x, y)) {
                self.go_to(x, y);
            }
            if last.is_none_or(|(.., last)| (last.fg, last.modifier) != (cell.fg, cell.modifier)) {
                self.style(cell);
            }
            self.bytes.extend_from_slice(cell.symbol().as_bytes());
            last = Some((x, y, cell));
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.bytes.extend_from_slice(b"\x1b[?25l");
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.bytes.extend_from_slice(b"\x1b[?25h");
        Ok(())
    }

    /// Not used: the viewport is the whole terminal.
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        self.go_to(x, y);
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.bytes.extend_from_slice(b"\x1b[0m\x1b[2J");
        Ok(())
    }

    fn clear_region(&mut self, _: ClearType) -> io::Result<()> {
        self.clear()
    }

    fn size(&self) -> io::Result<Size> {
        let (rows, columns) = window_size().filter(|size| size.0 > 0 && size.1 > 0).unwrap_or(DEFAULT_SIZE);
        Ok(Size::new(columns, rows))
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write()
    }
}
